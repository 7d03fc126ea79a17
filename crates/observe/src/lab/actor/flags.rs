//! Flags of send(2) and recv(2) by name.

use super::Cannot;

/// linux/socket.h
const FLAGS: &[(&str, i32)] = &[
    ("MSG_OOB", libc::MSG_OOB),
    ("MSG_PEEK", libc::MSG_PEEK),
    ("MSG_DONTROUTE", libc::MSG_DONTROUTE),
    ("MSG_TRUNC", libc::MSG_TRUNC),
    ("MSG_DONTWAIT", libc::MSG_DONTWAIT),
    ("MSG_EOR", libc::MSG_EOR),
    ("MSG_WAITALL", libc::MSG_WAITALL),
    ("MSG_CONFIRM", libc::MSG_CONFIRM),
    ("MSG_ERRQUEUE", libc::MSG_ERRQUEUE),
    ("MSG_NOSIGNAL", libc::MSG_NOSIGNAL),
    ("MSG_MORE", libc::MSG_MORE),
];

/// The bits of all these names.
pub(super) fn bits(names: &[String]) -> Result<u32, Cannot> {
    names.iter().try_fold(0, |bits, name| {
        let known = FLAGS.iter().find(|(known, _)| known == name);
        let (_, bit) = known.ok_or_else(|| {
            let all: Vec<&str> = FLAGS.iter().map(|(name, _)| *name).collect();
            Cannot(format!(
                "no flag is called `{name}`; known are {}",
                all.join(", ")
            ))
        })?;
        Ok(bits | bit.cast_unsigned())
    })
}
