//! Signals to us while commands run: passed on to them, or the end.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::time::Duration;

use sockeye_service::exec::SignalName;
use sockeye_service::exec::client::Order;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::signals::{Asked, Signals, stop_ourselves};
use super::terminal;
use crate::exit::Interrupted;
use crate::journal::Journal;

/// Orders that wait for one server. Who sends more signals than this while it takes none loses them.
const ORDERS: usize = 8;
/// How long we wait with our own stop until the servers have taken theirs.
const STOPPING: Duration = Duration::from_secs(1);

/// The commands that run and can be given orders.
#[derive(Debug, Default)]
pub(super) struct Commands {
    running: RefCell<Vec<mpsc::Sender<Order>>>,
    interrupted: Cell<bool>,
}

/// The two ends of a way to a command.
pub(super) fn orders() -> (mpsc::Sender<Order>, mpsc::Receiver<Order>) {
    mpsc::channel(ORDERS)
}

impl Commands {
    /// From now on this command runs.
    pub(super) fn add(&self, command: mpsc::Sender<Order>) {
        self.running.borrow_mut().push(command);
    }

    /// Whether Ctrl-C was typed: no further command is to be started.
    pub(super) fn interrupted(&self) -> bool {
        self.interrupted.get()
    }

    /// Runs `work`, and passes on what signals to us ask for.
    ///
    /// # Errors
    /// When we are to end before the work is done.
    pub(super) async fn guide<T>(
        &self,
        work: impl Future<Output = T>,
        signals: &mut Signals,
        journal: &Journal,
    ) -> anyhow::Result<T> {
        let mut work = std::pin::pin!(work);
        let mut stopping: Option<Pin<Box<dyn Future<Output = ()>>>> = None;
        loop {
            let stop = async {
                match &mut stopping {
                    Some(told) => told.await,
                    None => std::future::pending().await,
                }
            };
            let asked = tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = stop => None,
                asked = signals.next() => Some(asked),
                error = journal.unread() => return Err(error),
            };
            match asked {
                None => {
                    stopping = None;
                    self.stop_with_them()?;
                }
                Some(Asked::Stop) => stopping = Some(Box::pin(self.tell_to_stop())),
                Some(Asked::Resize) => self.resize(),
                Some(Asked::End(number)) => return Err(Interrupted(number).into()),
                Some(Asked::Pass(name)) => self.pass(name)?,
            }
        }
    }

    /// Passes a signal on, or ends by it where nothing runs yet.
    fn pass(&self, name: SignalName) -> anyhow::Result<()> {
        let number = match name {
            SignalName::Int => libc::SIGINT,
            SignalName::Quit => libc::SIGQUIT,
            _ => 0,
        };
        if number > 0 {
            self.interrupted.set(true);
            if !self.any_runs() {
                return Err(Interrupted(number).into());
            }
        }
        self.each(|| Order::Signal(name, None));
        Ok(())
    }

    fn any_runs(&self) -> bool {
        self.running
            .borrow_mut()
            .retain(|command| !command.is_closed());
        !self.running.borrow().is_empty()
    }

    fn each(&self, order: impl Fn() -> Order) {
        for command in self.running.borrow().iter() {
            // Full: the server has taken none of those before.
            let _ = command.try_send(order());
        }
    }

    fn resize(&self) {
        let size = terminal::size();
        self.each(|| Order::Resize(size));
    }

    /// Tells all commands to stop, and waits until the servers have taken that. A process group
    /// without a shell above it ignores `TSTP` (setpgid(2)), so they get `STOP`.
    fn tell_to_stop(&self) -> impl Future<Output = ()> + use<> {
        let mut told = vec![];
        for command in self.running.borrow().iter() {
            let (left, when_left) = oneshot::channel();
            let order = Order::Signal(SignalName::Stop, Some(left));
            if command.try_send(order).is_ok() {
                told.push(when_left);
            }
        }
        async {
            let all = async {
                for one in told {
                    // One that will never come counts as well.
                    let _ = one.await;
                }
            };
            // A server that takes nothing must not keep us from stopping.
            let _ = timeout(STOPPING, all).await;
        }
    }

    /// Stops us as well; returns when somebody continues us, with the commands.
    fn stop_with_them(&self) -> anyhow::Result<()> {
        terminal::suspend();
        stop_ourselves();
        terminal::resume()?;
        self.each(|| Order::Signal(SignalName::Cont, None));
        self.resize();
        Ok(())
    }
}
