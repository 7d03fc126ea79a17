//! The name of a key.

use std::fmt;
use std::str::FromStr;

use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::error::TrustError;

/// The base64 alphabet (RFC 4648, section 4).
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Characters that 32 bytes need without padding.
const DIGITS: usize = 43;

/// The SHA-256 of a public key: of its DER SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7).
///
/// Prints `SHA256:` and base64 without padding, and reads that back; also reads curl's form.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

/// Why a text is no fingerprint.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FingerprintError {
    /// It begins otherwise.
    #[error("'{0}' is no key: write SHA256: and 43 characters, as `sockeye key` shows it")]
    Form(String),
    /// It is too short or too long.
    #[error("'{text}' has {got} characters behind SHA256:, a key has {DIGITS}")]
    Length {
        /// What was read.
        text: String,
        /// How many.
        got: usize,
    },
    /// It holds what base64 cannot.
    #[error("'{0}' is not base64 of 32 bytes: a character is wrong")]
    Digits(String),
}

impl Fingerprint {
    /// The fingerprint of a DER SubjectPublicKeyInfo.
    pub fn of_spki(spki: &[u8]) -> Self {
        Self(Sha256::digest(spki).into())
    }

    /// The fingerprint of the key in a certificate. Nothing but the key is looked at.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, TrustError> {
        let parsed = ParsedCertificate::try_from(certificate)
            .map_err(|error| TrustError::Certificate(error.to_string()))?;
        Ok(Self::of_spki(&parsed.subject_public_key_info()))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// As curl's `--pinnedpubkey` takes it: `sha256//…=`.
    pub fn curl(&self) -> String {
        format!("sha256//{}=", self.digits())
    }

    /// Base64 without padding.
    fn digits(&self) -> String {
        let mut digits = String::with_capacity(DIGITS + 1);
        for three in self.0.chunks(3) {
            let at = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
            let bits = at(0) << 16 | at(1) << 8 | at(2);
            for shift in [18, 12, 6, 0].into_iter().take(three.len() + 1) {
                digits.push(char::from(ALPHABET[(bits >> shift & 63) as usize]));
            }
        }
        digits
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shown = || -> String { text.chars().take(80).collect() };
        let digits = text
            .strip_prefix("SHA256:")
            .or_else(|| text.strip_prefix("sha256//"))
            .ok_or_else(|| FingerprintError::Form(shown()))?;
        let digits = digits.strip_suffix('=').unwrap_or(digits).as_bytes();
        if digits.len() != DIGITS {
            return Err(FingerprintError::Length {
                text: shown(),
                got: digits.len(),
            });
        }
        let mut bytes = [0; 32];
        for (four, out) in digits.chunks(4).zip(bytes.chunks_mut(3)) {
            let mut bits = 0;
            for digit in four {
                let value = ALPHABET.iter().position(|known| known == digit);
                let value = value.ok_or_else(|| FingerprintError::Digits(shown()))?;
                bits = bits << 6 | value as u32;
            }
            // The last three digits hold 18 bits for 2 bytes.
            bits <<= 6 * (4 - four.len());
            out.copy_from_slice(&bits.to_be_bytes()[1..=out.len()]);
        }
        let read = Self(bytes);
        // The bits that no byte takes have to be zero: one key has one text.
        if read.digits().as_bytes() != digits {
            return Err(FingerprintError::Digits(shown()));
        }
        Ok(read)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SHA256:{}", self.digits())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_is_as_other_programs_write_it() {
        // printf '' | openssl dgst -sha256 -binary | base64
        let empty = Fingerprint::of_spki(b"");
        assert_eq!(
            empty.to_string(),
            "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
        );
        assert_eq!(
            empty.curl(),
            "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        );
        assert_eq!(empty.curl().parse(), Ok(empty));
    }

    #[test]
    fn what_is_no_key_is_refused_with_what_to_write() {
        let check = |text: &str, part: &str| {
            let error = text.parse::<Fingerprint>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        };
        check("MD5:00", "write SHA256:");
        check("SHA256:abc", "has 3 characters");
        check(
            "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSu-U",
            "a character is wrong",
        );
        // One bit too many in the last digit: it would be a second text for one key.
        check(
            "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV",
            "a character is wrong",
        );
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(bytes in any::<[u8; 32]>()) {
            let key = Fingerprint(bytes);
            prop_assert_eq!(key.to_string().parse(), Ok(key));
            prop_assert_eq!(key.curl().parse(), Ok(key));
        }

        #[test]
        fn no_text_panics(text in "(SHA256:|sha256//)?\\PC{0,60}") {
            let _ = text.parse::<Fingerprint>();
        }
    }
}
