//! Two services of ours cannot be made to answer each other, whatever address they have.

mod wire;

use std::future::poll_fn;
use std::task::{Poll, ready};
use std::time::Duration;

use sockeye_net::datagram::{
    Address, GuardLimits, RecvBatch, Refusal, Route, SendBatch, SessionLimits, Sessions, Socket,
    Tag,
};
use sockeye_net::{Listener, Net, listen};
use sockeye_testkit::private_network;
use sockeye_trace::Recorder;

struct Service {
    socket: Socket,
    sessions: Sessions<()>,
}

impl Service {
    async fn on(endpoint: &str) -> Self {
        let net = Net::new(Recorder::new());
        let listeners = listen(&net, &endpoint.parse().unwrap()).await.unwrap();
        let Some(Listener::Datagram(socket)) = listeners.into_iter().next() else {
            panic!("{endpoint} is no datagram socket");
        };
        let limits = (SessionLimits::default(), GuardLimits::default());
        let sessions = Sessions::new(&socket, limits.0, limits.1).unwrap();
        Self { socket, sessions }
    }

    fn address(&self) -> Address {
        self.socket.local().socket_addr().unwrap().into()
    }

    async fn send(&self, to: Address, payload: &[u8]) {
        let mut batch = SendBatch::default();
        batch.push(&Route::from(to), Tag::default(), payload);
        poll_fn(|cx| self.socket.poll_send(cx, &mut batch))
            .await
            .unwrap();
    }

    /// Echoes the next datagram, as far as the guard lets it.
    async fn echo(&mut self) -> Result<(), Refusal> {
        let mut answers = SendBatch::default();
        let answered = poll_fn(|cx| {
            RecvBatch::lend(|batch| {
                ready!(self.socket.poll_recv(cx, batch)).unwrap();
                let datagram = batch.datagrams().next().expect("a batch is never empty");
                let now = self.socket.recorder().now();
                let mut session = self.sessions.on_datagram(&datagram, now, |_| ());
                Poll::Ready(session.answers.push(&mut answers, datagram.payload))
            })
        });
        let answered = tokio::time::timeout(Duration::from_secs(10), answered).await;
        poll_fn(|cx| self.socket.poll_send(cx, &mut answers))
            .await
            .unwrap();
        answered.expect("nothing came")
    }
}

#[tokio::test]
async fn a_service_does_not_answer_another_and_answers_a_person() {
    let mut one = Service::on("udp://127.0.0.1:0").await;
    let mut other = Service::on("udp://127.0.0.1:0").await;
    let port = other.socket.local().socket_addr().unwrap().port();
    // What somebody could forge: a datagram from one service to the other.
    other.send(one.address(), b"ping").await;
    assert_eq!(one.echo().await, Err(Refusal::OurListener(port)));
    one.send(other.address(), b"ping").await;
    assert!(matches!(other.echo().await, Err(Refusal::OurListener(_))));

    let person = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    person
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    person
        .send_to(b"hello", one.address().inet().unwrap())
        .unwrap();
    assert_eq!(one.echo().await, Ok(()));
    assert_eq!(person.recv(&mut [0; 8]).unwrap(), 5);
}

/// The same over an address that is not a loopback one; there amplification is bounded too.
#[test]
fn our_own_addresses_are_known_whatever_they_are() {
    private_network(|| {
        wire::add();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut one = Service::on("udp://0.0.0.0:7007").await;
            let other = Service::on("udp://10.77.0.1:7012").await;
            let to: std::net::SocketAddr = "10.77.0.1:7007".parse().unwrap();
            other.send(to.into(), b"ping").await;
            assert_eq!(one.echo().await, Err(Refusal::OurListener(7012)));

            let person = std::net::UdpSocket::bind("10.77.0.1:0").unwrap();
            person.send_to(b"hello", to).unwrap();
            assert_eq!(one.echo().await, Ok(()));
            let peer = Address::from(person.local_addr().unwrap());
            let now = one.socket.recorder().now();
            let mut session = one.sessions.of_peer(&peer, now).unwrap();
            let more = session.answers.push(&mut SendBatch::default(), b"more");
            assert_eq!(more, Err(Refusal::Amplifies { got: 5, sent: 9 }));
        });
    });
}
