//! Traces: what happened on a connection, as events on one clock.
//!
//! A trace is fed by whoever touches a socket and read by whoever draws: the feeder hands each
//! [`Event`] to a [`Recorder`], an [`Observer`] polls them out in the order of time. Nobody is ever
//! woken per event, a full ring counts what it dropped, and with no observer recording costs one
//! relaxed load.
//!
//! ```
//! use sockeye_trace::{Event, Kind, Recorder};
//!
//! let recorder = Recorder::new();
//! let mut observer = recorder.observe();
//! let conn = recorder.next_conn();
//! recorder.record(Event::new(Kind::Read, conn, recorder.now()).with_result(5), b"hello");
//!
//! let mut seen = vec![];
//! observer.drain_all(|event, payload| seen.push((event.kind(), payload.to_vec())));
//! assert_eq!(seen, [(Kind::Read, b"hello".to_vec())]);
//! ```

mod address;
mod call;
mod errno;
mod event;
pub mod finding;
mod lang;
pub mod packet;
pub mod pcapng;
mod recorder;
pub mod render;
mod ring;
pub mod sample;
mod session;
mod time;
pub mod timeline;
pub mod verdict;

pub use address::{Address, Transport};
pub use call::{Call, Moves};
pub use errno::errno_name;
pub use event::{Closing, ConnId, Event, Kind, Lane};
pub use finding::{Finding, Weight};
pub use lang::Lang;
pub use recorder::{Observer, Recorder};
pub use session::{
    ClockDifference, Evidence, FOREIGN_PIDS, Fact, FactId, FileError, Gap, Gauge, Head, Interface,
    Merged, Process, Reader, Session, Side, TcpState, WireSource, Writer, merge, packet_flag,
};
pub use time::{Clock, Time};
pub use timeline::Timeline;
pub use verdict::{Act, Verdict};
