//! What a wire, or whoever else stood in the way, did to a packet: the text of its fact.

use std::fmt;
use std::time::Duration;

use crate::Lang;

/// One thing that was done to a packet or a piece of a stream, without the rule that did it.
///
/// `Display` writes it as verdicts do (docs/trace-format.md): `dropped`, `delayed 20ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act<'a> {
    /// It was forgotten.
    Dropped,
    /// It was forgotten because too many bytes waited in front of it.
    QueueFull,
    /// It was forgotten because it is larger than a link's MTU, which nobody was told.
    TooBig(u32),
    /// The same, and its sender was told.
    Refused(u32),
    /// Some of the pieces or copies that were made of it were forgotten.
    Partly,
    /// It was forgotten and its connection was reset.
    Reset,
    /// It went on later.
    Delayed(Duration),
    /// It waited for its turn.
    Queued(Duration),
    /// It went on twice.
    Duplicated,
    /// It went on behind so many that came after it.
    Behind(u32),
    /// A bit of this byte of it was turned, counted from the frame's first.
    Corrupted(u64),
    /// It went on in so many pieces.
    Split(u32),
    /// It went on in so many fragments of IP.
    Fragmented(u32),
    /// It waited for others and went on together with them.
    Gathered,
    /// It waited for the end of a stall.
    Stalled,
    /// Only so many bytes of it went on, then the connection was reset.
    Cut(u64),
    /// Something that this version knows no word for.
    Other(&'a str),
}

impl<'a> Act<'a> {
    /// Reads what `Display` writes.
    pub fn parse(text: &'a str) -> Self {
        let known = match text {
            "dropped" => Some(Self::Dropped),
            "dropped from a full queue" => Some(Self::QueueFull),
            "dropped in part" => Some(Self::Partly),
            "reset" => Some(Self::Reset),
            "duplicated" => Some(Self::Duplicated),
            "gathered" => Some(Self::Gathered),
            "stalled" => Some(Self::Stalled),
            _ => Self::counted(text),
        };
        known.unwrap_or(Self::Other(text))
    }

    /// What is said with a number: the last word of all of these but two.
    fn counted(text: &str) -> Option<Self> {
        let number = |before: &str, after: &str| -> Option<u64> {
            text.strip_prefix(before)?.strip_suffix(after)?.parse().ok()
        };
        let small = |before: &str, after: &str| u32::try_from(number(before, after)?).ok();
        let wait = |before: &str| milliseconds(text.strip_prefix(before)?);
        if let Some(mtu) = small("dropped as larger than ", "") {
            return Some(Self::TooBig(mtu));
        }
        if let Some(mtu) = small("refused as larger than ", "") {
            return Some(Self::Refused(mtu));
        }
        wait("delayed ")
            .map(Self::Delayed)
            .or_else(|| wait("queued ").map(Self::Queued))
            .or_else(|| small("put behind ", "").map(Self::Behind))
            .or_else(|| number("corrupted at byte ", "").map(Self::Corrupted))
            .or_else(|| small("split in ", "").map(Self::Split))
            .or_else(|| small("fragmented in ", "").map(Self::Fragmented))
            .or_else(|| number("cut after ", " bytes").map(Self::Cut))
    }

    /// Whether what it was done to did not arrive as it was.
    pub const fn is_lost(&self) -> bool {
        matches!(
            self,
            Self::Dropped | Self::QueueFull | Self::TooBig(_) | Self::Refused(_) | Self::Reset
        )
    }

    /// How long it waited, where that is all that is said.
    pub(crate) const fn waits(&self) -> Option<Duration> {
        match self {
            Self::Delayed(by) | Self::Queued(by) => Some(*by),
            _ => None,
        }
    }

    /// The same for people; in English as `Display` writes it.
    pub fn words(&self, lang: Lang) -> String {
        match (lang, self) {
            (Lang::En, act) => act.to_string(),
            (Lang::Zh, Self::Dropped) => "已丢弃".into(),
            (Lang::Zh, Self::QueueFull) => "队列已满，已丢弃".into(),
            (Lang::Zh, Self::TooBig(mtu)) => format!("超过 {mtu} 字节，已丢弃"),
            (Lang::Zh, Self::Refused(mtu)) => format!("超过 {mtu} 字节，已拒绝"),
            (Lang::Zh, Self::Partly) => "部分丢弃".into(),
            (Lang::Zh, Self::Reset) => "已重置".into(),
            (Lang::Zh, Self::Delayed(by)) => format!("延迟 {}", Milliseconds(*by)),
            (Lang::Zh, Self::Queued(by)) => format!("排队 {}", Milliseconds(*by)),
            (Lang::Zh, Self::Duplicated) => "已复制".into(),
            (Lang::Zh, Self::Behind(count)) => format!("排到后面 {count} 个之后"),
            (Lang::Zh, Self::Corrupted(at)) => format!("字节 {at} 被改坏"),
            (Lang::Zh, Self::Split(count)) => format!("切成 {count} 段"),
            (Lang::Zh, Self::Fragmented(count)) => format!("分成 {count} 个分片"),
            (Lang::Zh, Self::Gathered) => "已合并".into(),
            (Lang::Zh, Self::Stalled) => "已停滞".into(),
            (Lang::Zh, Self::Cut(bytes)) => format!("在 {bytes} 字节后截断"),
            (Lang::Zh, Self::Other(text)) => (*text).into(),
        }
    }
}

impl fmt::Display for Act<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Dropped => f.write_str("dropped"),
            Self::QueueFull => f.write_str("dropped from a full queue"),
            Self::TooBig(mtu) => write!(f, "dropped as larger than {mtu}"),
            Self::Refused(mtu) => write!(f, "refused as larger than {mtu}"),
            Self::Partly => f.write_str("dropped in part"),
            Self::Reset => f.write_str("reset"),
            Self::Delayed(by) => write!(f, "delayed {}", Milliseconds(by)),
            Self::Queued(by) => write!(f, "queued {}", Milliseconds(by)),
            Self::Duplicated => f.write_str("duplicated"),
            Self::Behind(count) => write!(f, "put behind {count}"),
            Self::Corrupted(at) => write!(f, "corrupted at byte {at}"),
            Self::Split(count) => write!(f, "split in {count}"),
            Self::Fragmented(count) => write!(f, "fragmented in {count}"),
            Self::Gathered => f.write_str("gathered"),
            Self::Stalled => f.write_str("stalled"),
            Self::Cut(bytes) => write!(f, "cut after {bytes} bytes"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// Milliseconds with as many digits behind the point as are needed, three at most: `20ms`, `0.25ms`.
struct Milliseconds(Duration);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        let (whole, thousandths) = (micros / 1000, micros % 1000);
        if thousandths == 0 {
            return write!(f, "{whole}ms");
        }
        let digits = format!("{thousandths:03}");
        write!(f, "{whole}.{}ms", digits.trim_end_matches('0'))
    }
}

fn milliseconds(text: &str) -> Option<Duration> {
    let number = text.strip_suffix("ms")?;
    let (whole, behind) = number.split_once('.').unwrap_or((number, ""));
    if behind.len() > 3 {
        return None;
    }
    let thousandths: u64 = format!("{behind:0<3}").parse().ok()?;
    // A century in microseconds: sums of what a file says stay far from what a duration holds.
    let most = 100 * 365 * 86_400 * 1_000_000;
    let micros = whole.parse::<u64>().ok()?.checked_mul(1000)?;
    let micros = Some(micros).filter(|micros| *micros < most)?;
    Some(Duration::from_micros(micros.checked_add(thousandths)?))
}

/// What was done to a packet, and by which rules: the text of its fact, `ACT by RULE` once or more
/// with `; ` between them. A rule has neither blanks nor semicolons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict<'a>(&'a str);

impl<'a> Verdict<'a> {
    /// The verdict in the text of a packet's fact; none if no rule touched it.
    pub fn of(text: &'a str) -> Option<Self> {
        (!text.is_empty()).then_some(Self(text))
    }

    /// As it was written.
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// What was done, in its order, and by which rule.
    pub fn acts(self) -> impl Iterator<Item = (Act<'a>, &'a str)> {
        self.0.split("; ").map(|part| {
            let (act, rule) = part.rsplit_once(" by ").unwrap_or((part, ""));
            (Act::parse(act), rule)
        })
    }

    /// Whether it did not arrive.
    pub fn is_lost(self) -> bool {
        self.acts().any(|(act, _)| act.is_lost())
    }

    /// The rule because of which it did not arrive.
    pub fn lost_to(self) -> Option<&'a str> {
        let (_, rule) = self.acts().find(|(act, _)| act.is_lost())?;
        Some(rule)
    }

    /// The rule because of which some of the pieces or copies of it did not arrive.
    pub fn partly_lost_to(self) -> Option<&'a str> {
        let (_, rule) = self.acts().find(|(act, _)| *act == Act::Partly)?;
        Some(rule)
    }

    /// How long it was made to wait, by all that says how long; as people write it: `20ms`.
    pub(crate) fn waited(self) -> Option<String> {
        let waits = self.acts().filter_map(|(act, _)| act.waits());
        let total: Duration = waits.sum();
        (!total.is_zero()).then(|| Milliseconds(total).to_string())
    }

    /// For people. A rule is written the same in all languages.
    pub fn words(self, lang: Lang) -> String {
        let acts = self
            .acts()
            .map(|(act, rule)| Self::words_of(act, rule, lang));
        acts.collect::<Vec<_>>().join(lang.pick("; ", "；"))
    }

    /// One act with its rule, for people.
    pub fn words_of(act: Act<'_>, rule: &str, lang: Lang) -> String {
        let act = act.words(lang);
        match (lang, rule) {
            (_, "") => act,
            (Lang::En, rule) => format!("{act} by {rule}"),
            (Lang::Zh, rule) => format!("{act}（{rule}）"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Act<'_>; 19] = [
        Act::Dropped,
        Act::QueueFull,
        Act::TooBig(1400),
        Act::Refused(576),
        Act::Partly,
        Act::Reset,
        Act::Delayed(Duration::from_millis(20)),
        Act::Delayed(Duration::from_micros(1_050)),
        Act::Queued(Duration::from_micros(7)),
        Act::Queued(Duration::ZERO),
        Act::Duplicated,
        Act::Behind(3),
        Act::Corrupted(66),
        Act::Split(2),
        Act::Fragmented(3),
        Act::Gathered,
        Act::Stalled,
        Act::Cut(1000),
        Act::Other("melted"),
    ];

    #[test]
    fn display_prints_what_is_read() {
        for act in ALL {
            assert_eq!(Act::parse(&act.to_string()), act);
            assert_ne!(act.words(Lang::Zh), "");
        }
        assert_eq!(
            Act::Delayed(Duration::from_micros(1_050)).to_string(),
            "delayed 1.05ms"
        );
        for odd in [
            "delayed 1.0000ms",
            "delayed ms",
            "delayed 99999999999999999999ms",
            "split in x",
        ] {
            assert_eq!(Act::parse(odd), Act::Other(odd));
        }
    }

    #[test]
    fn a_verdict_is_acts_and_their_rules() {
        let text = "delayed 20ms by delay:20ms; dropped by drop:nth=3,to=server";
        let verdict = Verdict::of(text).unwrap();
        let acts: Vec<_> = verdict.acts().collect();
        assert_eq!(
            acts,
            [
                (Act::Delayed(Duration::from_millis(20)), "delay:20ms"),
                (Act::Dropped, "drop:nth=3,to=server"),
            ]
        );
        assert_eq!(verdict.lost_to(), Some("drop:nth=3,to=server"));
        assert_eq!(verdict.words(Lang::En), text);
        assert_eq!(
            verdict.words(Lang::Zh),
            "延迟 20ms（delay:20ms）；已丢弃（drop:nth=3,to=server）"
        );
        assert_eq!(Verdict::of(""), None);
        let passed = Verdict::of("split in 2 by split:10; dropped in part by loss:1%").unwrap();
        assert!(!passed.is_lost() && passed.lost_to().is_none());
        assert_eq!(passed.partly_lost_to(), Some("loss:1%"));
        let foreign = Verdict::of("eaten").unwrap();
        assert_eq!(foreign.acts().next(), Some((Act::Other("eaten"), "")));
    }
}
