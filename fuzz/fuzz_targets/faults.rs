//! Any rules over any chunks: nothing panics, and every law of a chain is kept.
//!
//! The input is rules, a line each, then an empty line, then a byte whose lowest bit says whether chunks are
//! packets, and the chunks: each with two bytes ahead of it, when, which way and whose in one and its length
//! in the other.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use sockeye_fault::laws::{self, Coming};
use sockeye_fault::{Content, Rule, Way};

/// More only takes time.
const RULES: usize = 6;
const CHUNKS: usize = 64;

fuzz_target!(|data: &[u8]| {
    check(data);
});

fn check(data: &[u8]) -> Option<()> {
    let end = data.windows(2).position(|two| two == b"\n\n")?;
    let mut rules = vec![];
    for line in std::str::from_utf8(&data[..end]).ok()?.lines().take(RULES) {
        let rule: Rule = line.parse().ok()?;
        assert_eq!(rule.to_string().parse(), Ok(rule.clone()));
        rules.push(rule);
    }
    let [mode, rest @ ..] = &data[end + 2..] else {
        return None;
    };
    let content = if mode & 1 == 0 {
        Content::Stream
    } else {
        Content::Packet
    };
    laws::check(&rules, u64::from(*mode), content, &coming(rest));
    Some(())
}

fn coming(mut rest: &[u8]) -> Vec<Coming> {
    let mut coming = vec![];
    while let [how, length, behind @ ..] = rest {
        let (bytes, behind) = behind.split_at(usize::from(*length).min(behind.len()));
        coming.push(Coming {
            after: Duration::from_millis(u64::from(how >> 3)),
            way: if how & 1 == 0 {
                Way::ToServer
            } else {
                Way::ToClient
            },
            peer: u64::from(how >> 1 & 3),
            bytes: bytes.to_vec(),
        });
        rest = behind;
        if coming.len() == CHUNKS {
            break;
        }
    }
    coming
}
