//! Whether to let the kernel hand us several datagrams of one peer glued together.
//!
//! Asking for it costs a sixth of the rate when nothing arrives coalesced and wins three quarters
//! when it does (docs/performance.md), so what arrives decides. A sender that coalesces can only be
//! noticed while asking, hence the probes.

/// Datagrams to see before the first probe.
const FIRST_PAUSE: usize = 256;
/// The pause doubles after each probe in vain, up to this many datagrams.
const LONGEST_PAUSE: usize = 1 << 16;
/// System-call messages that one probe looks at, and that each later check looks at.
const WINDOW: usize = 64;

/// The switch of one socket. Time is counted in datagrams, so an idle socket never probes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Gro {
    /// Not asked for.
    Off { left: usize, pause: usize },
    /// Asked for; counts what came since the last check.
    On {
        messages: usize,
        datagrams: usize,
        pause: usize,
    },
    /// The socket has no such thing.
    Never,
}

impl Gro {
    /// The switch of a fresh UDP socket.
    pub(super) const fn new() -> Self {
        Self::Off {
            left: FIRST_PAUSE,
            pause: FIRST_PAUSE,
        }
    }

    /// Whether it is asked for now.
    pub(super) const fn is_on(self) -> bool {
        matches!(self, Self::On { .. })
    }

    /// Notes that one call took `messages` that held `datagrams`; returns what to tell the kernel.
    pub(super) fn on_batch(&mut self, messages: usize, datagrams: usize) -> Option<bool> {
        match self {
            Self::Never => None,
            Self::Off { left, pause } => {
                *left = left.saturating_sub(datagrams);
                if *left > 0 {
                    return None;
                }
                *self = Self::On {
                    messages: 0,
                    datagrams: 0,
                    pause: *pause,
                };
                Some(true)
            }
            Self::On {
                messages: seen,
                datagrams: held,
                pause,
            } => {
                *seen += messages;
                *held += datagrams;
                if *seen < WINDOW {
                    return None;
                }
                // Break-even lies near 1.2 datagrams a message.
                if *held * 4 >= *seen * 5 {
                    // Half, so that the doubling after the last good window starts at the front.
                    *self = Self::On {
                        messages: 0,
                        datagrams: 0,
                        pause: FIRST_PAUSE / 2,
                    };
                    return None;
                }
                let pause = (*pause * 2).min(LONGEST_PAUSE);
                *self = Self::Off { left: pause, pause };
                Some(false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds single datagrams until the switch turns; says after how many it did.
    fn until_turned(gro: &mut Gro, datagrams_a_message: usize) -> (usize, bool) {
        for seen in 1..=2 * LONGEST_PAUSE {
            if let Some(on) = gro.on_batch(1, datagrams_a_message) {
                return (seen, on);
            }
        }
        panic!("never turned");
    }

    #[test]
    fn probes_grow_rare_while_nothing_coalesces() {
        let mut gro = Gro::new();
        let mut pause = FIRST_PAUSE;
        for _ in 0..12 {
            assert_eq!(until_turned(&mut gro, 1), (pause, true));
            assert_eq!(until_turned(&mut gro, 1), (WINDOW, false));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        assert_eq!(pause, LONGEST_PAUSE);
    }

    #[test]
    fn stays_on_while_datagrams_coalesce_and_starts_over_after() {
        let mut gro = Gro::new();
        assert_eq!(until_turned(&mut gro, 1), (FIRST_PAUSE, true));
        for _ in 0..10 * WINDOW {
            assert_eq!(gro.on_batch(1, 8), None);
        }
        assert_eq!(until_turned(&mut gro, 1), (WINDOW, false));
        assert_eq!(until_turned(&mut gro, 1), (FIRST_PAUSE, true));
    }

    #[test]
    fn a_socket_without_it_never_probes() {
        let mut gro = Gro::Never;
        assert_eq!(gro.on_batch(1 << 20, 1 << 20), None);
        assert!(!gro.is_on());
    }
}
