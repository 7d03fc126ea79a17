//! How two clocks stand to each other, in numbers and in words.

use crate::Lang;

/// How much the second machine's clock is ahead of the first one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockDifference {
    /// Nanoseconds; below zero: it is behind.
    pub ahead_ns: i64,
    /// How wrong that can be; none: it is bounded from one side only, or not at all.
    pub error_ns: Option<u64>,
    /// What it was told by.
    pub told_by: Evidence,
}

/// What tells how two clocks stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// So many packets that both machines captured.
    Packets(usize),
    /// So many messages that one wrote and the other read, and connections that one asked for and the
    /// other accepted.
    Calls(usize),
    /// Nothing: the clocks are taken for equal.
    Nothing,
}

impl ClockDifference {
    /// In words, for `host`, whose clock it is.
    pub fn words(&self, host: &str, lang: Lang) -> String {
        let span = |nanos: u64| match nanos {
            0..1_000 => format!("{nanos} ns"),
            1_000..1_000_000 => format!("{}.{} µs", nanos / 1_000, nanos % 1_000 / 100),
            1_000_000..1_000_000_000 => {
                format!("{}.{:03} ms", nanos / 1_000_000, nanos % 1_000_000 / 1_000)
            }
            _ => format!(
                "{}.{:06} s",
                nanos / 1_000_000_000,
                nanos % 1_000_000_000 / 1_000
            ),
        };
        let far = span(self.ahead_ns.unsigned_abs());
        let side = if self.ahead_ns < 0 {
            lang.pick("behind", "慢")
        } else {
            lang.pick("ahead", "快")
        };
        let error = match self.error_ns {
            Some(error) => format!("± {}", span(error)),
            None => lang.pick("error unknown", "误差未知").to_owned(),
        };
        let by = match (self.told_by, lang) {
            (Evidence::Packets(count), Lang::En) => format!("by {count} packets that both saw"),
            (Evidence::Packets(count), Lang::Zh) => format!("依据双方都抓到的 {count} 个包"),
            (Evidence::Calls(count), Lang::En) => format!("by {count} calls of both ends"),
            (Evidence::Calls(count), Lang::Zh) => format!("依据两端的 {count} 次调用"),
            (Evidence::Nothing, Lang::En) => {
                return format!("the clock of {host} is taken for right: nothing tells otherwise");
            }
            (Evidence::Nothing, Lang::Zh) => {
                return format!("{host} 的时钟按一致处理：没有可比对的事件");
            }
        };
        match lang {
            Lang::En => format!("the clock of {host} was {far} {side} ({error}, {by})"),
            Lang::Zh => format!("{host} 的时钟{side} {far}（{error}，{by}）"),
        }
    }
}
