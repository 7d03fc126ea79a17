//! Setting the options of an endpoint on a socket, and reading back what the kernel made of them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::OptionError;
use super::access::{self, Target};
use super::registry::{Moment, OptionKey};
use super::settings::{Setting, Settings};
use super::table::OPTIONS;
use super::value::Value;
use crate::endpoint::Scheme;

/// What was asked of an option, and what the kernel gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBack {
    /// Which option.
    pub key: OptionKey,
    /// What was asked.
    pub asked: Value,
    /// What the socket has now; nothing where it has no such option, or does not show it.
    pub got: Option<Value>,
}

impl Settings {
    /// Sets all that is due at this moment, the written ones and our defaults, in the order of
    /// the table. Where nothing is due (accepted connections, unless an option says otherwise)
    /// no call is made.
    ///
    /// - **Errors:** the first option that the kernel refuses.
    pub fn apply(
        &self,
        socket: impl AsFd,
        scheme: Scheme,
        moment: Moment,
    ) -> Result<(), OptionError> {
        let target = Target {
            fd: socket.as_fd(),
            moment,
            settings: self,
        };
        if matches!(moment, Moment::Accepted | Moment::Connected) {
            return self.iter().try_for_each(|setting| set(target, setting));
        }
        for spec in OPTIONS {
            if let Some(value) = self.default_for(spec.key, scheme, moment) {
                set(target, &Setting::new(spec.key, value))?;
            }
            for setting in self.iter().filter(|setting| setting.key() == spec.key) {
                set(target, setting)?;
            }
        }
        Ok(())
    }

    /// What was asked of each option, by the endpoint or by our defaults, and what the kernel
    /// gave: it doubles buffers, caps queues and rounds times.
    pub fn read_back(&self, socket: impl AsFd, scheme: Scheme, moment: Moment) -> Vec<ReadBack> {
        let fd = socket.as_fd();
        let asked = OPTIONS.iter().flat_map(|spec| {
            let default = self.default_for(spec.key, scheme, moment);
            let written = self.iter().filter(|setting| setting.key() == spec.key);
            default
                .into_iter()
                .chain(written.map(|setting| setting.value().clone()))
                .map(move |value| (spec, value))
        });
        asked
            .map(|(spec, asked)| {
                let got = access::get(fd, spec).ok().flatten();
                ReadBack {
                    key: spec.key,
                    asked,
                    got,
                }
            })
            .collect()
    }

    fn default_for(&self, key: OptionKey, scheme: Scheme, moment: Moment) -> Option<Value> {
        key.default_value(scheme, moment).filter(|_| !self.has(key))
    }
}

impl OptionKey {
    /// Reads the option from a socket; nothing where the socket has none, or does not show it.
    pub fn read(self, socket: BorrowedFd<'_>) -> io::Result<Option<Value>> {
        access::get(socket, self.spec())
    }
}

fn set(target: Target<'_>, setting: &Setting) -> Result<(), OptionError> {
    let spec = setting.key().spec();
    if !spec.when.has(target.moment) {
        return Ok(());
    }
    access::set(target, spec, setting.value()).map_err(|source| OptionError::Refused {
        setting: setting.to_string(),
        hint: hint(spec.key, &source),
        source: source.into(),
    })
}

/// What would have been allowed, since the kernel's errno tells only that this was not.
fn hint(key: OptionKey, error: &io::Error) -> String {
    const ALLOWED: &str = "/proc/sys/net/ipv4/tcp_allowed_congestion_control";
    match (key, error.raw_os_error()) {
        (OptionKey::Congestion, _) => std::fs::read_to_string(ALLOWED)
            .map(|names| format!(" (allowed here: {})", names.trim()))
            .unwrap_or_default(),
        (OptionKey::Mark | OptionKey::Priority, Some(libc::EPERM)) => {
            " (needs CAP_NET_ADMIN)".into()
        }
        _ => String::new(),
    }
}
