//! shutdown(2) and close(2).

use rustix::net::Shutdown;

use super::held::Held;
use super::{Deeds, Done};

pub(super) fn shutdown(held: &Held, how: &str) -> Deeds {
    let how = match how {
        "read" => Shutdown::Read,
        "write" => Shutdown::Write,
        "both" => Shutdown::Both,
        other => {
            return Err(format!("shutdown is `read`, `write` or `both`, not `{other}`").into());
        }
    };
    let shut = held.call(|fd| rustix::net::shutdown(fd, how));
    Ok(vec![Done::of("shutdown", shut.map(|()| 0))])
}

pub(super) fn close(held: &Held) -> Done {
    Done::of("close", held.close().map(|()| 0))
}
