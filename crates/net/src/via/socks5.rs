//! SOCKS 5: RFC 1928, with a user and password as in RFC 1929.

use super::{ProxyError, Tunnel};
use crate::endpoint::{Host, HostPort};

const VERSION: u8 = 5;
const CONNECT: u8 = 1;
const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;
const NOTHING_ACCEPTED: u8 = 0xff;
/// RFC 1929 counts its versions by itself.
const LOGIN_VERSION: u8 = 1;

const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// A length before a name, a user or a password has one byte.
const MAX_TEXT: usize = 255;

const PROTOCOL: &str = "SOCKS 5";

/// Logs in if the proxy wants it and has it connect to the target, whose name it resolves.
pub(super) async fn ask(
    tunnel: &mut Tunnel,
    target: &HostPort,
    login: Option<(&str, &str)>,
) -> Result<(), ProxyError> {
    let offered: &[u8] = if login.is_some() {
        &[NO_LOGIN, PASSWORD]
    } else {
        &[NO_LOGIN]
    };
    tunnel
        .send(&[&[VERSION, offered.len() as u8], offered].concat())
        .await?;
    match (tunnel.reply(|reply| pair(VERSION, reply)).await?, login) {
        (NO_LOGIN, _) => {}
        (PASSWORD, Some((user, password))) => log_in(tunnel, user, password).await?,
        (NOTHING_ACCEPTED, _) => return Err(ProxyError::WantsLogin),
        (other, _) => return Err(ProxyError::malformed(PROTOCOL, &[VERSION, other])),
    }
    tunnel.send(&request(target)?).await?;
    match tunnel.reply(answer).await? {
        0 => Ok(()),
        code => Err(ProxyError::Refused {
            code,
            meaning: meaning(code),
        }),
    }
}

async fn log_in(tunnel: &mut Tunnel, user: &str, password: &str) -> Result<(), ProxyError> {
    let mut message = vec![LOGIN_VERSION];
    push_text(&mut message, "user", user)?;
    push_text(&mut message, "password", password)?;
    tunnel.send(&message).await?;
    match tunnel.reply(|reply| pair(LOGIN_VERSION, reply)).await? {
        0 => Ok(()),
        status => Err(ProxyError::LoginRefused { status }),
    }
}

fn push_text(message: &mut Vec<u8>, what: &'static str, text: &str) -> Result<(), ProxyError> {
    let len = text.len();
    let short = u8::try_from(len);
    message.push(short.map_err(|_| ProxyError::Unsendable {
        what,
        len,
        limit: MAX_TEXT,
    })?);
    message.extend_from_slice(text.as_bytes());
    Ok(())
}

fn request(target: &HostPort) -> Result<Vec<u8>, ProxyError> {
    let mut message = vec![VERSION, CONNECT, 0];
    match &target.host {
        Host::V4(v4) => {
            message.push(IPV4);
            message.extend(v4.octets());
        }
        Host::V6 { address, .. } => {
            message.push(IPV6);
            message.extend(address.octets());
        }
        Host::Name(name) => {
            message.push(NAME);
            push_text(&mut message, "host name", name.as_str())?;
        }
        Host::Unspecified | Host::Any => unreachable!("a proxy is only asked for a real host"),
    }
    message.extend(target.port.to_be_bytes());
    Ok(message)
}

/// A version and one byte more.
fn pair(version: u8, reply: &[u8]) -> Result<Option<(u8, usize)>, ProxyError> {
    match reply {
        [first, ..] if *first != version => Err(ProxyError::malformed(PROTOCOL, reply)),
        [_, answer, ..] => Ok(Some((*answer, 2))),
        _ => Ok(None),
    }
}

/// The reply to a request: its code; the address behind it means nothing to us but has to go.
fn answer(reply: &[u8]) -> Result<Option<(u8, usize)>, ProxyError> {
    let malformed = || Err(ProxyError::malformed(PROTOCOL, reply));
    let Some((code, _)) = pair(VERSION, reply)? else {
        return Ok(None);
    };
    let address = match reply.get(2..) {
        Some([0, IPV4, ..]) => 4,
        Some([0, IPV6, ..]) => 16,
        Some([0, NAME, len, ..]) => 1 + usize::from(*len),
        Some([] | [0] | [0, NAME]) | None => return Ok(None),
        Some(_) => return malformed(),
    };
    let whole = 4 + address + 2;
    Ok((reply.len() >= whole).then_some((code, whole)))
}

/// RFC 1928, section 6.
fn meaning(code: u8) -> &'static str {
    match code {
        1 => "general failure of the proxy",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused by the target",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "a code that RFC 1928 does not know",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(reply: &[u8], expected: Result<Option<(u8, usize)>, ()>) {
        assert_eq!(answer(reply).map_err(|_| ()), expected, "{reply:02x?}");
    }

    #[test]
    fn replies_are_read_at_any_length() {
        let whole = b"\x05\x00\x00\x01\x7f\0\0\x01\x00\x50";
        for cut in 0..whole.len() {
            check(&whole[..cut], Ok(None));
        }
        check(whole, Ok(Some((0, 10))));
        check(&[&whole[..], b"SSH-2.0"].concat(), Ok(Some((0, 10))));
        let named = b"\x05\x05\x00\x03\x02ab\x00\x50";
        for cut in 0..named.len() {
            check(&named[..cut], Ok(None));
        }
        check(named, Ok(Some((5, 9))));
        check(
            &[b"\x05\x00\x00\x04".as_slice(), &[0; 18]].concat(),
            Ok(Some((0, 22))),
        );
    }

    #[test]
    fn what_is_no_socks_is_refused_at_its_first_wrong_byte() {
        check(b"H", Err(()));
        check(b"\x04\x5a", Err(()));
        check(b"\x05\x00\x01", Err(()));
        check(b"\x05\x00\x00\x02", Err(()));
        let error = answer(b"HTTP/1.1 400").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the proxy does not speak SOCKS 5: it sent 48 54 54 50 2f 31 2e 31 20 34 30 30 \
             (HTTP/1.1.400)"
        );
    }

    proptest! {
        /// Whatever a proxy sends: no panic, and no later byte changes what was read.
        #[test]
        fn what_was_read_stays_read(
            mut reply in prop::collection::vec(any::<u8>(), 0..40),
            head in prop::collection::vec(0u8..6, 0..5),
        ) {
            reply.splice(0..0, head);
            let whole = answer(&reply).map_err(|_| ());
            for cut in 0..reply.len() {
                match answer(&reply[..cut]) {
                    Ok(None) => {}
                    Ok(read) => prop_assert_eq!(Ok(read), whole),
                    Err(_) => prop_assert!(whole.is_err()),
                }
            }
        }
    }

    #[test]
    fn names_are_left_to_the_proxy() {
        let request = |text: &str| request(&text.parse().unwrap()).unwrap();
        assert_eq!(request("ab:80"), b"\x05\x01\x00\x03\x02ab\x00\x50");
        assert_eq!(
            request("1.2.3.4:258"),
            b"\x05\x01\x00\x01\x01\x02\x03\x04\x01\x02"
        );
        assert_eq!(request("[::1]:1")[3..5], [IPV6, 0]);
    }
}
