//! `not-seen`: what the recording does not hold.
//!
//! Every view of a session is only as whole as its recording. What its source could not see
//! (packets that the kernel dropped, calls through `io_uring` with a polling thread, a program of
//! another architecture …) is repeated here, so that nobody takes silence for proof.

use std::collections::HashMap;

use crate::{Gap, Time, Weight};

use super::Topic;
use super::found::{Found, Place, Told};
use super::view::Context;
use super::words::{self, count, of};

pub(super) const NOT_SEEN: Topic = Topic {
    name: "not-seen",
    title: ["what could not be seen", "没能看到的部分"],
};

pub(super) fn find(context: &Context<'_>, found: &mut Found) {
    let timeline = context.timeline;
    let mut gaps: Vec<Gap> = Vec::new();
    let mut places: HashMap<(&str, u32, &str), usize> = HashMap::new();
    // The same gap may be told of again and again; what can be counted adds up.
    for gap in &timeline.gaps {
        let place = *places
            .entry((&gap.what, gap.pid, &gap.detail))
            .or_insert(gaps.len());
        match gaps.get_mut(place) {
            Some(known) => known.count = known.count.saturating_add(gap.count),
            None => gaps.push(gap.clone()),
        }
    }
    let drops: u64 = timeline
        .interfaces
        .iter()
        .map(|interface| interface.dropped)
        .sum();
    if drops > 0 && !timeline.gaps.iter().any(|gap| gap.what == "lost-packets") {
        gaps.push(Gap {
            what: "lost-packets".into(),
            count: drops,
            ..Gap::default()
        });
    }
    if timeline.session.lost() > 0 {
        gaps.push(Gap {
            what: "lost-events".into(),
            count: timeline.session.lost(),
            ..Gap::default()
        });
    }
    if timeline.session.is_cut() {
        gaps.push(Gap {
            what: "cut-file".into(),
            ..Gap::default()
        });
    }
    for gap in &gaps {
        one(context, gap, found);
    }
}

fn one(context: &Context<'_>, gap: &Gap, found: &mut Found) {
    // Nobody knows when: it stands before everything else of its weight.
    let place = Place {
        at: Time::default(),
        ..Place::default()
    };
    found.add(&NOT_SEEN, Weight::Notice, place, || {
        let program = context.program_of(gap.pid).map(words::name);
        let [who, who_zh] = match (program, gap.pid) {
            (_, 0) => Default::default(),
            (Some(name), pid) => [
                format!(" of {name} (pid {pid})"),
                format!("（{name}，进程 {pid}）"),
            ],
            (None, pid) => [format!(" of process {pid}"), format!("（进程 {pid}）")],
        };
        let [what, what_zh] = what(gap);
        let (en, zh) = match words::line(&gap.detail) {
            detail if detail.is_empty() => (String::new(), String::new()),
            detail => (format!(": {detail}"), format!("：{detail}")),
        };
        Told {
            facts: Vec::new(),
            sentence: [
                format!("Not seen: {what}{who}{en}."),
                format!("没有看到：{what_zh}{who_zh}{zh}。"),
            ],
        }
    });
}

/// What is missing, by the words of docs/trace-format.md.
fn what(gap: &Gap) -> [String; 2] {
    let n = gap.count;
    let fixed = |en: &str, zh: &str| [en.to_owned(), zh.to_owned()];
    match (&*gap.what, n) {
        ("lost-events", 0) => fixed("some events were lost", "丢失了一些事件"),
        ("lost-events", _) => [
            format!("{} lost", of(n, "event")),
            format!("丢失了 {} 个事件", count(n)),
        ],
        ("lost-packets", 0) => fixed(
            "some packets were dropped before they could be taken",
            "有些包没来得及取走",
        ),
        ("lost-packets", _) => [
            format!("{} dropped before they could be taken", of(n, "packet")),
            format!("{} 个包没来得及取走", count(n)),
        ],
        ("io-uring", _) => fixed("calls through io_uring", "经 io_uring 的调用"),
        ("foreign-architecture", _) => {
            fixed("a program of another architecture", "另一种体系结构的程序")
        }
        ("setuid", _) => fixed(
            "a program that runs as another user",
            "以另一个用户身份运行的程序",
        ),
        ("attached-midway", _) => fixed(
            "what happened before the recording began",
            "开始记录之前发生的事",
        ),
        ("cut-file", _) => fixed(
            "the end of the session: the file stops in the middle",
            "会话的结尾：文件在中途截断",
        ),
        (what, 0) => [words::line(what), words::line(what)],
        (what, _) => [
            format!("{} ({})", words::line(what), count(n)),
            format!("{}（{}）", words::line(what), count(n)),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::check::{findings, told};
    use crate::sample::Script;

    #[test]
    fn gaps_are_repeated_and_counts_add_up() {
        let mut script = Script::new();
        for (what, count, pid) in [
            ("lost-packets", 300, 0),
            ("lost-packets", 1000, 0),
            ("io-uring", 0, 100),
        ] {
            script.gap(&Gap {
                what: what.into(),
                count,
                pid,
                detail: String::new(),
            });
        }
        let found = findings(&script.session());
        let sentences: Vec<_> = found
            .iter()
            .map(|finding| finding.sentence.clone())
            .collect();
        assert_eq!(
            sentences,
            [
                [
                    "Not seen: 1,300 packets dropped before they could be taken.",
                    "没有看到：1,300 个包没来得及取走。"
                ],
                [
                    "Not seen: calls through io_uring of python3 (pid 100).",
                    "没有看到：经 io_uring 的调用（python3，进程 100）。"
                ],
            ]
        );
    }

    /// Gaps differ: they are told one by one far longer than what repeats itself.
    #[test]
    fn many_gaps_are_counted_at_last() {
        let gaps = |n: u32| {
            let mut script = Script::new();
            for pid in 0..n {
                script.gap(&Gap {
                    what: "setuid".into(),
                    pid: 1000 + pid,
                    ..Gap::default()
                });
            }
            told(script, &NOT_SEEN)
        };
        let most = Topic::TOGETHER as u32 - 1;
        assert_eq!(gaps(most).len(), Topic::TOGETHER - 1);
        let found = gaps(most + 7);
        assert_eq!(found.len(), Topic::TOGETHER);
        assert_eq!(found[Topic::TOGETHER - 1], "… and 7 more (not-seen).");
    }

    #[test]
    fn words_that_are_new_stand_as_they_are_and_command_nothing() {
        let mut script = Script::new();
        script.gap(&Gap {
            what: "new-word".into(),
            count: 2,
            pid: 7,
            detail: "\x1b[31mred".into(),
        });
        assert_eq!(
            told(script, &NOT_SEEN),
            ["Not seen: new-word (2) of process 7: ?[31mred."]
        );
    }

    #[test]
    fn a_whole_recording_has_none() {
        assert!(told(Script::new(), &NOT_SEEN).is_empty());
    }
}
