//! The direction client → server: the command, its input, signals.

use std::convert::Infallible;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::sync::{mpsc, oneshot, watch};

use super::ExecError;
use crate::exec::message::{Exec, Request, Resize, SignalName};
use crate::wire::{WireError, WireWriter};

/// What one frame of input carries at most: as much as the kernel's pipes hold.
const CHUNK: usize = 64 * 1024;

/// Something to tell the server while the command runs.
#[derive(Debug)]
pub enum Order {
    /// Send this signal to the command's process group, and say when the request for it has left.
    Signal(SignalName, Option<oneshot::Sender<()>>),
    /// Its terminal has a new size.
    Resize(Resize),
}

/// Asks for one command after another, and feeds them.
///
/// A wait that is dropped leaves no frame half written: what was begun leaves with the next one.
#[derive(Debug)]
pub struct Outgoing<W> {
    wire: WireWriter<W>,
    /// All credit of the command that runs.
    granted: watch::Receiver<u64>,
    spent: u64,
}

impl<W: AsyncWrite + Unpin> Outgoing<W> {
    pub(super) fn new(write: W, granted: watch::Receiver<u64>) -> Self {
        Self {
            wire: WireWriter::new(write),
            granted,
            spent: 0,
        }
    }

    /// Asks for a command. It runs once [`Said::Started`](super::Said::Started) is heard.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn start(&mut self, command: Exec) -> io::Result<()> {
        self.spent = 0;
        self.wire.feed(&Request::Exec(Box::new(command)), &[]);
        self.wire.flush().await
    }

    /// Sends what `input` holds, as far as the server gives credit, then its end; passes `orders`
    /// on, before any input. Goes on until it is dropped.
    ///
    /// # Errors
    /// When the input cannot be read, or the connection breaks; whoever hears the other direction
    /// then learns more.
    pub async fn feed<I>(
        &mut self,
        mut input: Option<I>,
        orders: &mut mpsc::Receiver<Order>,
    ) -> Result<Infallible, ExecError>
    where
        I: AsyncRead + Unpin,
    {
        let mut chunk = vec![0; if input.is_some() { CHUNK } else { 0 }];
        loop {
            tokio::select! {
                biased;
                Some(order) = orders.recv() => self.pass_on(order).await.map_err(WireError::from)?,
                got = self.read(&mut input, &mut chunk) => match got? {
                    0 => {
                        input = None;
                        self.wire.feed(&Request::StdinEnd {}, &[]);
                    }
                    got => self.wire.feed(&Request::Stdin {}, &chunk[..got]),
                },
            }
            self.wire.flush().await.map_err(WireError::from)?;
        }
    }

    /// Reads what there is credit for; 0 bytes at the end. Never returns where there is no input.
    async fn read<I>(&mut self, input: &mut Option<I>, chunk: &mut [u8]) -> Result<usize, ExecError>
    where
        I: AsyncRead + Unpin,
    {
        let Some(input) = input else {
            return std::future::pending().await;
        };
        let spent = self.spent;
        let granted = match self.granted.wait_for(|granted| *granted > spent).await {
            Ok(granted) => *granted,
            // Nobody hears the other direction any more.
            Err(_) => return std::future::pending().await,
        };
        let room = usize::try_from(granted - spent).unwrap_or(usize::MAX);
        let room = room.min(chunk.len());
        let got = input
            .read(&mut chunk[..room])
            .await
            .map_err(ExecError::Input)?;
        self.spent += got as u64;
        Ok(got)
    }

    async fn pass_on(&mut self, order: Order) -> io::Result<()> {
        match order {
            Order::Signal(name, left) => {
                self.wire.feed(&Request::Signal { name }, &[]);
                self.wire.flush().await?;
                if let Some(left) = left {
                    // Whoever asked may have given up waiting.
                    let _ = left.send(());
                }
            }
            Order::Resize(size) => self.wire.feed(&Request::Resize(size), &[]),
        }
        Ok(())
    }

    /// What is written to.
    pub fn get_ref(&self) -> &W {
        self.wire.get_ref()
    }
}
