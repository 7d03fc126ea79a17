//! What this server shows to NATS. Never on the command line, where everybody on the machine can
//! read it: in a file that nobody else can, or in the environment.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use async_nats::ConnectOptions;

use super::ClusterError;

/// Bytes that a file of credentials may have.
const FILE_BYTES: u64 = 64 * 1024;

/// The environment's names.
const USER: &str = "SOCKEYE_CLUSTER_USER";
const PASSWORD: &str = "SOCKEYE_CLUSTER_PASSWORD";
const TOKEN: &str = "SOCKEYE_CLUSTER_TOKEN";

/// What NATS wants to see.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// A user and a password.
    User {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A token.
    Token(String),
}

impl std::fmt::Debug for Credentials {
    /// Without what is secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::User { .. } => "User",
            Self::Token(_) => "Token",
        })
    }
}

impl Credentials {
    /// Reads a file of lines `user NAME`, `password SECRET` or `token SECRET`. Whoever else can read
    /// or write it is reason enough to refuse it.
    pub fn from_file(path: &Path) -> Result<Self, ClusterError> {
        let failed = |source| ClusterError::Credentials {
            path: path.to_owned(),
            source,
        };
        let bad = |why: &str| ClusterError::BadCredentials {
            from: path.display().to_string(),
            why: why.to_owned(),
        };
        let about = fs::metadata(path).map_err(failed)?;
        let us = rustix::process::geteuid().as_raw();
        if about.uid() != us && about.uid() != 0 {
            return Err(bad("it belongs to another user"));
        }
        if about.mode() & 0o077 != 0 {
            return Err(bad("others may read it; `chmod 600` makes it yours alone"));
        }
        if about.len() > FILE_BYTES {
            return Err(bad("it is too long"));
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        Self::from_text(&text).map_err(|why| bad(&why))
    }

    /// Reads `SOCKEYE_CLUSTER_USER` with `SOCKEYE_CLUSTER_PASSWORD`, or `SOCKEYE_CLUSTER_TOKEN`.
    pub fn from_environment() -> Result<Self, ClusterError> {
        let value = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        Self::of(value(USER), value(PASSWORD), value(TOKEN)).map_err(|why| {
            ClusterError::BadCredentials {
                from: "the environment".to_owned(),
                why,
            }
        })
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let (mut user, mut password, mut token) = (None, None, None);
        for line in text.lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (word, value) = line.split_once([' ', '\t']).unwrap_or((line, ""));
            let place = match word {
                "user" => &mut user,
                "password" => &mut password,
                "token" => &mut token,
                // The line may be a secret: it is not repeated.
                _ => return Err("a line begins with none of user, password, token".to_owned()),
            };
            *place = Some(value.trim().to_owned());
        }
        Self::of(user, password, token)
    }

    fn of(
        user: Option<String>,
        password: Option<String>,
        token: Option<String>,
    ) -> Result<Self, String> {
        match (user, password, token) {
            (None, None, None) => Ok(Self::None),
            (Some(user), Some(password), None) => Ok(Self::User { user, password }),
            (None, None, Some(token)) => Ok(Self::Token(token)),
            (_, _, Some(_)) => Err("either a token, or a user and a password".to_owned()),
            _ => Err("a user and a password belong together".to_owned()),
        }
    }

    pub(super) fn options(&self) -> ConnectOptions {
        match self {
            Self::None => ConnectOptions::new(),
            Self::User { user, password } => {
                ConnectOptions::with_user_and_password(user.clone(), password.clone())
            }
            Self::Token(token) => ConnectOptions::with_token(token.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_user_or_a_token() {
        let check = |text: &str, expected| assert_eq!(Credentials::from_text(text), expected);
        check("", Ok(Credentials::None));
        check(
            "# ours\ntoken  t0p \n",
            Ok(Credentials::Token("t0p".into())),
        );
        let user = Credentials::User {
            user: "chat".into(),
            password: "a b".into(),
        };
        check("user chat\npassword a b\n", Ok(user.clone()));
        check(
            "user chat\n",
            Err("a user and a password belong together".into()),
        );
        check(
            "user chat\ntoken x",
            Err("either a token, or a user and a password".into()),
        );
        let refused = Credentials::from_text("s3cret").unwrap_err();
        assert!(!refused.contains("s3cret"), "{refused}");
        assert_eq!(format!("{user:?}"), "User");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nats");
        fs::write(&path, "token t").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Credentials::from_file(&path).unwrap_err().to_string();
        assert!(refused.ends_with("makes it yours alone"), "{refused}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(
            Credentials::from_file(&path).unwrap(),
            Credentials::Token("t".into())
        );
    }
}
