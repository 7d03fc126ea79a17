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

mod event;
mod recorder;
mod ring;
mod time;

pub use event::{Closing, ConnId, Event, Kind, Lane};
pub use recorder::{Observer, Recorder};
pub use time::{Clock, Time};
