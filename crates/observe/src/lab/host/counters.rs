//! What a kernel counts, from the tables that nstat(8) reads.

use std::collections::BTreeMap;
use std::{fs, io};

/// Of the network that this thread is in.
pub(super) fn read() -> io::Result<BTreeMap<String, i64>> {
    let mut counters = BTreeMap::new();
    for table in ["snmp", "netstat"] {
        let text = fs::read_to_string(format!("/proc/thread-self/net/{table}"))?;
        add(&text, &mut counters);
    }
    Ok(counters)
}

/// Pairs of lines, `Tcp: ActiveOpens PassiveOpens …` and `Tcp: 5 0 …` (proc_pid_net(5)).
fn add(text: &str, counters: &mut BTreeMap<String, i64>) {
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.chunks_exact(2) {
        let (mut names, mut values) = (pair[0].split_whitespace(), pair[1].split_whitespace());
        let group = names.next().unwrap_or_default();
        if values.next() != Some(group) {
            continue;
        }
        for (name, value) in names.zip(values) {
            if let Ok(value) = value.parse() {
                counters.insert(format!("{}.{name}", group.trim_end_matches(':')), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_above_their_values() {
        let text = "Tcp: MaxConn RetransSegs\nTcp: -1 7\nIcmp: InMsgs\nUdp: 3\nUdp: Odd\nUdp: 9\n";
        let mut counters = BTreeMap::new();
        add(text, &mut counters);
        let expected = [("Tcp.MaxConn", -1), ("Tcp.RetransSegs", 7), ("Udp.Odd", 9)];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(counters, BTreeMap::from(expected));
    }
}
