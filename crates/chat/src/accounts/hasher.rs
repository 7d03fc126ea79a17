//! Hashing passwords, which is meant to be slow: a few at once, a few waiting, the others refused.

use std::sync::Arc;

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use thiserror::Error;
use tokio::sync::Semaphore;

use super::Password;

/// Passwords that are hashed at the same time; each takes 19 MiB meanwhile.
pub const HASHES_AT_ONCE: usize = 2;

/// Passwords that may wait behind them: about a second of work.
pub const HASHES_WAITING: usize = 64;

/// OWASP's minimum for argon2id (Password Storage Cheat Sheet): 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Bytes of salt (RFC 9106, section 3.1, recommends 16).
const SALT_BYTES: usize = 16;

/// Why a password was not hashed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashError {
    /// As many wait as may.
    #[error("too many people log in at this moment")]
    Busy,
    /// What is kept is no hash, or this one cannot be computed here.
    #[error("the password's hash cannot be computed: {0}")]
    Broken(String),
}

/// Hashes passwords, on threads made for work that blocks.
#[derive(Clone, Debug)]
pub struct Hasher {
    /// Who may wait or be at work.
    admitted: Arc<Semaphore>,
    /// Who may be at work.
    working: Arc<Semaphore>,
}

impl Default for Hasher {
    fn default() -> Self {
        Self {
            admitted: Arc::new(Semaphore::new(HASHES_AT_ONCE + HASHES_WAITING)),
            working: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
        }
    }
}

impl Hasher {
    /// The hash of a new password, as a PHC string.
    pub async fn hash(&self, password: Password) -> Result<String, HashError> {
        self.work(move || {
            let salt: [u8; SALT_BYTES] = rand::random();
            let salt = SaltString::encode_b64(&salt).map_err(broken)?;
            let hash = argon2()?.hash_password(password.as_str().as_bytes(), &salt);
            Ok(hash.map_err(broken)?.to_string())
        })
        .await
    }

    /// Whether this is the password of that hash.
    pub async fn verify(&self, password: Password, hash: Arc<str>) -> Result<bool, HashError> {
        self.work(move || {
            let hash = PasswordHash::new(&hash).map_err(broken)?;
            // With the parameters that stand in the hash: older ones stay good.
            match argon2()?.verify_password(password.as_str().as_bytes(), &hash) {
                Ok(()) => Ok(true),
                Err(argon2::password_hash::Error::Password) => Ok(false),
                Err(error) => Err(broken(error)),
            }
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let admitted = Arc::clone(&self.admitted);
        let admitted = admitted.try_acquire_owned().map_err(|_| HashError::Busy)?;
        let working = Arc::clone(&self.working).acquire_owned().await;
        let working = working.map_err(|_| HashError::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            // Held until the work is done, even if nobody waits for it any more.
            let _places = (admitted, working);
            work()
        });
        done.await.unwrap_or_else(|error| Err(broken(error)))
    }
}

fn argon2() -> Result<Argon2<'static>, HashError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(broken)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn broken(error: impl ToString) -> HashError {
    HashError::Broken(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_knows_its_password_and_no_other() {
        let hasher = Hasher::default();
        let hash = hasher.hash(Password::new("十里长街")).await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        let hash: Arc<str> = hash.into();
        let right = hasher.verify(Password::new("十里长街"), hash.clone());
        assert_eq!(right.await, Ok(true));
        let wrong = hasher.verify(Password::new("十里"), hash);
        assert_eq!(wrong.await, Ok(false));
        let senseless = hasher.verify(Password::new("x"), "no hash".into()).await;
        assert!(
            matches!(senseless, Err(HashError::Broken(_))),
            "{senseless:?}"
        );
    }

    #[tokio::test]
    async fn a_flood_is_refused_at_once() {
        let hasher = Hasher::default();
        let busy = (0..HASHES_AT_ONCE).map(|_| hasher.working.clone().try_acquire_owned());
        let busy: Vec<_> = busy.collect();
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..HASHES_AT_ONCE + HASHES_WAITING {
            let hasher = hasher.clone();
            waiting.spawn(async move { hasher.hash(Password::new("x")).await });
        }
        while hasher.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        for _ in 0..1000 {
            assert_eq!(hasher.hash(Password::new("x")).await, Err(HashError::Busy));
        }
        // Who has gone makes place for others.
        waiting.shutdown().await;
        drop(busy);
        assert!(hasher.hash(Password::new("x")).await.is_ok());
    }

    #[test]
    fn a_password_is_not_printed() {
        assert_eq!(format!("{:?}", Password::new("secret")), "Password(…)");
    }
}
