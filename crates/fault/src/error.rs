//! Why a text is no rule.

use std::fmt;

use sockeye_frame::SpecError;
use sockeye_trace::Lang;
use thiserror::Error;

use crate::rule;

/// Why a text is no rule: what was read, where it breaks, what is allowed there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", self.words(Lang::En))]
pub struct RuleError {
    /// What was read.
    pub text: String,
    /// The byte of it at which it breaks.
    pub at: usize,
    /// What is wrong there.
    pub problem: Box<RuleProblem>,
}

/// What is wrong at the byte at which a rule breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleProblem {
    /// No rule is called so.
    UnknownName {
        /// What stands there.
        name: String,
    },
    /// This rule has no such key.
    UnknownKey {
        /// What stands there.
        key: String,
        /// The rule's name.
        rule: &'static str,
        /// What may stand there.
        allowed: Vec<&'static str>,
    },
    /// A key that is given twice.
    Twice(&'static str),
    /// The rule needs this.
    Missing {
        /// The rule's name.
        rule: &'static str,
        /// What it needs.
        what: &'static str,
    },
    /// A value of another kind.
    NotA {
        /// What stands there.
        found: String,
        /// What is needed.
        wanted: Wanted,
    },
    /// A number outside its range.
    OutOfRange {
        /// Whose.
        what: &'static str,
        /// What stands there.
        found: String,
        /// The least that is allowed.
        least: String,
        /// The most.
        most: String,
    },
    /// A framing that is none.
    Framing(SpecError),
    /// A quotation mark without its second.
    Unclosed,
}

/// A kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `20ms`
    Duration,
    /// `64KiB`
    Size,
    /// `1%`
    Chance,
    /// `3`
    Count,
    /// `server` or `client`
    Way,
    /// `tcp`, `udp` or `icmp`
    Protocol,
    /// `SA`, `data`, `ack`
    Flags,
    /// `GET` or `0x00ff`
    Bytes,
}

impl Wanted {
    /// The kind, and what is written there.
    pub const fn words(self, lang: Lang) -> &'static str {
        match self {
            Self::Duration => lang.pick(
                "duration; write 250us, 20ms, 2s or 1m",
                "时长；请写成 250us、20ms、2s 或 1m",
            ),
            Self::Size => lang.pick(
                "size; write a number of bytes, alone or with KiB, MiB or GiB",
                "大小；请写字节数，可带 KiB、MiB 或 GiB",
            ),
            Self::Chance => lang.pick(
                "chance; write 0% to 100%, with up to four digits behind the point",
                "概率；请写 0% 到 100%，小数点后最多四位",
            ),
            Self::Count => lang.pick("whole number", "整数"),
            Self::Way => lang.pick("way; write server or client", "方向；请写 server 或 client"),
            Self::Protocol => lang.pick(
                "protocol; write tcp, udp or icmp",
                "协议；请写 tcp、udp 或 icmp",
            ),
            Self::Flags => lang.pick(
                "set of TCP flags; write letters of S, A, F, R, P and U, or data, or ack",
                "TCP 标志；请写 S、A、F、R、P、U 中的字母，或 data、ack",
            ),
            Self::Bytes => lang.pick(
                "text to look for; write some with \\n \\r \\t \\0 \\\\ \\, \\\" and \\xNN, or 0x and pairs of hex digits",
                "要查找的内容；请写文本（可用 \\n \\r \\t \\0 \\\\ \\, \\\" 和 \\xNN），或 0x 加成对的十六进制数字",
            ),
        }
    }
}

impl RuleError {
    /// The error in one line.
    pub fn words(&self, lang: Lang) -> String {
        let (text, at, problem) = (&self.text, self.at, self.problem.words(lang));
        match lang {
            Lang::En => format!("rule {text:?} breaks at byte {at}: {problem}"),
            Lang::Zh => format!("规则 {text:?} 在字节 {at} 处出错：{problem}"),
        }
    }
}

impl RuleProblem {
    /// What is wrong, without where.
    pub fn words(&self, lang: Lang) -> String {
        match lang {
            Lang::En => self.english(),
            Lang::Zh => self.chinese(),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::UnknownName { name } => {
                format!("no rule is called {name:?}; known are {}", Names(", "))
            }
            Self::UnknownKey { key, rule, allowed } => {
                let allowed = allowed.join(", ");
                format!("{key:?} cannot follow {rule}; allowed is {allowed}")
            }
            Self::Twice(key) => format!("{key} is given twice"),
            Self::Missing { rule, what } => format!("{rule} needs {what}"),
            Self::NotA { found, wanted } => format!("{found:?} is no {}", wanted.words(Lang::En)),
            Self::OutOfRange {
                what,
                found,
                least,
                most,
            } => format!("{what} is {found}, allowed is {least} to {most}"),
            Self::Framing(error) => error.to_string(),
            Self::Unclosed => "the quotation mark has no second one".into(),
        }
    }

    fn chinese(&self) -> String {
        match self {
            Self::UnknownName { name } => {
                format!("没有名为 {name:?} 的规则；可用的有 {}", Names("、"))
            }
            Self::UnknownKey { key, rule, allowed } => {
                let allowed = allowed.join("、");
                format!("{rule} 之后不能写 {key:?}；可以写 {allowed}")
            }
            Self::Twice(key) => format!("{key} 给出了两次"),
            Self::Missing { rule, what } => format!("{rule} 需要 {what}"),
            Self::NotA { found, wanted } => format!("{found:?} 不是{}", wanted.words(Lang::Zh)),
            Self::OutOfRange {
                what,
                found,
                least,
                most,
            } => format!("{what} 是 {found}，允许 {least} 到 {most}"),
            Self::Framing(error) => error.to_string(),
            Self::Unclosed => "引号没有成对".into(),
        }
    }
}

/// The names of all rules, with this between them.
struct Names(&'static str);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in rule::names().enumerate() {
            let gap = if index == 0 { "" } else { self.0 };
            write!(f, "{gap}{name}")?;
        }
        Ok(())
    }
}
