//! What was seen, in words of either language.

use std::fmt::Display;

use sockeye_net::Errno;
use sockeye_observe::namespace::NamespaceError;
use sockeye_observe::privilege::{Grade, Ground, Permit, What};
use sockeye_observe::settings::{Group, Purpose, Setting, Why};

use crate::catalogue::doctor::{self as text, Words};
use crate::catalogue::{Lang, Text, known};
use crate::ui::quantity::count;

/// Everything that may be permitted, in the order in which it is told.
pub(super) const WHATS: [What; 9] = [
    What::Watch,
    What::Attach,
    What::Room,
    What::Capture,
    What::Raw,
    What::LowPorts,
    What::Programs,
    What::Files,
    What::Uring,
];

/// Its name on the command line and in JSON.
pub(super) fn what_name(what: What) -> &'static str {
    match what {
        What::Watch => "watch",
        What::Attach => "attach",
        What::Room => "namespaces",
        What::Capture => "capture",
        What::Raw => "raw",
        What::LowPorts => "low-ports",
        What::Programs => "programs",
        What::Files => "files",
        What::Uring => "io-uring",
    }
}

/// What it is, for people.
pub(super) fn what(what: What, lang: Lang) -> &'static str {
    let text = match what {
        What::Watch => text::WATCH,
        What::Attach => text::ATTACH,
        What::Room => text::ROOM,
        What::Capture => text::CAPTURE,
        What::Raw => text::RAW,
        What::LowPorts => text::LOW_PORTS,
        What::Programs => text::PROGRAMS,
        What::Files => text::FILES,
        What::Uring => text::URING,
    };
    text.get(lang)
}

pub(super) fn grade_name(grade: Grade) -> &'static str {
    grade_text(grade).en
}

pub(super) fn grade(grade: Grade, lang: Lang) -> &'static str {
    grade_text(grade).get(lang)
}

fn grade_text(grade: Grade) -> Text {
    match grade {
        Grade::Yes => text::YES,
        Grade::Partly => text::PARTLY,
        Grade::No => text::NO,
    }
}

/// Why it is permitted or not, and what would help.
pub(super) fn ground(permit: &Permit, lang: Lang) -> String {
    let fill = |text: Text, name: &str, value: &dyn Display| text.fill(lang, &[(name, value)]);
    let plain = |text: Text| text.get(lang).to_owned();
    match permit.ground {
        Ground::Tried => plain(text::TRIED),
        Ground::Failed(errno) => fill(text::FAILED, "errno", &Errno::new(errno)),
        Ground::Has(capability) => fill(text::HAS, "capability", &capability),
        Ground::Lacks("CAP_NET_RAW") => plain(text::LACKS_NET_RAW),
        Ground::Lacks("CAP_SYS_PTRACE") => plain(text::LACKS_SYS_PTRACE),
        Ground::Lacks(capability) => fill(text::LACKS, "capability", &capability),
        Ground::PtraceScope(None) => plain(text::NO_YAMA),
        Ground::PtraceScope(Some(0)) => plain(text::SCOPE_0),
        Ground::PtraceScope(Some(1)) => plain(text::SCOPE_1),
        Ground::PtraceScope(Some(2)) => plain(text::SCOPE_2),
        Ground::PtraceScope(Some(_)) => plain(text::SCOPE_3),
        Ground::NoRoom(why) => fill(text::NO_ROOM, "why", &barred(why, lang)),
        Ground::NoProcesses(why) => fill(text::NO_PROCESSES, "why", &barred(why, lang)),
        Ground::PortsFrom(0) => plain(text::PORTS_FROM_0),
        Ground::PortsFrom(port) => fill(text::PORTS_FROM, "port", &port),
        Ground::Files { soft, hard } => {
            let (soft, hard) = (limit(soft), limit(hard));
            let text = match permit.grade {
                Grade::Yes => text::FILES_ENOUGH,
                _ => text::FILES_FEW,
            };
            text.fill(lang, &[("soft", &soft), ("hard", &hard)])
        }
        Ground::UringDisabled(1) => plain(text::URING_1),
        Ground::UringDisabled(_) => plain(text::URING_2),
        Ground::Absent => plain(text::ABSENT),
        // A ground of a later version of the crate below.
        _ => String::new(),
    }
}

/// As a shell takes it.
fn limit(limit: u64) -> String {
    match limit {
        u64::MAX => "unlimited".to_owned(),
        limit => limit.to_string(),
    }
}

/// Why there are no namespaces.
fn barred(why: NamespaceError, lang: Lang) -> String {
    let stage = known(&why.stage.to_string(), lang);
    let mut said = format!("{stage}: {}", Errno::new(why.errno));
    if let Some(reason) = why.reason() {
        said = format!("{said}; {}", known(reason, lang));
    }
    said
}

pub(super) fn group(group: Group, lang: Lang) -> &'static str {
    let text = match group {
        Group::Accept => text::ACCEPT_GROUP,
        Group::Close => text::CLOSE_GROUP,
        Group::Connect => text::CONNECT_GROUP,
        Group::Buffers => text::BUFFERS_GROUP,
        Group::Silence => text::SILENCE_GROUP,
        Group::Wire => text::WIRE_GROUP,
    };
    text.get(lang)
}

/// What is said of a setting.
pub(super) fn setting(setting: &Setting) -> &'static Words {
    let mut all = text::SETTINGS.iter();
    let words = all.find(|words| words.name == setting.name);
    words.expect("a test finds settings without words")
}

/// Why another value would be better.
pub(super) fn why(why: Why, lang: Lang) -> String {
    match why {
        Why::Sound => text::SOUND.get(lang).to_owned(),
        Why::For(purpose) => {
            let text = match purpose {
                Purpose::Serve => text::FOR_SERVE,
                Purpose::Dial => text::FOR_DIAL,
                Purpose::Far => text::FOR_FAR,
                Purpose::Datagrams => text::FOR_DATAGRAMS,
            };
            text.get(lang).to_owned()
        }
        Why::QueuesFull {
            listeners,
            overflows,
        } => text::QUEUES_FULL.fill(
            lang,
            &[
                ("listeners", &count(listeners)),
                ("overflows", &count(overflows)),
            ],
        ),
        Why::TimeWaitFull(n) => text::TIME_WAIT_FULL.fill(lang, &[("n", &count(n))]),
        Why::PortsShort { taken, of } => {
            let values: [(&str, &dyn Display); 2] = [("taken", &count(taken)), ("of", &count(of))];
            text::PORTS_SHORT.fill(lang, &values)
        }
        Why::DatagramsLost(n) => text::DATAGRAMS_LOST.fill(lang, &[("n", &count(n))]),
    }
}

/// What the newest kernels have of themselves.
pub(super) fn newest_default(setting: &Setting, lang: Lang) -> String {
    match setting.defaults.first() {
        Some(newest) => (*newest).to_owned(),
        None => defaults(setting, lang),
    }
}

/// The kernel's own values of a setting.
pub(super) fn defaults(setting: &Setting, lang: Lang) -> String {
    match setting.defaults {
        [] if setting.is_gone() => String::new(),
        [] => text::BY_MEMORY.get(lang).to_owned(),
        values => values.join(" | "),
    }
}
