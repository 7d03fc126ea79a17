//! Reading what was said before.

use std::sync::{Arc, Mutex};

use crate::history::{History, HistoryError, HistoryOptions};
use crate::irc::time_text;
use crate::log::{Draft, Entry, Log};
use crate::world::command::{Job, Outcome, Then};
use crate::world::scene::{NOON_MS, Scene};
use crate::world::{Settings, Way};

const ALL: &str = "batch server-time message-tags draft/chathistory";

/// Hands drafts to the test.
#[derive(Debug, Default)]
struct Drafts(Mutex<Vec<Draft>>);

impl Log for Drafts {
    fn submit(&self, drafts: Vec<Draft>) {
        self.0.lock().unwrap().extend(drafts);
    }
}

/// A scene with a real history; a message is committed when the test says so, a second after the one
/// before.
struct Kept {
    scene: Scene,
    drafts: Arc<Drafts>,
    history: Arc<History>,
    seq: u64,
    _folder: tempfile::TempDir,
}

impl Kept {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        let drafts = Arc::new(Drafts::default());
        Self {
            scene: Scene::with(settings, Some(drafts.clone())),
            drafts,
            history: History::open(&path, HistoryOptions::default()).unwrap(),
            seq: 0,
            _folder: folder,
        }
    }

    /// Everything that was drafted is kept, and happens.
    fn commits(&mut self) {
        for draft in std::mem::take(&mut *self.drafts.0.lock().unwrap()) {
            self.seq += 1;
            let entry = Entry {
                seq: self.seq,
                time_ms: NOON_MS + self.seq * 1000,
                draft,
            };
            self.history.cache(std::slice::from_ref(&entry)).unwrap();
            self.scene.world.apply(&[entry]);
        }
    }

    /// Says something that is committed at once.
    fn says(&mut self, who: &str, line: &str) {
        self.scene.says(who, line);
        self.commits();
    }

    /// Says something; if that asks the history, it answers.
    fn asks(&mut self, who: &str, line: &str) -> Vec<String> {
        self.scene.forget();
        self.says(who, line);
        match self.scene.then.take() {
            Some(Then::Wait(Job::History(queries))) => {
                let runtime = tokio::runtime::Builder::new_current_thread().build();
                let answer = runtime.unwrap().block_on(self.history.answer(queries));
                self.scene.outcome(who, Outcome::Found(answer));
            }
            other => assert!(matches!(other, Some(Then::Go)), "{other:?}"),
        }
        self.scene.hears(who)
    }

    fn registers(&mut self, who: &str) {
        self.scene.says(who, "REGISTER * * long-enough");
        self.scene.outcome(who, Outcome::Hashed(Ok("hash".into())));
        self.commits();
        let heard = self.scene.hears(who);
        assert!(
            heard.iter().any(|line| line.contains("REGISTER SUCCESS")),
            "{heard:?}"
        );
    }
}

/// The texts at the ends of lines, of the messages among them.
fn texts(lines: &[String]) -> Vec<&str> {
    let said = lines
        .iter()
        .filter(|line| line.contains(" PRIVMSG ") || line.contains(" TOPIC "));
    said.map(|line| line.rsplit_once(" :").map_or("", |(_, text)| text))
        .collect()
}

fn id_of(lines: &[String], text: &str) -> String {
    let line = lines.iter().find(|line| line.ends_with(text)).unwrap();
    let (_, id) = line.split_once("msgid=").unwrap();
    id.split([';', ' ']).next().unwrap().to_owned()
}

/// Tom has said `1` to `5` in #r.
fn five() -> Kept {
    let mut kept = Kept::new();
    kept.scene.comes("tom", ALL);
    kept.says("tom", "JOIN #R");
    for number in 1..=5 {
        kept.says("tom", &format!("PRIVMSG #r {number}"));
    }
    kept
}

#[test]
fn a_room_is_read_by_time_and_by_name() {
    let mut kept = five();
    let all = kept.asks("tom", "CHATHISTORY LATEST #r * 50");
    assert!(all[0].starts_with(":sockeye.local BATCH +h"), "{all:?}");
    assert!(all[0].ends_with(" chathistory #R"), "{all:?}");
    let reference = all[0].split(['+', ' ']).nth(3).unwrap();
    let one = format!(
        "@batch={reference};time={};msgid={} :tom!tom@loopback PRIVMSG #R :1",
        &*time_text(NOON_MS + 1000),
        id_of(&all, "1"),
    );
    assert_eq!(all[1], one);
    assert_eq!(all[6], format!(":sockeye.local BATCH -{reference}"));
    let third = format!("msgid={}", id_of(&all, "3"));
    let second = format!("timestamp={}", &*time_text(NOON_MS + 2000));
    let fifth = format!("msgid={}", id_of(&all, "5"));
    for (asked, said) in [
        ("LATEST #r * 2".to_owned(), "4 5"),
        ("LATEST #r * 0".to_owned(), "1 2 3 4 5"),
        (format!("LATEST #r {third} 50"), "4 5"),
        (format!("LATEST #r {second} 2"), "4 5"),
        (format!("BEFORE #r {third} 50"), "1 2"),
        (format!("before #R {third} 1"), "2"),
        (format!("BEFORE #r {second} 50"), "1"),
        (format!("AFTER #r {second} 2"), "3 4"),
        (format!("AFTER #r {third} 50"), "4 5"),
        (format!("AROUND #r {third} 3"), "2 3 4"),
        (format!("AROUND #r {second} 2"), "1 2"),
        (format!("BETWEEN #r {second} {fifth} 50"), "3 4"),
        (format!("BETWEEN #r {second} {fifth} 1"), "3"),
        (format!("BETWEEN #r {fifth} {second} 1"), "4"),
        ("BEFORE #r msgid=nobody-1 50".to_owned(), ""),
    ] {
        let heard = kept.asks("tom", &format!("CHATHISTORY {asked}"));
        assert_eq!(texts(&heard).join(" "), said, "{asked}");
    }
}

#[test]
fn what_is_asked_wrongly_is_answered_as_the_standard_says() {
    let mut kept = five();
    kept.scene.comes("jim", ALL);
    for (who, asked, answer) in [
        (
            "tom",
            "NEVER #r * 5",
            "INVALID_PARAMS NEVER :Unknown subcommand",
        ),
        (
            "tom",
            "LATEST #r *",
            "INVALID_PARAMS LATEST :Insufficient parameters",
        ),
        (
            "tom",
            "LATEST #r * x",
            "INVALID_PARAMS LATEST :The limit has to be a number",
        ),
        (
            "tom",
            "BEFORE #r noon 5",
            "INVALID_MSGREFTYPE BEFORE noon :Not a msgid or a timestamp",
        ),
        (
            "jim",
            "LATEST #r * 5",
            "INVALID_TARGET LATEST #r :Messages could not be retrieved",
        ),
        (
            "tom",
            "LATEST #s * 5",
            "INVALID_TARGET LATEST #s :Messages could not be retrieved",
        ),
        // Without an account he has no conversations.
        (
            "tom",
            "LATEST jim * 5",
            "INVALID_TARGET LATEST jim :Messages could not be retrieved",
        ),
        (
            "tom",
            "TARGETS msgid=1 msgid=2 5",
            "INVALID_PARAMS TARGETS :Targets are asked for between timestamps",
        ),
    ] {
        let heard = kept.asks(who, &format!("CHATHISTORY {asked}"));
        assert_eq!(heard, [format!(":sockeye.local FAIL CHATHISTORY {answer}")]);
    }
    let mut scene = Scene::new();
    scene.comes("tom", "");
    scene.says("tom", "CHATHISTORY LATEST #r * 5");
    scene.check(
        "tom",
        &[":sockeye.local 421 tom CHATHISTORY :Nothing is kept here"],
    );
}

#[test]
fn a_labelled_question_has_its_label_on_the_batch() {
    let mut kept = five();
    kept.scene.comes("jim", &format!("{ALL} labeled-response"));
    kept.says("jim", "JOIN #r");
    let heard = kept.asks("jim", "@label=x CHATHISTORY LATEST #r * 1");
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert!(
        heard[0].starts_with("@label=x :sockeye.local BATCH +h"),
        "{heard:?}"
    );
    assert!(heard[1].starts_with("@batch=h"), "{heard:?}");
}

#[test]
fn what_two_persons_said_is_read_by_both_and_by_nobody_else() {
    let mut kept = Kept::new();
    for who in ["tom", "jim", "eve"] {
        kept.scene.comes(who, ALL);
        kept.registers(who);
    }
    kept.says("tom", "PRIVMSG jim :to jim");
    kept.says("jim", "PRIVMSG tom :to tom");
    kept.says("eve", "PRIVMSG tom :from eve");
    let both = ["to jim", "to tom"];
    assert_eq!(texts(&kept.asks("tom", "CHATHISTORY LATEST jim * 9")), both);
    assert_eq!(texts(&kept.asks("jim", "CHATHISTORY LATEST TOM * 9")), both);
    assert!(texts(&kept.asks("eve", "CHATHISTORY LATEST jim * 9")).is_empty());
    // Under another nick he is still the same account.
    kept.says("jim", "NICK jimmy");
    assert_eq!(
        texts(&kept.asks("tom", "CHATHISTORY LATEST jimmy * 9")),
        both
    );
    // A stranger who takes the nick that is free now sees nothing of it.
    kept.scene.comes("ivy", ALL);
    assert!(texts(&kept.asks("ivy", "CHATHISTORY LATEST tom * 9")).is_empty());
    let targets = "CHATHISTORY TARGETS timestamp=2026-01-01T00:00:00.000Z \
                   timestamp=2027-01-01T00:00:00.000Z 9";
    let heard = kept.asks("tom", targets);
    assert!(
        heard[0].ends_with(" draft/chathistory-targets"),
        "{heard:?}"
    );
    let told: Vec<_> = heard[1..3]
        .iter()
        .map(|line| line.split(' ').nth(4).unwrap())
        .collect();
    assert_eq!(told, ["jim", "eve"], "{heard:?}");
    assert_eq!(kept.asks("ivy", targets).len(), 2);
}

#[test]
fn topics_are_told_to_those_who_want_events() {
    let mut kept = five();
    kept.says("tom", "TOPIC #r :new");
    assert_eq!(texts(&kept.asks("tom", "CHATHISTORY LATEST #r * 1")), ["5"]);
    kept.scene.says("tom", "CAP REQ draft/event-playback");
    let heard = kept.asks("tom", "CHATHISTORY LATEST #r * 2");
    assert_eq!(texts(&heard), ["5", "new"]);
    assert!(
        heard[2].ends_with(" :tom!tom@loopback TOPIC #R :new"),
        "{heard:?}"
    );
}

#[test]
fn who_comes_into_a_room_sees_what_was_said_there() {
    let mut kept = five();
    // With batches and times: in a batch, so that nothing of it is new.
    kept.scene.comes("jim", "batch server-time");
    let heard = kept.asks("jim", "JOIN #r");
    let batch: Vec<_> = heard
        .iter()
        .filter(|line| line.contains("batch=h"))
        .collect();
    assert_eq!(batch.len(), 5, "{heard:?}");
    assert!(
        heard.iter().any(|line| line.ends_with(" chathistory #R")),
        "{heard:?}"
    );
    // Without both: the time stands ahead of the text, and nothing else is new to him.
    kept.scene.comes("old", "");
    let heard = kept.asks("old", "JOIN #r");
    assert_eq!(
        heard.last().unwrap(),
        ":tom!tom@loopback PRIVMSG #R :[12:00] 5"
    );
    // Who asks himself is not told twice.
    kept.scene.comes("new", ALL);
    assert!(texts(&kept.asks("new", "JOIN #r")).is_empty());
    // What is said while the history answers is heard once.
    kept.scene.comes("ivy", "batch server-time");
    kept.scene.says("ivy", "JOIN #r");
    let Some(Then::Wait(Job::History(queries))) = kept.scene.then.take() else {
        panic!("the history is not asked");
    };
    kept.says("tom", "PRIVMSG #r :meanwhile");
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let answer = runtime.unwrap().block_on(kept.history.answer(queries));
    kept.scene.outcome("ivy", Outcome::Found(answer));
    let heard = kept.scene.hears("ivy");
    assert_eq!(texts(&heard), ["meanwhile", "1", "2", "3", "4", "5"]);
    // And it may be off.
    let mut kept = Kept::with(Settings {
        replay: 0,
        ..Settings::default()
    });
    kept.scene.comes("tom", "");
    kept.says("tom", "JOIN #r");
    kept.says("tom", "PRIVMSG #r 1");
    kept.scene.comes("jim", "");
    assert!(texts(&kept.asks("jim", "JOIN #r")).is_empty());
}

#[test]
fn a_line_with_its_time_is_still_a_line() {
    let mut kept = Kept::new();
    kept.scene.comes("tom", "");
    kept.says("tom", "JOIN #r");
    kept.says("tom", &format!("PRIVMSG #r :{}", "字".repeat(140)));
    kept.scene.comes("jim", "");
    let heard = kept.asks("jim", "JOIN #r");
    let line = heard.last().unwrap();
    assert!(line.contains(":[12:00] 字字"), "{line}");
    assert!(line.len() + 2 <= 512, "{}", line.len());
}

#[test]
fn a_search_finds_what_its_asker_may_read() {
    let mut kept = Kept::new();
    for who in ["tom", "jim", "eve"] {
        kept.scene.comes(who, &format!("{ALL} soju.im/search"));
    }
    kept.registers("tom");
    kept.registers("jim");
    kept.says("tom", "JOIN #r");
    kept.says("jim", "JOIN #r");
    kept.says("eve", "JOIN #secret");
    kept.says("tom", "PRIVMSG #r :Needle in #r");
    kept.says("jim", "PRIVMSG #r :needles too; 一棵树");
    kept.says("jim", "PRIVMSG tom :a needle for tom");
    kept.says("eve", "PRIVMSG #secret :needle of eve");
    for (who, asked, said) in [
        (
            "tom",
            "text=NEEDLE",
            "Needle in #r|needles too; 一棵树|a needle for tom",
        ),
        ("tom", "text=needle;limit=1", "a needle for tom"),
        ("tom", "text=needle;in=#r;from=JIM", "needles too; 一棵树"),
        ("tom", "text=needle;in=jim", "a needle for tom"),
        ("tom", "text=棵树", "needles too; 一棵树"),
        ("tom", "text=一棵树", "needles too; 一棵树"),
        ("tom", "text=too\\:\\s一", "needles too; 一棵树"),
        (
            "tom",
            "text=needle;before=2026-11-21T12:00:05.000Z",
            "Needle in #r",
        ),
        (
            "tom",
            "text=needle;after=2026-11-21T12:00:05.000Z",
            "a needle for tom",
        ),
        ("eve", "text=needle", "needle of eve"),
    ] {
        let heard = kept.asks(who, &format!("SEARCH {asked}"));
        assert!(heard[0].ends_with(" soju.im/search"), "{heard:?}");
        assert_eq!(texts(&heard).join("|"), said, "{asked}");
    }
    for (asked, answer) in [
        ("text=x;in=#secret", "in :Messages could not be searched"),
        ("text=x;limit=many", "limit :The limit has to be a number"),
        ("text=x;after=noon", "after :Not a timestamp"),
    ] {
        let heard = kept.asks("tom", &format!("SEARCH {asked}"));
        assert_eq!(
            heard,
            [format!(
                ":sockeye.local FAIL SEARCH INVALID_PARAMS {answer}"
            )]
        );
    }
}

#[test]
fn a_history_without_an_answer_is_told() {
    let mut kept = five();
    let slow = || Err(HistoryError::TooSlow { limit_ms: 2000 });
    kept.scene.forget();
    kept.says("tom", "CHATHISTORY LATEST #r * 5");
    kept.scene.outcome("tom", Outcome::Found(slow()));
    kept.scene.check(
        "tom",
        &[
            ":sockeye.local FAIL CHATHISTORY MESSAGE_ERROR LATEST #R :Messages could not be \
             retrieved: the history has no answer within 2000 ms",
        ],
    );
    kept.says("tom", "SEARCH text=x");
    kept.scene.outcome("tom", Outcome::Found(slow()));
    let heard = kept.scene.hears("tom");
    assert!(
        heard[0].contains(" FAIL SEARCH INTERNAL_ERROR :"),
        "{heard:?}"
    );
    kept.scene.connects("jim", Way::default());
}
