//! `rings [observed]`: an echo over TCP by sockeye's own server. With `observed`, a thread takes every
//! event, each read and write with the start of its bytes, and drops it. Prints its endpoint first.
//!
//! `serve --json --show` costs more than this, because it draws each event; here only the recording
//! is measured.

use std::time::Duration;

use sockeye_net::{Endpoint, Listener, Net};
use sockeye_service::{Options, Server, reply};
use sockeye_trace::Recorder;

/// As often as the journal of `serve` looks while there is something to see.
const LOOKS: Duration = Duration::from_millis(10);

fn main() -> anyhow::Result<()> {
    let recorder = Recorder::new();
    if std::env::args().nth(1).as_deref() == Some("observed") {
        let mut observer = recorder.observe();
        std::thread::spawn(move || {
            loop {
                observer.drain(|_, _| {});
                std::thread::sleep(LOOKS);
            }
        });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(recorder))
}

async fn serve(recorder: Recorder) -> anyhow::Result<()> {
    let net = Net::new(recorder.clone());
    let endpoint: Endpoint = "tcp://127.0.0.1:0".parse()?;
    let listeners = sockeye_net::listen(&net, &endpoint).await?;
    for listener in &listeners {
        if let Listener::Stream(listener) = listener {
            println!("{}", listener.local());
        }
    }
    let server = Server::new(reply::Echo, Options::default(), recorder);
    let entrances = listeners.into_iter().map(Into::into).collect();
    server.run(entrances, std::future::pending()).await?;
    Ok(())
}
