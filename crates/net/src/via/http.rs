//! HTTP proxies: the `CONNECT` method (RFC 9110, section 9.3.6).

use super::{ProxyError, Tunnel};
use crate::endpoint::HostPort;

const PROTOCOL: &str = "HTTP/1.1";
/// How much of the proxy's own words an error repeats.
const MAX_REASON: usize = 80;

/// Has the proxy connect to the target, whose name it resolves.
pub(super) async fn ask(
    tunnel: &mut Tunnel,
    target: &HostPort,
    login: Option<(&str, &str)>,
) -> Result<(), ProxyError> {
    tunnel.send(&request(target, login)).await?;
    loop {
        let (status, reason) = tunnel.reply(answer).await?;
        match status {
            200..=299 => return Ok(()),
            // Interim: the real answer follows (RFC 9110, section 15.2).
            100..=199 => {}
            _ => return Err(ProxyError::Status { status, reason }),
        }
    }
}

fn request(target: &HostPort, login: Option<(&str, &str)>) -> Vec<u8> {
    let login = login.map_or_else(String::new, |(user, password)| {
        // RFC 7617: the basic scheme.
        let token = base64(format!("{user}:{password}").as_bytes());
        format!("Proxy-Authorization: Basic {token}\r\n")
    });
    format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{login}\r\n").into_bytes()
}

/// The status and the proxy's own words.
type Answer = (u16, String);

/// The head of an answer: its status and reason. What follows a 2xx head is the tunnel, whatever
/// the header fields say of a length (RFC 9110, section 9.3.6).
fn answer(reply: &[u8]) -> Result<Option<(Answer, usize)>, ProxyError> {
    let malformed = || ProxyError::malformed(PROTOCOL, reply);
    let begins = b"HTTP/1.";
    let seen = reply.len().min(begins.len());
    if reply[..seen] != begins[..seen] {
        return Err(malformed());
    }
    let Some((head, used)) = head(reply) else {
        return Ok(None);
    };
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line.trim_ascii_end());
    let mut parts = line.splitn(3, ' ');
    let is_digits =
        |text: &str, len| text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
    let minor = parts
        .next()
        .and_then(|version| version.strip_prefix("HTTP/1."));
    let status = parts.next().filter(|status| is_digits(status, 3));
    let (Some(true), Some(status)) = (minor.map(|minor| is_digits(minor, 1)), status) else {
        return Err(malformed());
    };
    let status = status.parse().map_err(|_| malformed())?;
    let reason = parts
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control());
    Ok(Some(((status, reason.take(MAX_REASON).collect()), used)))
}

/// Everything up to the empty line, and where what follows begins. A bare LF ends a line as well
/// (RFC 9112, section 2.2).
fn head(reply: &[u8]) -> Option<(&[u8], usize)> {
    let ends = line_ends(reply).zip(line_ends(reply).skip(1));
    for (end, next) in ends {
        if matches!(&reply[end + 1..next], b"" | b"\r") {
            return Some((&reply[..=end], next + 1));
        }
    }
    None
}

fn line_ends(bytes: &[u8]) -> impl Iterator<Item = usize> {
    bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| at)
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |place: usize| u32::from(group.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            if place <= group.len() {
                let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
                text.push(char::from(letter));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(reply: &str, expected: Option<(u16, &str, usize)>) {
        let read = answer(reply.as_bytes()).unwrap();
        let read = read
            .as_ref()
            .map(|((status, reason), used)| (*status, reason.as_str(), *used));
        assert_eq!(read, expected, "{reply:?}");
    }

    #[test]
    fn heads_are_read_at_any_length() {
        let whole = "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n";
        for cut in 0..whole.len() {
            check(&whole[..cut], None);
        }
        check(whole, Some((200, "Connection established", whole.len())));
        check(
            &format!("{whole}SSH-2.0"),
            Some((200, "Connection established", whole.len())),
        );
        check("HTTP/1.0 200 OK\n\n", Some((200, "OK", 17)));
        check("HTTP/1.1 407\r\n\r\n", Some((407, "", 16)));
        check(
            "HTTP/1.1 502 \x1b[31mbad\r\n\r\n",
            Some((502, "[31mbad", 25)),
        );
    }

    #[test]
    fn what_is_no_http_is_refused() {
        for reply in [
            "\x05\0",
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 20\r\n\r\n",
            "HTTP/1.x 200\r\n\r\n",
        ] {
            let error = answer(reply.as_bytes()).unwrap_err();
            assert!(
                matches!(error, ProxyError::Malformed { .. }),
                "{reply:?}: {error}"
            );
        }
    }

    proptest! {
        /// Whatever a proxy sends: no panic, and no later byte changes what was read.
        #[test]
        fn what_was_read_stays_read(
            status in "(HTTP/1\\.[01x] [0-9]{2,4}[ a-z]{0,4}\r?\n)?", rest in "[\\PC\r\n]{0,40}",
            end in "(\r?\n\r?\n)?.{0,9}",
        ) {
            let reply = [status, rest, end].concat().into_bytes();
            let whole = answer(&reply);
            for cut in 0..reply.len() {
                match answer(&reply[..cut]) {
                    Ok(None) => {}
                    Ok(read) => prop_assert_eq!(&Ok(read), &whole),
                    Err(_) => prop_assert!(whole.is_err()),
                }
            }
        }
    }

    #[test]
    fn logins_are_encoded_as_the_rfc_shows() {
        // RFC 4648, section 10.
        for (plain, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(base64(plain.as_bytes()), text);
        }
        // RFC 7617, section 2.
        let request = request(
            &"[::1]:80".parse().unwrap(),
            Some(("Aladdin", "open sesame")),
        );
        assert_eq!(
            String::from_utf8(request).unwrap(),
            "CONNECT [::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\n\
             Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
        );
    }
}
