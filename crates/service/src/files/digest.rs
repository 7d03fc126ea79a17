//! Digests: which there are, how they are computed and written.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use thiserror::Error;

/// How a file is told from another without comparing the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// BLAKE3 with 256 bits.
    #[default]
    Blake3,
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// MD5 (RFC 1321), for peers that know nothing else: whoever wants to can make two files with one.
    Md5,
    /// Nothing is computed and nothing compared.
    None,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Blake3, Self::Sha256, Self::Md5, Self::None];

    /// Its name on the wire and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blake3 => "blake3",
            Self::Sha256 => "sha256",
            Self::Md5 => "md5",
            Self::None => "none",
        }
    }

    /// Bytes of a digest.
    const fn len(self) -> usize {
        match self {
            Self::Blake3 | Self::Sha256 => 32,
            Self::Md5 => 16,
            Self::None => 0,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is no digest.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadDigest {
    /// No such algorithm.
    #[error("there is no digest {0}; there are blake3, sha256, md5 and none")]
    Unknown(String),
    /// Not the digits of one.
    #[error("{algorithm} is written in {digits} hex digits")]
    Digits {
        /// Of which.
        algorithm: Algorithm,
        /// How many it has.
        digits: usize,
    },
    /// More than one where one belongs.
    #[error("one digest is enough: blake3, sha256 or md5")]
    Several,
}

impl FromStr for Algorithm {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let of_name = |algorithm: &Self| algorithm.name() == text;
        Self::ALL
            .into_iter()
            .find(of_name)
            .ok_or_else(|| BadDigest::Unknown(text.into()))
    }
}

/// The digest of some bytes. Prints as lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    /// Its bytes, and zeros behind them.
    bytes: [u8; 32],
}

impl Digest {
    /// Reads hex digits, upper or lower case.
    ///
    /// # Errors
    /// Whatever are not as many digits as the algorithm has.
    pub fn from_hex(algorithm: Algorithm, text: &str) -> Result<Self, BadDigest> {
        let digits = algorithm.len() * 2;
        let wrong = || BadDigest::Digits { algorithm, digits };
        if text.len() != digits || algorithm == Algorithm::None {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |digit: u8| char::from(digit).to_digit(16).ok_or_else(wrong);
            *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
        }
        Ok(Self { algorithm, bytes })
    }

    /// How it was made.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = &self.bytes[..self.algorithm.len()];
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{self}", self.algorithm)
    }
}

/// Computes a digest piece by piece.
#[derive(Clone, Debug)]
pub struct Hasher(State);

#[derive(Clone, Debug)]
enum State {
    Blake3(Box<blake3::Hasher>),
    Sha256(sha2::Sha256),
    Md5(md5::Md5),
    None,
}

/// Bytes that are read at once to be hashed: they stay in the processor's cache meanwhile.
const PIECE: usize = 256 << 10;

impl Hasher {
    /// Nothing hashed yet.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Blake3 => State::Blake3(Box::default()),
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Md5 => State::Md5(md5::Md5::new()),
            Algorithm::None => State::None,
        })
    }

    /// What it computes.
    pub fn algorithm(&self) -> Algorithm {
        match &self.0 {
            State::Blake3(_) => Algorithm::Blake3,
            State::Sha256(_) => Algorithm::Sha256,
            State::Md5(_) => Algorithm::Md5,
            State::None => Algorithm::None,
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Blake3(state) => {
                state.update(bytes);
            }
            State::Sha256(state) => state.update(bytes),
            State::Md5(state) => state.update(bytes),
            State::None => {}
        }
    }

    /// Takes the first `count` bytes of a file. Blocks.
    ///
    /// # Errors
    /// When the file cannot be read, or has fewer bytes.
    pub fn update_from(&mut self, file: &File, count: u64) -> io::Result<()> {
        if self.algorithm() == Algorithm::None {
            return Ok(());
        }
        let mut piece = vec![0; PIECE.min(usize::try_from(count).unwrap_or(PIECE))];
        let mut at = 0;
        while at < count {
            let room = piece
                .len()
                .min(usize::try_from(count - at).unwrap_or(PIECE));
            match file.read_at(&mut piece[..room], at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(got) => {
                    self.update(&piece[..got]);
                    at += got as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The digest of what was taken so far; more may follow. None where nothing is computed.
    pub fn digest(&self) -> Option<Digest> {
        let mut bytes = [0; 32];
        match &self.0 {
            State::Blake3(state) => bytes = *state.finalize().as_bytes(),
            State::Sha256(state) => bytes.copy_from_slice(&state.clone().finalize()),
            State::Md5(state) => bytes[..16].copy_from_slice(&state.clone().finalize()),
            State::None => return None,
        }
        let algorithm = self.algorithm();
        Some(Digest { algorithm, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(algorithm: Algorithm, bytes: &[u8]) -> String {
        let mut hasher = Hasher::new(algorithm);
        let (first, second) = bytes.split_at(bytes.len() / 2);
        hasher.update(first);
        hasher.update(second);
        hasher.digest().unwrap().to_string()
    }

    /// RFC 1321, A.5; FIPS 180-4 examples; the BLAKE3 paper's reference implementation.
    #[test]
    fn digests_are_those_of_their_standards() {
        let check = |algorithm, bytes: &[u8], hex: &str| {
            assert_eq!(digest(algorithm, bytes), hex);
            let read = Digest::from_hex(algorithm, &hex.to_uppercase()).unwrap();
            assert_eq!(read.to_string(), hex);
        };
        check(Algorithm::Md5, b"abc", "900150983cd24fb0d6963f7d28e17f72");
        check(
            Algorithm::Sha256,
            b"abc",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        );
        check(
            Algorithm::Blake3,
            b"abc",
            "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
        );
        assert_eq!(Hasher::new(Algorithm::None).digest(), None);
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        for (algorithm, text) in [
            (Algorithm::Md5, ""),
            (Algorithm::Md5, "900150983cd24fb0d6963f7d28e17f7"),
            (Algorithm::Md5, "900150983cd24fb0d6963f7d28e17f7g"),
            (Algorithm::Sha256, "900150983cd24fb0d6963f7d28e17f72"),
            (Algorithm::None, ""),
        ] {
            assert!(Digest::from_hex(algorithm, text).is_err(), "{text}");
        }
        assert!("sha1".parse::<Algorithm>().is_err());
    }

    #[test]
    fn a_file_is_hashed_from_its_beginning_and_must_be_long_enough() {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..PIECE + 77).map(|at| (at % 251) as u8).collect();
        io::Write::write_all(&mut file, &bytes).unwrap();
        let mut hasher = Hasher::new(Algorithm::Blake3);
        hasher.update_from(&file, bytes.len() as u64).unwrap();
        let mut whole = Hasher::new(Algorithm::Blake3);
        whole.update(&bytes);
        assert_eq!(hasher.digest(), whole.digest());
        assert!(hasher.update_from(&file, bytes.len() as u64 + 1).is_err());
    }
}
