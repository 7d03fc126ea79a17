//! What the recorder saw of our own sockets, as the facts that every source makes.

use std::collections::HashMap;

use sockeye_trace::{
    Address, Call, Closing, ConnId, Event, Fact, Kind, Side, TcpState, Time, Transport,
};

/// `MSG_TRUNC` of recv(2): the datagram was longer than the room for it.
const TRUNCATED: u32 = 0x20;

/// Makes facts of events, one batch after the other.
#[derive(Debug, Default)]
pub(super) struct Facts {
    open: HashMap<ConnId, Open>,
}

/// What is known of a connection while it is open.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    transport: Transport,
    /// The peer's end was read already.
    ended: bool,
    /// Our end was sent.
    shut: bool,
}

impl Facts {
    /// Gives the facts of a batch of events to `each`; a side of ours that it learns of comes first,
    /// as [`Told::Side`].
    pub(super) fn take(&mut self, events: &[(Event, Vec<u8>)], each: &mut dyn FnMut(Told<'_>)) {
        for (index, (event, payload)) in events.iter().enumerate() {
            let next = events.get(index + 1).map(|(event, _)| event);
            match event.kind() {
                Kind::Accepted | Kind::Connected | Kind::SessionOpened => {
                    self.opened(event, payload, each);
                }
                Kind::Read => {
                    let cut = next.is_some_and(|next| {
                        next.kind() == Kind::Truncated && next.conn() == event.conn()
                    });
                    self.read(event, payload, cut, each);
                }
                Kind::Write => each(Told::Fact(&Fact {
                    data: payload,
                    ..Fact::new(*event)
                })),
                Kind::PeerClosed => self.peer_closed(event, each),
                Kind::Shutdown => self.shut(event, each),
                Kind::Closed => self.closed(event, payload, each),
                _ => {}
            }
        }
    }

    fn opened(&mut self, event: &Event, payload: &[u8], each: &mut dyn FnMut(Told<'_>)) {
        let names = String::from_utf8_lossy(payload);
        let (peer, local) = names.split_once('\n').unwrap_or((&names, ""));
        let side = side_of(event, peer, local);
        let open = Open {
            transport: side.transport,
            ..Open::default()
        };
        self.open.insert(event.conn(), open);
        each(Told::Side(&side, event.time));
        let call = match event.kind() {
            Kind::Accepted => Call::Accept4,
            Kind::Connected => Call::Connect,
            // A datagram opens nothing: what came is told next.
            _ => return,
        };
        let tcp = side.transport == Transport::Tcp;
        each(Told::Fact(&Fact {
            text: &side.peer.to_string(),
            state: if tcp {
                TcpState::Established
            } else {
                TcpState::Unknown
            },
            ..Fact::new(called(event.conn(), event.time, call))
        }));
    }

    fn read(&mut self, event: &Event, payload: &[u8], cut: bool, each: &mut dyn FnMut(Told<'_>)) {
        let mut state = TcpState::Unknown;
        if let Some(open) = self.open.get_mut(&event.conn())
            && open.transport.is_stream()
            && event.result == 0
            && event.asked > 0
        {
            open.ended = true;
            state = open.after_the_end();
        }
        each(Told::Fact(&Fact {
            flags: if cut { TRUNCATED } else { 0 },
            state,
            data: payload,
            ..Fact::new(*event)
        }));
    }

    /// An end that no empty read told of, as sequenced packets have it.
    fn peer_closed(&mut self, event: &Event, each: &mut dyn FnMut(Told<'_>)) {
        let Some(open) = self.open.get_mut(&event.conn()) else {
            return;
        };
        if std::mem::replace(&mut open.ended, true) {
            return;
        }
        let read = Event::new(Kind::Read, event.conn(), event.time)
            .with_offset(event.offset)
            .with_asked(1);
        each(Told::Fact(&Fact {
            state: open.after_the_end(),
            ..Fact::new(read)
        }));
    }

    fn shut(&mut self, event: &Event, each: &mut dyn FnMut(Told<'_>)) {
        if let Some(open) = self.open.get_mut(&event.conn()) {
            open.shut = true;
        }
        each(Told::Fact(&Fact {
            text: "SHUT_WR",
            ..Fact::new(called(event.conn(), event.time, Call::Shutdown))
        }));
    }

    fn closed(&mut self, event: &Event, payload: &[u8], each: &mut dyn FnMut(Told<'_>)) {
        if self.open.remove(&event.conn()).is_none() {
            return;
        }
        each(Told::Fact(&Fact {
            text: &Closing::from_payload(payload).reason,
            ..Fact::new(called(event.conn(), event.time, Call::Close))
        }));
    }
}

impl Open {
    /// The one state that is sure once the peer has ended: later ones depend on what has arrived there.
    fn after_the_end(self) -> TcpState {
        if self.transport == Transport::Tcp && !self.shut {
            TcpState::CloseWait
        } else {
            TcpState::Unknown
        }
    }
}

/// What [`Facts::take`] gives.
#[derive(Debug)]
pub(super) enum Told<'a> {
    /// A socket of ours, and since when it is known.
    Side(&'a Side, Time),
    /// Anything else.
    Fact(&'a Fact<'a>),
}

fn called(conn: ConnId, time: Time, call: Call) -> Event {
    Event::new(Kind::Called, conn, time).with_call(call)
}

fn side_of(event: &Event, peer: &str, local: &str) -> Side {
    let (scheme, peer) = place(peer);
    let (_, local) = place(local);
    let (transport, inside) = match scheme {
        "tcp" => (Transport::Tcp, ""),
        "tls" | "ws" | "wss" => (Transport::Tcp, scheme),
        "quic" => (Transport::Quic, ""),
        "udp" => (Transport::Udp, ""),
        "ip" => (Transport::Raw, ""),
        "unix" => (Transport::Unix, ""),
        "unix-dgram" => (Transport::UnixDgram, ""),
        "unix-seqpacket" => (Transport::UnixSeqpacket, ""),
        _ => (Transport::Other, ""),
    };
    Side {
        id: event.conn().number(),
        pid: std::process::id(),
        fd: -1,
        // Tells apart the streams of one QUIC connection, and connections that follow each other.
        socket: match transport {
            Transport::Tcp | Transport::Quic => event.conn().number(),
            _ => 0,
        },
        transport,
        local,
        peer,
        accepted: event.kind() != Kind::Connected,
        inside: inside.to_owned(),
        ..Side::default()
    }
}

/// The scheme of an endpoint, and its address.
fn place(endpoint: &str) -> (&str, Address) {
    let (scheme, rest) = endpoint.split_once(':').unwrap_or(("", endpoint));
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let address = if scheme.starts_with("unix") {
        rest
    } else {
        // A path, a query or a fragment is no part of where it is.
        rest.split(['/', '?', '#']).next().unwrap_or(rest)
    };
    let Ok(address) = address.parse();
    match (scheme.starts_with("unix"), address) {
        // Only what is a Unix socket has a name that is no address.
        (false, Address::Unix(_)) => (scheme, Address::None),
        (_, address) => (scheme, address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(events: &[(Kind, i32, &[u8])]) -> Vec<String> {
        let events: Vec<_> = events
            .iter()
            .map(|(kind, result, payload)| {
                let event = Event::new(*kind, ConnId::new(7), Time::from_nanos(1))
                    .with_result(*result)
                    .with_asked(9);
                (event, payload.to_vec())
            })
            .collect();
        let mut seen = vec![];
        Facts::default().take(&events, &mut |told| {
            seen.push(match told {
                Told::Side(side, _) => format!(
                    "{} {} {} → {} {}",
                    side.transport.name(),
                    side.inside,
                    side.local,
                    side.peer,
                    side.accepted
                ),
                Told::Fact(fact) => format!(
                    "{:?} {} {} {} {}",
                    fact.kind(),
                    fact.call().name(),
                    fact.text,
                    fact.flags,
                    fact.state.name()
                ),
            });
        });
        seen
    }

    #[test]
    fn a_connection_of_ours_is_a_side_and_its_calls() {
        let names = b"tcp://127.0.0.1:9\ntcp://127.0.0.1:7";
        let closing = Closing {
            reason: "enough".into(),
            ..Closing::default()
        };
        let seen = told(&[
            (Kind::Accepted, 0, names),
            (Kind::Read, 5, b"hello"),
            (Kind::Write, 5, b"hello"),
            (Kind::Read, 0, b""),
            (Kind::PeerClosed, 0, b""),
            (Kind::Shutdown, 0, b""),
            (Kind::Closed, 0, &closing.to_payload()),
        ]);
        assert_eq!(
            seen,
            [
                "tcp  127.0.0.1:7 → 127.0.0.1:9 true",
                "Called accept4 127.0.0.1:9 0 ESTABLISHED",
                "Read   0 ",
                "Write   0 ",
                "Read   0 CLOSE-WAIT",
                "Called shutdown SHUT_WR 0 ",
                "Called close enough 0 ",
            ]
        );
    }

    #[test]
    fn every_scheme_has_its_transport() {
        let check = |peer: &str, expected: &str| {
            let names = format!("{peer}\n{peer}");
            assert_eq!(told(&[(Kind::Connected, 0, names.as_bytes())])[0], expected);
        };
        check(
            "tls://127.0.0.1:9",
            "tcp tls 127.0.0.1:9 → 127.0.0.1:9 false",
        );
        check("ws://[::1]:9/chat?x", "tcp ws [::1]:9 → [::1]:9 false");
        check(
            "quic://127.0.0.1:9",
            "quic  127.0.0.1:9 → 127.0.0.1:9 false",
        );
        check("unix:/run/x/y", "unix  /run/x/y → /run/x/y false");
        check("unix:@x", "unix  @x → @x false");
        check("unix:", "unix   →  false");
        check("exec:cat a:b", "other   →  false");
    }

    #[test]
    fn a_datagram_that_was_cut_says_so() {
        let names = b"udp://127.0.0.1:9\nudp://127.0.0.1:7";
        let seen = told(&[
            (Kind::SessionOpened, 0, names),
            (Kind::Read, 4, b"ques"),
            (Kind::Truncated, 4, b""),
        ]);
        assert_eq!(seen, ["udp  127.0.0.1:7 → 127.0.0.1:9 true", "Read   32 "]);
    }
}
