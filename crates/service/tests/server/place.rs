//! A server that runs, and what a test needs to speak to it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sockeye_net::{Endpoint, Listener, Net, datagram, listen};
use sockeye_service::{Control, Entrance, Options, ServeError, Server, Service, Summary};
use sockeye_trace::{Closing, Kind, Observer, Recorder};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Nothing here takes longer, unless it hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A server that runs.
pub(crate) struct Place {
    /// Where it listens, in the order in which it was asked to.
    pub(crate) locals: Vec<String>,
    pub(crate) control: Control,
    observer: Observer,
    seen: Vec<(Kind, String)>,
    drain: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<Summary, ServeError>>,
}

impl Place {
    /// A server on a TCP port of 127.0.0.1.
    pub(crate) async fn tcp(service: impl Into<Service>, options: Options) -> Self {
        Self::at(&["tcp://127.0.0.1:0"], service, options).await
    }

    pub(crate) async fn at(
        endpoints: &[&str],
        service: impl Into<Service>,
        options: Options,
    ) -> Self {
        Self::within(Net::new(Recorder::new()), endpoints, service, options).await
    }

    /// A server with keys and acquaintances of its own.
    pub(crate) async fn within(
        net: Net,
        endpoints: &[&str],
        service: impl Into<Service>,
        options: Options,
    ) -> Self {
        let mut entrances = vec![];
        for endpoint in endpoints {
            let endpoint: Endpoint = endpoint.parse().unwrap();
            let framing = endpoint.settings.framing();
            for listener in listen(&net, &endpoint).await.unwrap() {
                entrances.push(Entrance {
                    listener,
                    framing: framing.cloned(),
                });
            }
        }
        let local = |entrance: &Entrance| entrance.listener.local().unwrap().to_string();
        let locals = entrances.iter().map(local).collect();
        Self::of(entrances, locals, net.recorder, service, options)
    }

    /// A server on a UDP port of 127.0.0.1.
    #[allow(dead_code, reason = "only some of the tests that share this need it")]
    pub(crate) fn udp(service: impl Into<Service>, options: Options) -> Self {
        let recorder = Recorder::new();
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let local = format!("udp://{}", socket.local_addr().unwrap());
        let socket = datagram::Socket::new(socket.into(), recorder.clone()).unwrap();
        let entrance = Listener::Datagram(socket).into();
        Self::of(vec![entrance], vec![local], recorder, service, options)
    }

    fn of(
        entrances: Vec<Entrance>,
        locals: Vec<String>,
        recorder: Recorder,
        service: impl Into<Service>,
        options: Options,
    ) -> Self {
        let observer = recorder.observe_life();
        let server = Server::new(service, options, recorder);
        let control = server.control();
        let (drain, drained) = oneshot::channel();
        let running = tokio::spawn(server.run(entrances, async {
            drained.await.ok();
        }));
        let seen = vec![];
        Self {
            locals,
            control,
            observer,
            seen,
            drain: Some(drain),
            running,
        }
    }

    /// The address of the first listener.
    pub(crate) fn address(&self) -> SocketAddr {
        let (_, address) = self.locals[0].split_once("://").unwrap();
        address.parse().unwrap()
    }

    /// The file of a Unix listener.
    pub(crate) fn path(&self, index: usize) -> PathBuf {
        self.locals[index].split_once(':').unwrap().1.into()
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address()).await.unwrap()
    }

    /// Asks it to end and waits until it has.
    pub(crate) async fn drain(mut self) -> Summary {
        self.drain.take().unwrap().send(()).unwrap();
        self.ended().await
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(self) -> Summary {
        within(self.running).await.unwrap().unwrap()
    }

    /// Everything that happened so far to connections, in order.
    pub(crate) fn life(&mut self) -> &[(Kind, String)] {
        self.observer.drain_all(|event, payload| {
            let text = match event.kind() {
                Kind::Closed => Closing::from_payload(payload).reason,
                _ => String::from_utf8_lossy(payload).into_owned(),
            };
            self.seen.push((event.kind(), text));
        });
        &self.seen
    }

    /// Whether `kind` has happened.
    pub(crate) fn has_seen(&mut self, kind: Kind) -> bool {
        self.life().iter().any(|(seen, _)| *seen == kind)
    }

    /// Waits until `kind` has happened `count` times; returns what was told of each.
    pub(crate) async fn until(&mut self, kind: Kind, count: usize) -> Vec<String> {
        let started = std::time::Instant::now();
        loop {
            let life = self.life().iter().filter(|(seen, _)| *seen == kind);
            let told: Vec<String> = life.map(|(_, text)| text.clone()).collect();
            if told.len() >= count {
                return told;
            }
            assert!(
                started.elapsed() < DEADLINE,
                "{} of {count} {kind:?}: {told:?}",
                told.len()
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Waits for something that has to happen.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("it happens within the deadline")
}
