//! Connecting to a host that has several addresses: RFC 8305 ("happy eyeballs"), sections 4 and 5.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::errno::Errno;

/// How long an attempt runs alone before the next address is tried beside it.
/// RFC 8305, section 8: the connection attempt delay.
pub(crate) const STAGGER: Duration = Duration::from_millis(250);

/// More addresses of one name than this are not tried.
pub(crate) const MAX_ADDRESSES: usize = 32;

/// What became of one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The address that was tried.
    pub address: SocketAddr,
    /// Why it did not work.
    pub error: Errno,
}

/// Puts addresses into the order in which they are tried: the resolver's order, but with the two
/// families in turn, beginning with the family that the resolver put first (section 4).
pub(crate) fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let v6_first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == v6_first);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = vec![];
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            order.truncate(MAX_ADDRESSES);
            return order;
        }
        order.extend(pair.into_iter().flatten());
    }
}

/// Tries addresses in order, each [`STAGGER`] after the one before or as soon as one has failed
/// (section 5), and gives back the first connection; the other attempts are dropped.
///
/// - **Output:** the winner, or what became of every address, in the order of trying: nothing for
///   those that were still open at `deadline`.
pub(crate) async fn race<T, E, F>(
    addresses: Vec<SocketAddr>,
    deadline: Instant,
    mut connect: impl FnMut(SocketAddr) -> F,
) -> Result<T, Vec<(SocketAddr, Option<E>)>>
where
    F: Future<Output = Result<T, E>>,
{
    let mut next_at = 0;
    let mut race = Race {
        results: addresses.iter().map(|at| (*at, None)).collect(),
        open: vec![],
    };
    let mut stagger = Box::pin(tokio::time::sleep(STAGGER));
    let mut end = Box::pin(tokio::time::sleep_until(deadline));
    loop {
        if let Some(address) = addresses.get(next_at) {
            race.open.push((next_at, Box::pin(connect(*address))));
            stagger.as_mut().reset(Instant::now() + STAGGER);
            next_at += 1;
        } else if race.open.is_empty() {
            return Err(race.results);
        }
        let has_more = next_at < addresses.len();
        let turn = poll_fn(|cx| {
            let turn = race.poll(cx);
            if turn.is_ready() {
                return turn;
            }
            if end.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Turn::End);
            }
            if has_more && stagger.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Turn::Next);
            }
            Poll::Pending
        });
        match turn.await {
            Turn::Connected(connection) => return Ok(connection),
            Turn::Next => {}
            Turn::End => {
                race.results.truncate(next_at);
                return Err(race.results);
            }
        }
    }
}

/// What ended a wait.
enum Turn<T> {
    Connected(T),
    /// An attempt failed, or the next one is due.
    Next,
    /// The time is over.
    End,
}

struct Race<E, F> {
    results: Vec<(SocketAddr, Option<E>)>,
    /// The attempts that go on, each with the place of its address.
    open: Vec<(usize, Pin<Box<F>>)>,
}

impl<E, F> Race<E, F> {
    fn poll<T>(&mut self, cx: &mut Context<'_>) -> Poll<Turn<T>>
    where
        F: Future<Output = Result<T, E>>,
    {
        for index in 0..self.open.len() {
            let (place, attempt) = &mut self.open[index];
            match attempt.as_mut().poll(cx) {
                Poll::Ready(Ok(connection)) => return Poll::Ready(Turn::Connected(connection)),
                Poll::Ready(Err(error)) => {
                    self.results[*place].1 = Some(error);
                    drop(self.open.remove(index));
                    return Poll::Ready(Turn::Next);
                }
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// What an address does when it is tried.
    #[derive(Clone, Copy)]
    enum Does {
        Connects(u64),
        Fails(u64, i32),
        Nothing,
    }

    /// Runs a race on a paused clock; says who won and at which millisecond each was tried.
    async fn run(
        list: &[(&str, Does)],
        deadline: Option<u64>,
    ) -> (Result<SocketAddr, Vec<&'static str>>, Vec<u64>) {
        let start = Instant::now();
        let tried = RefCell::new(vec![]);
        let plan: Vec<(SocketAddr, Does)> = list
            .iter()
            .map(|(text, does)| (text.parse().unwrap(), *does))
            .collect();
        let deadline = start + Duration::from_millis(deadline.unwrap_or(60_000));
        let order = plan.iter().map(|(address, _)| *address).collect();
        let result = race(order, deadline, |address| {
            tried.borrow_mut().push(start.elapsed().as_millis() as u64);
            let does = plan
                .iter()
                .find(|(planned, _)| *planned == address)
                .unwrap()
                .1;
            async move {
                match does {
                    Does::Connects(ms) => {
                        tokio::time::sleep(Duration::from_millis(ms)).await;
                        Ok(address)
                    }
                    Does::Fails(ms, errno) => {
                        tokio::time::sleep(Duration::from_millis(ms)).await;
                        Err(Errno::new(errno))
                    }
                    Does::Nothing => std::future::pending().await,
                }
            }
        })
        .await;
        let names = |results: Vec<(SocketAddr, Option<Errno>)>| {
            results
                .into_iter()
                .map(|(_, error)| error.map_or("open", Errno::name))
                .collect()
        };
        (result.map_err(names), tried.into_inner())
    }

    #[test]
    fn families_take_turns_beginning_with_the_resolvers_first() {
        let order = interleave(addresses(&[
            "[::1]:1",
            "[::2]:1",
            "[::3]:1",
            "1.0.0.1:1",
            "1.0.0.2:1",
        ]));
        assert_eq!(
            order,
            addresses(&["[::1]:1", "1.0.0.1:1", "[::2]:1", "1.0.0.2:1", "[::3]:1"])
        );
        let order = interleave(addresses(&["1.0.0.1:1", "[::1]:1", "1.0.0.2:1"]));
        assert_eq!(order, addresses(&["1.0.0.1:1", "[::1]:1", "1.0.0.2:1"]));
        assert_eq!(interleave(vec![]), []);
    }

    #[test]
    fn a_name_with_a_thousand_addresses_is_cut() {
        let many = (0..1000)
            .map(|port| SocketAddr::from(([1, 0, 0, 1], port)))
            .collect();
        assert_eq!(interleave(many).len(), MAX_ADDRESSES);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_address_costs_a_quarter_of_a_second() {
        let (won, tried) = run(
            &[
                ("[::1]:1", Does::Nothing),
                ("1.0.0.1:1", Does::Connects(30)),
            ],
            None,
        )
        .await;
        assert_eq!(won, Ok("1.0.0.1:1".parse().unwrap()));
        assert_eq!(tried, [0, 250]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_starts_the_next_at_once() {
        let (won, tried) = run(
            &[
                ("[::1]:1", Does::Fails(10, libc::ENETUNREACH)),
                ("1.0.0.1:1", Does::Fails(20, libc::ECONNREFUSED)),
                ("1.0.0.2:1", Does::Connects(1)),
            ],
            None,
        )
        .await;
        assert_eq!(won, Ok("1.0.0.2:1".parse().unwrap()));
        assert_eq!(tried, [0, 10, 30]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_early_attempt_may_still_win() {
        let (won, tried) = run(
            &[
                ("[::1]:1", Does::Connects(400)),
                ("1.0.0.1:1", Does::Nothing),
                ("1.0.0.2:1", Does::Nothing),
            ],
            None,
        )
        .await;
        assert_eq!(won, Ok("[::1]:1".parse().unwrap()));
        assert_eq!(tried, [0, 250]);
    }

    #[tokio::test(start_paused = true)]
    async fn every_address_is_reported_in_the_order_of_trying() {
        let (lost, _) = run(
            &[
                ("[::1]:1", Does::Fails(600, libc::EHOSTUNREACH)),
                ("1.0.0.1:1", Does::Fails(1, libc::ECONNREFUSED)),
            ],
            None,
        )
        .await;
        assert_eq!(lost, Err(vec!["EHOSTUNREACH", "ECONNREFUSED"]));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_what_is_open() {
        let start = Instant::now();
        let (lost, tried) = run(
            &[
                ("[::1]:1", Does::Nothing),
                ("1.0.0.1:1", Does::Fails(5, libc::ECONNREFUSED)),
            ],
            Some(1000),
        )
        .await;
        assert_eq!(lost, Err(vec!["open", "ECONNREFUSED"]));
        assert_eq!(tried, [0, 250]);
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }
}
