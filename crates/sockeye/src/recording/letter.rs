//! How a plan reaches the process that traces, and orders after it.
//!
//! They share a socket, which is the tracing process's standard input: first the plan with the
//! descriptors of the programs' streams, then one byte for each order. Its end means that the other
//! one is gone.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sockeye_observe::watch::Waker;

/// Descriptors that go with a plan: one for what each program says, and one to read from.
const DESCRIPTORS: usize = MAX_PROGRAMS + 1;
/// A server and a client.
const MAX_PROGRAMS: usize = 2;
/// A plan holds two command lines, which the kernel limits to 2 MiB each, and their copies.
const PLAN_LIMIT: u32 = 32 << 20;

/// What is asked of the process that traces while it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Order {
    /// End what was started, let go of what was attached to, and tell the rest.
    Stop = b's',
}

/// Sends the plan with the streams of its programs.
pub(crate) fn send(to: &UnixStream, plan: &impl Serialize, streams: &[OwnedFd]) -> io::Result<()> {
    let json = serde_json::to_vec(plan)?;
    let length = u32::try_from(json.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let streams: Vec<_> = streams.iter().map(AsFd::as_fd).collect();
    if !streams.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&streams)) {
        return Err(io::Error::other("too many streams for one plan"));
    }
    let sent = sendmsg(
        to,
        &[IoSlice::new(&length)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    let mut to = to;
    to.write_all(&length[sent..])?;
    to.write_all(&json)
}

/// Receives what [`send`] sent.
pub(crate) fn receive<P: DeserializeOwned>(mut from: &UnixStream) -> io::Result<(P, Vec<OwnedFd>)> {
    let mut length = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = recvmsg(
        from,
        &mut [IoSliceMut::new(&mut length)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let streams = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    if got.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    from.read_exact(&mut length[got.bytes..])?;
    let length = u32::from_le_bytes(length);
    if length > PLAN_LIMIT {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut json = vec![0; length as usize];
    from.read_exact(&mut json)?;
    Ok((serde_json::from_slice(&json)?, streams))
}

impl Order {
    /// Gives it. That nobody listens any more is no failure: the end has been noticed elsewhere.
    pub(crate) fn give(self, mut to: &UnixStream) {
        let _ = to.write_all(&[self as u8]);
    }

    /// The next one; none at the end.
    pub(crate) fn next(mut from: &UnixStream) -> Option<Self> {
        let mut byte = [0];
        loop {
            match from.read(&mut byte) {
                Ok(1) if byte[0] == Self::Stop as u8 => return Some(Self::Stop),
                Ok(1) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => return None,
            }
        }
    }

    /// Obeys orders until the end of the process, in a thread of its own: the first one sets `stop` and
    /// wakes the tracer.
    pub(crate) fn obey(orders: UnixStream, waker: Waker, stop: Arc<AtomicBool>) {
        thread::spawn(move || {
            while let Some(Self::Stop) = Self::next(&orders) {
                if stop.swap(true, Ordering::SeqCst) {
                    // Asked twice: not even what was seen is worth the wait.
                    break;
                }
                waker.wake();
            }
            // Nobody is left to tell anything. What we started ends with us (PTRACE_O_EXITKILL).
            std::process::exit(1);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    #[test]
    fn a_plan_arrives_with_its_streams_and_then_orders_do() {
        let (face, worker) = UnixStream::pair().unwrap();
        // A command line need not be text.
        let plan: [OsString; 2] = ["echo".into(), OsString::from_vec(vec![0xff, b'a'])];
        let (mut read, write) = io::pipe().unwrap();
        send(&face, &plan, &[OwnedFd::from(write)]).unwrap();
        let (got, mut streams) = receive::<[OsString; 2]>(&worker).unwrap();
        assert_eq!(got, plan);
        assert_eq!(streams.len(), 1);
        let mut stream = std::fs::File::from(streams.remove(0));
        stream.write_all(b"said").unwrap();
        drop(stream);
        let mut said = String::new();
        read.read_to_string(&mut said).unwrap();
        assert_eq!(said, "said");
        Order::Stop.give(&face);
        assert_eq!(Order::next(&worker), Some(Order::Stop));
        drop(face);
        assert_eq!(Order::next(&worker), None);
    }

    #[test]
    fn a_plan_that_never_comes_is_an_error() {
        let (face, worker) = UnixStream::pair().unwrap();
        drop(face);
        let error = receive::<String>(&worker).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
