//! What an option is: the columns of the table.

use std::fmt;

use super::access::Access;
use super::table::OPTIONS;
use super::value::{Kind, Value};
use crate::endpoint::Scheme;

macro_rules! keys {
    ($($key:ident)*) => {
        /// Which option.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each is documented in the table, for people too")]
        #[non_exhaustive]
        pub enum OptionKey { $($key,)* }
    };
}

keys! {
    Backlog ReuseAddr ReusePort NoDelay QuickAck Cork MaxSeg SndBuf RcvBuf KeepAlive KeepIdle
    KeepIntvl KeepCnt UserTimeout Linger Ttl Tos Priority Mark Bind Interface Broadcast McastJoin
    McastTtl McastLoop McastIf V6Only Mptcp FastOpen DeferAccept Congestion HdrIncl PassCred
    Cert Key Ca Pin Sni Alpn Origin Subprotocol Binary MaxMessage Frame ConnectTimeout Timeout Via
}

/// What a QUIC socket asks for: all its connections share one buffer, which must not overflow while
/// the process has no turn. The kernel gives as much of it as rmem_max allows.
const QUIC_RCVBUF: u32 = 2 << 20;

impl OptionKey {
    /// Everything there is to know about it.
    pub fn spec(self) -> &'static Spec {
        &OPTIONS[self as usize]
    }

    /// Its name in an endpoint.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// Its value when nobody wrote it; nothing where the kernel decides, or whoever opened `fd:`.
    pub fn default_value(self, scheme: Scheme, moment: Moment) -> Option<Value> {
        let is_fresh = matches!(moment, Moment::Listen | Moment::Dial);
        if self == Self::RcvBuf && scheme == Scheme::Quic && is_fresh {
            return Some(Value::Size(QUIC_RCVBUF));
        }
        let is_on = match self {
            Self::NoDelay => matches!(moment, Moment::Listen | Moment::Dial | Moment::Adopted),
            Self::ReuseAddr => moment == Moment::Listen,
            _ => false,
        };
        (is_on && scheme.is_over_tcp()).then_some(Value::Flag(true))
    }

    /// Whether it may be written more than once.
    pub(super) fn is_repeatable(self) -> bool {
        matches!(self, Self::McastJoin | Self::Origin | Self::Via)
    }
}

/// One row of the table.
#[derive(Debug)]
pub struct Spec {
    /// Which option.
    pub key: OptionKey,
    /// Its name in an endpoint.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// The schemes that take it.
    pub fits: Schemes,
    /// When it is set.
    pub when: Moments,
    /// How the kernel is told.
    pub(super) access: Access,
    /// Where its meaning is written down.
    pub source: &'static str,
    /// What it does, in English.
    pub doc: &'static str,
    /// What it does, in Chinese.
    pub doc_zh: &'static str,
}

/// When an option is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Moment {
    /// On a fresh socket that will be bound and then listen, or receive datagrams.
    Listen,
    /// On a fresh socket that will be connected.
    Dial,
    /// On a connection that was just accepted.
    Accepted,
    /// On a connection that was just made.
    Connected,
    /// On a socket that somebody else opened (`fd:`, socket activation): all that can still be
    /// set.
    Adopted,
}

/// A set of moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moments(u8);

impl Moments {
    pub(super) const NEVER: Self = Self(0);
    pub(super) const LISTEN: Self = Self(1 << Moment::Listen as u8);
    pub(super) const DIAL: Self = Self(1 << Moment::Dial as u8);
    pub(super) const ACCEPTED: Self = Self(1 << Moment::Accepted as u8);
    pub(super) const CONNECTED: Self = Self(1 << Moment::Connected as u8);

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `moment` is one of them.
    pub const fn has(self, moment: Moment) -> bool {
        self.0 & (1 << moment as u8) != 0 || matches!(moment, Moment::Adopted)
    }
}

/// A set of schemes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schemes(u16);

impl Schemes {
    /// What a TCP connection carries.
    pub(super) const TCP: Self = Self::of(Scheme::Tcp)
        .and(Self::of(Scheme::Tls))
        .and(Self::WEBSOCKET);
    pub(super) const QUIC: Self = Self::of(Scheme::Quic);
    pub(super) const WEBSOCKET: Self = Self::of(Scheme::Ws).and(Self::of(Scheme::Wss));
    /// What proves the keys of both ends.
    pub(super) const SECURE: Self = Self::of(Scheme::Tls)
        .and(Self::QUIC)
        .and(Self::of(Scheme::Wss));
    pub(super) const UDP: Self = Self::of(Scheme::Udp);
    pub(super) const FD: Self = Self::of(Scheme::Fd);
    pub(super) const IP: Self = Self::of(Scheme::Ip);
    pub(super) const UNIX_CONNECTED: Self =
        Self::of(Scheme::Unix).and(Self::of(Scheme::UnixSeqpacket));
    pub(super) const UNIX: Self = Self::UNIX_CONNECTED.and(Self::of(Scheme::UnixDgram));
    /// WebSockets among them: a framing cuts their messages laid end to end.
    pub(super) const BYTES: Self = Self::TCP
        .and(Self::QUIC)
        .and(Self::of(Scheme::Unix))
        .and(Self::of(Scheme::Stdio))
        .and(Self::of(Scheme::Exec))
        .and(Self::FD);
    pub(super) const ALL: Self = Self::BYTES.and(Self::UNIX).and(Self::UDP).and(Self::IP);

    const fn of(scheme: Scheme) -> Self {
        Self(1 << scheme as u16)
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `scheme` is one of them.
    pub const fn has(self, scheme: Scheme) -> bool {
        self.0 & (1 << scheme as u16) != 0
    }
}

impl fmt::Display for Schemes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schemes = Scheme::ALL.into_iter().filter(|scheme| self.has(*scheme));
        for (index, scheme) in schemes.enumerate() {
            if index > 0 {
                out.write_str(", ")?;
            }
            out.write_str(scheme.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_stands_in_its_own_row() {
        for (index, spec) in OPTIONS.iter().enumerate() {
            assert_eq!(spec.key as usize, index, "{}", spec.name);
        }
        assert_eq!(OPTIONS.len(), OptionKey::Via as usize + 1);
    }

    #[test]
    fn docs_are_one_short_line_without_a_full_stop() {
        for spec in OPTIONS {
            for doc in [spec.doc, spec.doc_zh, spec.source] {
                assert!(!doc.is_empty() && doc.lines().count() == 1, "{}", spec.name);
                assert!(!doc.ends_with(['.', '。']), "{}", spec.name);
            }
        }
    }
}
