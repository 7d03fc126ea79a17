//! `stdio:`: our own standard input and output as one stream.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use crate::context::Net;
use crate::endpoint::Endpoint;
use crate::error::{NetError, Operation};
use crate::name::Name;
use crate::pair::Pair;
use crate::stream::{ByteLink, Raw};

/// Standard input and output. What is open there stays as it is: other programs share it.
pub(crate) fn open(net: &Net, endpoint: &Endpoint) -> Result<ByteLink, NetError> {
    let failed = |error: io::Error| NetError::system(Operation::TakeOver, endpoint, error);
    let input = io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
    let output = io::stdout().as_fd().try_clone_to_owned().map_err(failed)?;
    let pair = Pair::shared(Arc::new(input), Arc::new(output));
    Ok(ByteLink::new(
        Raw::Pair(Box::new(pair)),
        Name::Stdio,
        &net.recorder,
    ))
}
