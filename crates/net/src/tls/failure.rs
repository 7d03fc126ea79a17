//! What went wrong in TLS, in words that help.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, HandshakeType, PeerIncompatible};

use crate::errno::Errno;
use crate::secure::HandshakeError;

/// Why a handshake failed, as far as the protocol's own error tells.
pub(super) fn of_handshake(error: &io::Error, first_words: &[u8]) -> HandshakeError {
    let Some(tls) = within(error) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof if !is_tls(first_words) => foreign(first_words),
            io::ErrorKind::UnexpectedEof => HandshakeError::Closed,
            _ => HandshakeError::Broken(Errno::of(error)),
        };
    };
    if !is_tls(first_words) {
        return foreign(first_words);
    }
    of_tls(tls)
}

/// The same where the protocol's error is at hand.
pub(crate) fn of_tls(error: &Error) -> HandshakeError {
    let failed = |why: String| HandshakeError::Failed { why };
    match error {
        Error::AlertReceived(alert) => HandshakeError::Refused {
            why: alert_name(*alert),
        },
        Error::InvalidCertificate(why) => HandshakeError::Distrusted {
            why: certificate(why),
        },
        Error::NoCertificatesPresented => HandshakeError::Distrusted {
            why: "it showed none".into(),
        },
        Error::InappropriateHandshakeMessage {
            got_type: HandshakeType::ClientHello,
            ..
        } => failed("our own first words came back: an echo, not TLS".into()),
        Error::NoApplicationProtocol => {
            failed("the peer offers no protocol that alpn= names".into())
        }
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::ServerDoesNotSupportTls12Or13,
        ) => failed("the peer speaks only versions older than TLS 1.2".into()),
        other => failed(other.to_string()),
    }
}

/// What broke a stream after its handshake, as an error that says so.
pub(super) fn of_stream(error: io::Error) -> io::Error {
    match within(&error) {
        Some(Error::AlertReceived(alert)) => {
            let name = alert_name(*alert);
            let text = format!("the peer broke the TLS connection off: {name}");
            io::Error::new(io::ErrorKind::ConnectionAborted, text)
        }
        Some(other) => {
            let text = format!("the TLS connection is broken: {other}");
            io::Error::new(io::ErrorKind::InvalidData, text)
        }
        None if error.kind() == io::ErrorKind::UnexpectedEof => io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the peer ended without TLS's close_notify: what it sent may have been cut off",
        ),
        None => error,
    }
}

/// TLS's own error, where that is what happened.
fn within(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// Whether these are the first bytes of a TLS record: a known type and a version of 3 (RFC 8446
/// §5.1). Nothing at all may still become one.
fn is_tls(first: &[u8]) -> bool {
    match first {
        [] => true,
        [kind] => (20..=24).contains(kind),
        [kind, major, ..] => (20..=24).contains(kind) && *major == 3,
    }
}

fn foreign(first: &[u8]) -> HandshakeError {
    HandshakeError::Foreign {
        protocol: "TLS",
        got: first.to_vec(),
    }
}

/// What is wrong with a certificate.
pub(super) fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".into()
        }
        // The second is an authority of the same name whose key cannot have signed it.
        CertificateError::UnknownIssuer
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "nobody whom we trust has signed it".into()
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. } => {
            "it is signed in a way that we do not know".into()
        }
        CertificateError::BadSignature => {
            "a signature is wrong: it does not belong to who shows it".into()
        }
        CertificateError::BadEncoding => "it cannot be read".into(),
        // What openssl makes unless told otherwise; it has no variant of its own.
        CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" => {
            "it is one for an authority and not for a server: make it with \
             basicConstraints=critical,CA:FALSE, or trust its key by pin=SHA256:…"
                .into()
        }
        other => other.to_string(),
    }
}

/// The name that the RFCs give an alert, with its number: `bad_certificate (42)`.
fn alert_name(alert: AlertDescription) -> String {
    let number = u8::from(alert);
    let name = match alert {
        AlertDescription::UnknownCA => "unknown_ca",
        AlertDescription::UnknownPSKIdentity => "unknown_psk_identity",
        AlertDescription::UnrecognisedName => "unrecognized_name",
        AlertDescription::EncryptedClientHelloRequired => "ech_required",
        other => {
            return other.as_str().map_or_else(
                || format!("alert {number}"),
                |name| format!("{} ({number})", snake(name)),
            );
        }
    };
    format!("{name} ({number})")
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_have_the_names_of_the_rfcs() {
        // IANA, "TLS Alerts".
        for (number, name) in [
            (10, "unexpected_message"),
            (42, "bad_certificate"),
            (48, "unknown_ca"),
            (112, "unrecognized_name"),
            (115, "unknown_psk_identity"),
            (116, "certificate_required"),
            (120, "no_application_protocol"),
            (121, "ech_required"),
        ] {
            let shown = alert_name(AlertDescription::from(number));
            assert_eq!(shown, format!("{name} ({number})"));
        }
        assert_eq!(alert_name(AlertDescription::from(200)), "alert 200");
    }

    #[test]
    fn what_begins_like_a_record_may_be_tls() {
        for first in [
            &b""[..],
            b"\x16",
            b"\x16\x03",
            b"\x15\x03\x03\0\x02\x02\x28",
        ] {
            assert!(is_tls(first), "{first:?}");
        }
        for first in [&b"G"[..], b"\x16\x02", b"\0\0\0\x05", b"\x19\x03"] {
            assert!(!is_tls(first), "{first:?}");
        }
    }
}
