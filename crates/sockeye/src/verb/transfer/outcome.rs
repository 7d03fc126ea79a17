//! Exit codes of transfers: what a server's or our own reasons mean (DESIGN's table).

use sockeye_service::WireError;
use sockeye_service::files::client::{Failure, Skip, TransferError};
use sockeye_service::files::message::Code;

use crate::exit::Exit;

/// What an error's code means to whoever asked.
pub(crate) fn of_code(code: Code) -> Exit {
    match code {
        Code::Denied => Exit::Untrusted,
        Code::Digest => Exit::Check,
        // The command has to be another: a name, --overwrite, another server.
        Code::NotAllowed | Code::BadName | Code::NotFound | Code::Exists | Code::NotAFile => {
            Exit::Usage
        }
        _ => Exit::Network,
    }
}

/// The end of a whole transfer.
pub(crate) fn of_transfer(error: &TransferError) -> Exit {
    match error {
        TransferError::Refused { code, .. } => of_code(*code),
        TransferError::Wire(WireError::Io(_)) => Exit::Network,
        TransferError::Wire(_) | TransferError::Unasked(_) | TransferError::Name { .. } => {
            Exit::Check
        }
        TransferError::Silent(_) => Exit::Timeout,
        TransferError::TooMany { .. }
        | TransferError::SameName { .. }
        | TransferError::Target { .. }
        | TransferError::Folder { .. }
        | TransferError::Local { .. } => Exit::Usage,
        _ => Exit::Network,
    }
}

/// One file that was not transferred.
pub(super) fn of_failure(failure: &Failure) -> Exit {
    match failure.code() {
        Code::Digest => Exit::Check,
        _ if failure.is_local() => Exit::Usage,
        Code::BadName => Exit::Check,
        code => of_code(code),
    }
}

/// Something that was not sent.
pub(super) fn of_skip(_: &Skip) -> Exit {
    Exit::Usage
}

/// Of several ends the gravest: what was not trusted, what was wrong, what failed, what was asked.
pub(super) fn graver(one: Exit, other: Exit) -> Exit {
    let gravity = |exit| match exit {
        Exit::Done => 0,
        Exit::Usage => 1,
        Exit::Timeout => 2,
        Exit::Network => 3,
        Exit::Check => 4,
        Exit::Untrusted => 5,
        Exit::Signal(_) | Exit::Passed(_) => 6,
    };
    if gravity(other) > gravity(one) {
        other
    } else {
        one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_of_several_failures_decides() {
        let all = [Exit::Usage, Exit::Check, Exit::Network];
        assert_eq!(all.into_iter().fold(Exit::Done, graver), Exit::Check);
        assert_eq!(of_failure(&Failure::Changed), Exit::Usage);
        let refused = |code| Failure::Refused {
            code,
            message: String::new(),
        };
        let codes = [Code::Exists, Code::Denied, Code::NoSpace, Code::Digest];
        assert_eq!(
            codes.map(|code| of_failure(&refused(code)).code()),
            [2, 5, 1, 3]
        );
    }
}
