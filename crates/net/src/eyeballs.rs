//! Connecting to a host that has several addresses: RFC 8305 ("happy eyeballs"), sections 4 and 5.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

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

/// Tries addresses in order, each [`STAGGER`] after the one before or as soon as that one has
/// failed (section 5), and gives back the first connection; the other attempts are dropped.
///
/// - **Output:** the winner, or what became of every address, in the order of trying.
/// - **Limits:** attempts that are open at `deadline` count as `ETIMEDOUT`.
pub(crate) async fn race<T, F>(
    addresses: Vec<SocketAddr>,
    deadline: Option<Instant>,
    mut connect: impl FnMut(SocketAddr) -> F,
) -> Result<T, Vec<Attempt>>
where
    F: Future<Output = Result<T, Errno>>,
{
    let mut waiting = addresses.into_iter().enumerate();
    let mut race = Race {
        open: vec![],
        failed: vec![],
    };
    let mut next = Box::pin(tokio::time::sleep(Duration::ZERO));
    let mut end = deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline)));
    loop {
        if let Some((place, address)) = waiting.next() {
            race.open.push((place, address, Box::pin(connect(address))));
            next.as_mut().reset(Instant::now() + STAGGER);
        } else if race.open.is_empty() {
            return Err(race.attempts());
        }
        let more = waiting.len() > 0;
        match poll_fn(|cx| race.poll(cx, more.then_some(next.as_mut()), end.as_mut())).await {
            Turn::Connected(connection) => return Ok(connection),
            Turn::Next => {}
            Turn::End => return Err(race.attempts()),
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

struct Race<F> {
    open: Vec<(usize, SocketAddr, Pin<Box<F>>)>,
    failed: Vec<(usize, Attempt)>,
}

impl<F> Race<F> {
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        next: Option<Pin<&mut Sleep>>,
        end: Option<&mut Pin<Box<Sleep>>>,
    ) -> Poll<Turn<T>>
    where
        F: Future<Output = Result<T, Errno>>,
    {
        let mut index = 0;
        let failed_before = self.failed.len();
        while let Some((place, address, attempt)) = self.open.get_mut(index) {
            match attempt.as_mut().poll(cx) {
                Poll::Ready(Ok(connection)) => return Poll::Ready(Turn::Connected(connection)),
                Poll::Ready(Err(error)) => {
                    self.failed.push((
                        *place,
                        Attempt {
                            address: *address,
                            error,
                        },
                    ));
                    drop(self.open.remove(index));
                }
                Poll::Pending => index += 1,
            }
        }
        if end.is_some_and(|end| end.as_mut().poll(cx).is_ready()) {
            let timed_out = Errno::new(libc::ETIMEDOUT);
            for (place, address, _) in self.open.drain(..) {
                self.failed.push((
                    place,
                    Attempt {
                        address,
                        error: timed_out,
                    },
                ));
            }
            return Poll::Ready(Turn::End);
        }
        let due = next.is_some_and(|next| next.poll(cx).is_ready());
        if due || self.failed.len() > failed_before {
            Poll::Ready(Turn::Next)
        } else {
            Poll::Pending
        }
    }

    fn attempts(mut self) -> Vec<Attempt> {
        self.failed.sort_by_key(|(place, _)| *place);
        self.failed
            .into_iter()
            .map(|(_, attempt)| attempt)
            .collect()
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
    ) -> (Result<SocketAddr, Vec<Attempt>>, Vec<u64>) {
        let start = Instant::now();
        let tried = RefCell::new(vec![]);
        let plan: Vec<(SocketAddr, Does)> = list
            .iter()
            .map(|(text, does)| (text.parse().unwrap(), *does))
            .collect();
        let deadline = deadline.map(|ms| start + Duration::from_millis(ms));
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
        (result, tried.into_inner())
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
        let attempts = lost.unwrap_err();
        let names: Vec<_> = attempts
            .iter()
            .map(|attempt| attempt.error.name())
            .collect();
        assert_eq!(names, ["EHOSTUNREACH", "ECONNREFUSED"]);
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
        let names: Vec<_> = lost
            .unwrap_err()
            .iter()
            .map(|attempt| attempt.error.name())
            .collect();
        assert_eq!(names, ["ETIMEDOUT", "ECONNREFUSED"]);
        assert_eq!(tried, [0, 250]);
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }
}
