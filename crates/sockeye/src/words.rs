//! Endpoints as people type them: URLs, short forms, and netcat's two words `host port`.

use sockeye_net::Endpoint;

use crate::exit::{Usage, usage};

/// Reads a list of endpoints, as `serve` takes them.
pub(crate) fn endpoints(words: &[String]) -> anyhow::Result<Vec<Endpoint>> {
    let mut read = vec![];
    let mut rest = words;
    while let Some((endpoint, taken)) = first(rest)? {
        read.push(endpoint);
        rest = &rest[taken..];
    }
    Ok(read)
}

/// Reads the endpoint at the front and says how many words it took; nothing if there are no words.
pub(crate) fn first(words: &[String]) -> anyhow::Result<Option<(Endpoint, usize)>> {
    let Some(word) = words.first() else {
        return Ok(None);
    };
    let error = match word.parse() {
        Ok(endpoint) => return Ok(Some((endpoint, 1))),
        Err(error) => error,
    };
    // `host 80` is in the fingers of everybody who comes from netcat.
    if let Some(port) = words.get(1).filter(|port| is_port(port))
        && !word.contains([':', '/', '?'])
        && let Ok(endpoint) = format!("{word}:{port}").parse()
    {
        return Ok(Some((endpoint, 2)));
    }
    if is_port(word) {
        return Err(usage!(
            "'{word}' is only a port; write :{word} for this machine, or HOST:{word}"
        ));
    }
    Err(Usage(error.to_string()).into())
}

/// Whether it can only be meant as a port: digits, or a range of them.
fn is_port(word: &str) -> bool {
    let (from, to) = word.split_once('-').unwrap_or((word, "0"));
    from.parse::<u16>().is_ok() && to.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_words_are_a_host_and_a_port() {
        let check = |line: &str, expected: &[&str]| {
            let words: Vec<String> = line.split(' ').map(Into::into).collect();
            let read: Vec<_> = endpoints(&words)
                .unwrap()
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(read, expected, "{line}");
        };
        check("localhost 80", &["tcp://localhost:80"]);
        check(
            "127.0.0.1 80 udp://:9 0.0.0.0 81",
            &["tcp://127.0.0.1:80", "udp://:9", "tcp://0.0.0.0:81"],
        );
        check(":80 unix:/run/a.sock", &["tcp://:80", "unix:/run/a.sock"]);
    }

    #[test]
    fn what_is_no_endpoint_says_what_to_write() {
        let check = |line: &str, expected: &str| {
            let words: Vec<String> = line.split(' ').map(Into::into).collect();
            assert_eq!(
                endpoints(&words).unwrap_err().to_string(),
                expected,
                "{line}"
            );
        };
        check(
            "7007",
            "'7007' is only a port; write :7007 for this machine, or HOST:7007",
        );
        check("localhost", "`localhost` has no port; write localhost:PORT");
        check("host 99999", "`host` has no port; write host:PORT");
    }
}
