//! Raw IP, by hand: in a network of the test's own, where it is permitted.

use std::time::Duration;

use sockeye_net::datagram::{RecvBatch, Socket};
use sockeye_net::{Endpoint, Link, Listener, MessageLink, Net, connect, listen};
use sockeye_testkit::private_network;
use sockeye_trace::Recorder;

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let test = async { tokio::time::timeout(Duration::from_secs(20), test).await };
    runtime.block_on(test).expect("took too long");
}

async fn dial(text: &str) -> MessageLink {
    let endpoint: Endpoint = text.parse().unwrap();
    match connect(&Net::new(Recorder::new()), &endpoint)
        .await
        .unwrap()
    {
        Link::Messages(link) => link,
        other => panic!("{other:?}"),
    }
}

async fn bound(text: &str) -> Socket {
    let endpoint: Endpoint = text.parse().unwrap();
    let listeners = listen(&Net::new(Recorder::new()), &endpoint).await.unwrap();
    match listeners.into_iter().next() {
        Some(Listener::Datagram(socket)) => socket,
        other => panic!("{other:?}"),
    }
}

/// The first packet that `is` the one that was waited for: a raw socket hears all of its protocol,
/// on the loopback device also what it sent itself.
async fn heard(link: &mut MessageLink, is: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut buf = [0; 2048];
    loop {
        let len = link.recv(&mut buf).await.unwrap().unwrap().len;
        if is(&buf[..len]) {
            return buf[..len].to_vec();
        }
    }
}

async fn first(socket: &Socket) -> Vec<u8> {
    std::future::poll_fn(|cx| {
        RecvBatch::lend(|batch| {
            std::task::ready!(socket.poll_recv(cx, batch)).unwrap();
            let first = batch.datagrams().next().unwrap();
            std::task::Poll::Ready(first.payload.to_vec())
        })
    })
    .await
}

/// The check sum of RFC 1071, to be written over two zero bytes.
fn check_sum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)])));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    (!((sum + (sum >> 16)) as u16)).to_be_bytes()
}

/// Type and code, a check sum, an identifier and a sequence number (RFC 792, RFC 4443).
fn echo_request(kind: u8) -> Vec<u8> {
    let mut request = [&[kind, 0, 0, 0, 0x50, 0xc4, 0, 1][..], b"sockeye"].concat();
    let sum = check_sum(&request);
    request[2..4].copy_from_slice(&sum);
    request
}

#[test]
fn a_ping_made_by_hand_is_answered() {
    private_network(|| {
        run(async {
            let mut link = dial("ip://127.0.0.1?proto=icmp").await;
            link.send(&echo_request(8)).await.unwrap();
            // IPv4 packets come with their header, here of 20 bytes.
            let reply = heard(&mut link, |packet| packet[20] == 0).await;
            assert_eq!((reply[0], reply[9]), (0x45, 1));
            assert_eq!(&reply[24..], &echo_request(8)[4..]);
        });
    });
}

#[test]
fn a_ping_of_ipv6_comes_without_a_header() {
    private_network(|| {
        run(async {
            let mut link = dial("ip://[::1]?proto=icmpv6").await;
            // The kernel writes the check sum (RFC 3542, section 3.1).
            link.send(&echo_request(128)).await.unwrap();
            let reply = heard(&mut link, |packet| packet[0] == 129).await;
            assert_eq!(&reply[4..], &echo_request(128)[4..]);
        });
    });
}

#[test]
fn a_group_report_crosses_as_igmp() {
    private_network(|| {
        run(async {
            let listener = bound("ip://127.0.0.1?proto=igmp").await;
            let mut link = dial("ip://127.0.0.1?proto=igmp").await;
            // A report of version 2 for 239.1.2.3 (RFC 2236).
            let mut report = vec![0x16, 0, 0, 0, 239, 1, 2, 3];
            let sum = check_sum(&report);
            report[2..4].copy_from_slice(&sum);
            link.send(&report).await.unwrap();
            let packet = first(&listener).await;
            assert_eq!((packet[9], &packet[20..]), (2, &report[..]));
        });
    });
}

#[test]
fn a_header_made_by_hand_leaves_as_it_was_made() {
    private_network(|| {
        run(async {
            let listener = bound("ip://127.0.0.1?proto=253").await;
            let mut link = dial("ip://127.0.0.1?proto=253&hdrincl").await;
            // RFC 791: version and length, service, total length, id, fragment, time to live,
            // protocol (253 is for experiments, RFC 3692), check sum, addresses.
            let mut packet = vec![0x45, 0, 0, 24, 0x12, 0x34, 0, 0, 7, 253, 0, 0];
            packet.extend([127, 0, 0, 99, 127, 0, 0, 1]);
            packet.extend(b"hand");
            link.send(&packet).await.unwrap();
            let arrived = first(&listener).await;
            let sum = check_sum(&packet[..20]);
            packet[10..12].copy_from_slice(&sum);
            assert_eq!(arrived, packet);
        });
    });
}

/// On the loopback device an echo of raw IP would hear its own answers for ever.
#[test]
fn raw_answers_to_this_machine_are_refused() {
    use sockeye_net::datagram::{GuardLimits, Refusal, SendBatch, SessionLimits, Sessions};
    private_network(|| {
        run(async {
            let listener = bound("ip://127.0.0.1?proto=253").await;
            let mut link = dial("ip://127.0.0.1?proto=253").await;
            link.send(b"echo me").await.unwrap();
            let limits = (SessionLimits::default(), GuardLimits::default());
            let mut sessions = Sessions::new(&listener, limits.0, limits.1).unwrap();
            let refusal = std::future::poll_fn(|cx| {
                RecvBatch::lend(|batch| {
                    std::task::ready!(listener.poll_recv(cx, batch)).unwrap();
                    let datagram = batch.datagrams().next().unwrap();
                    let now = listener.recorder().now();
                    let mut session = sessions.on_datagram(&datagram, now, |_| ());
                    let answer = session.answers.push(&mut SendBatch::default(), b"no");
                    std::task::Poll::Ready(answer)
                })
            });
            assert_eq!(refusal.await, Err(Refusal::OurHost));
        });
    });
}
