use std::net::UdpSocket;

use proptest::prelude::*;
use sockeye_trace::Observer;

use super::*;

fn sessions(idle_ms: u64, count: usize) -> (Sessions<u64>, Recorder) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _inside = runtime.enter();
    let recorder = Recorder::new();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let socket = Socket::new(socket.into(), recorder.clone()).unwrap();
    let limits = SessionLimits {
        idle: Duration::from_millis(idle_ms),
        count,
    };
    let sessions = Sessions::new(&socket, limits, GuardLimits::default()).unwrap();
    (sessions, recorder)
}

fn at(millis: u64) -> Time {
    Time::from_nanos(millis * 1_000_000)
}

/// A peer outside of this machine, by number.
fn peer(number: u16) -> Address {
    let address = std::net::SocketAddr::from(([192, 0, 2, 1], 1024 + number));
    address.into()
}

fn datagram<'a>(peer: &'a Address, payload: &'a [u8]) -> Datagram<'a> {
    Datagram {
        peer,
        local: None,
        payload,
        full_len: payload.len(),
    }
}

fn kinds(observer: &mut Observer) -> Vec<(Kind, u64)> {
    let mut kinds = vec![];
    observer.drain_all(|event, _| kinds.push((event.kind(), event.conn().number())));
    kinds
}

#[test]
fn a_peer_keeps_its_session_and_what_is_kept_in_it() {
    let (mut sessions, recorder) = sessions(1000, 10);
    let mut observer = recorder.observe();
    for (now, number) in [(0, 1), (1, 2), (2, 1), (3, 1), (4, 2)] {
        let peer = peer(number);
        let session = sessions.on_datagram(&datagram(&peer, b"abc"), at(now), |ledger| {
            assert_eq!(ledger.peer(), &peer);
            0
        });
        *session.value += 1;
    }
    let one = sessions.of_peer(&peer(1), at(5)).unwrap();
    assert_eq!((*one.value, one.answers.ledger().received()), (3, 3));
    assert!(sessions.of_peer(&peer(3), at(5)).is_none());
    assert_eq!(sessions.end(&peer(2), at(6), "enough"), Some(2));
    assert_eq!(
        (sessions.len(), sessions.end(&peer(2), at(6), "enough")),
        (1, None)
    );
    let opened = |number| [(Kind::SessionOpened, number), (Kind::Read, number)];
    let reads = [(Kind::Read, 1), (Kind::Read, 1), (Kind::Read, 2)];
    let seen = [&opened(1)[..], &opened(2), &reads, &[(Kind::Closed, 2)]].concat();
    assert_eq!(kinds(&mut observer), seen);
}

#[test]
fn idle_sessions_end_and_used_ones_stay() {
    let (mut sessions, _) = sessions(100, 10);
    for number in 0..3 {
        let peer = peer(number);
        sessions.on_datagram(&datagram(&peer, b""), at(u64::from(number)), |_| 0);
    }
    sessions.of_peer(&peer(0), at(50)).unwrap();
    assert_eq!(sessions.expire(at(100)), Some(at(101)));
    assert_eq!(
        (sessions.len(), sessions.expire(at(102))),
        (3, Some(at(150)))
    );
    assert_eq!(sessions.len(), 1);
    assert_eq!(
        (sessions.expire(at(150)), sessions.is_empty()),
        (None, true)
    );
}

#[test]
fn at_the_limit_the_session_that_was_idle_longest_makes_room() {
    let (mut sessions, recorder) = sessions(1000, 2);
    for number in [1, 2, 1, 3] {
        let peer = peer(number);
        sessions.on_datagram(&datagram(&peer, b""), at(0), |_| 0);
    }
    let mut observer = recorder.observe();
    sessions.on_datagram(&datagram(&peer(4), b""), at(7), |_| 0);
    let mut reasons = vec![];
    observer.drain_all(|event, payload| {
        if event.kind() == Kind::Closed {
            reasons.push((event.conn().number(), Closing::from_payload(payload).reason));
        }
    });
    assert_eq!(
        reasons,
        [(
            1,
            "2 sessions are the limit, it was idle longest".to_owned()
        )]
    );
    let left: Vec<u16> = (0..5)
        .filter(|n| sessions.of_peer(&peer(*n), at(8)).is_some())
        .collect();
    assert_eq!(left, [3, 4]);
}

#[test]
fn what_was_cut_and_what_the_guard_refuses_is_recorded() {
    let (mut sessions, recorder) = sessions(1000, 2);
    let mut observer = recorder.observe();
    let (peer, mut batch) = (peer(1), SendBatch::default());
    let mut cut = datagram(&peer, b"1024");
    cut.full_len = 2000;
    let mut session = sessions.on_datagram(&cut, at(1), |_| 0);
    session.answers.push(&mut batch, b"fits").unwrap();
    let refusal = session.answers.push(&mut batch, b"x").unwrap_err();
    assert_eq!(refusal, Refusal::Amplifies { got: 4, sent: 5 });
    assert_eq!((batch.len(), batch.bytes()), (1, 4));
    let mut seen = vec![];
    observer.drain_all(|event, payload| {
        let text = String::from_utf8_lossy(payload).into_owned();
        seen.push((event.kind(), event.offset, event.result, event.asked, text));
    });
    assert_eq!(seen[2], (Kind::Truncated, 0, 4, 2000, String::new()));
    let why = "the peer sent 4 bytes and would get 5".to_owned();
    assert_eq!(seen[3], (Kind::Dropped, 4, -libc::EPERM, 1, why));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Datagram(u16),
    End(u16),
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u16..12).prop_map(Step::Datagram),
        1 => (0_u16..12).prop_map(Step::End),
        1 => Just(Step::Expire),
    ]
}

proptest! {
    /// The sessions are what a plain list in the order of use would be.
    #[test]
    fn sessions_are_as_a_plain_list(
        steps in prop::collection::vec((step(), 0_u64..60), 1..200), count in 1_usize..8,
    ) {
        const IDLE: u64 = 100;
        let (mut sessions, _) = sessions(IDLE, count);
        let (mut plain, mut now): (Vec<(u16, u64)>, u64) = (vec![], 0);
        for (step, later) in steps {
            now += later;
            match step {
                Step::Datagram(number) => {
                    let peer = peer(number);
                    sessions.on_datagram(&datagram(&peer, b"x"), at(now), |_| 0);
                    let before = plain.len();
                    plain.retain(|(other, _)| *other != number);
                    if plain.len() == before && before == count {
                        plain.remove(0);
                    }
                    plain.push((number, now));
                }
                Step::End(number) => {
                    let before = plain.len();
                    plain.retain(|(other, _)| *other != number);
                    let ended = sessions.end(&peer(number), at(now), "").is_some();
                    prop_assert_eq!(ended, plain.len() < before);
                }
                Step::Expire => {
                    plain.retain(|(_, used)| now < used + IDLE);
                    let next = plain.first().map(|(_, used)| at(used + IDLE));
                    prop_assert_eq!(sessions.expire(at(now)), next);
                }
            }
            prop_assert_eq!(sessions.len(), plain.len());
        }
        // Ending them shows the order, the longest idle one first.
        let mut order = vec![];
        while sessions.oldest != NONE {
            let (_, ledger) = sessions.session(sessions.oldest);
            order.push(ledger.route.to.inet().unwrap().port() - 1024);
            sessions.remove(sessions.oldest, at(now), String::new());
        }
        prop_assert_eq!(order, plain.iter().map(|(number, _)| *number).collect::<Vec<_>>());
    }
}
