//! The history as its users see it: drafts in, entries out, over reopenings.

mod keeping;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rusqlite::Connection;

use super::*;
use crate::irc::Folded;
use crate::log::{Act, Draft, Entry, Follower, MsgId, Refusal, Source, Target, Verb};

/// How long a test waits for what has to come.
const DEADLINE: Duration = Duration::from_secs(20);

/// Tells a test what it hears.
#[derive(Debug)]
pub(super) struct Ear(Mutex<Sender<Heard>>);

#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    Committed(Vec<Entry>),
    Refused(Vec<MsgId>, Refusal),
}

impl Follower for Ear {
    fn committed(&self, entries: &[Entry]) {
        let _ = self
            .0
            .lock()
            .unwrap()
            .send(Heard::Committed(entries.to_vec()));
    }

    fn refused(&self, drafts: &[MsgId], why: &Refusal) {
        let heard = Heard::Refused(drafts.to_vec(), why.clone());
        let _ = self.0.lock().unwrap().send(heard);
    }

    fn reachable(&self, _lost: Option<&str>) {}
}

/// An open history with its log, and what it tells.
pub(super) struct Open {
    pub(super) history: Arc<History>,
    pub(super) log: Arc<dyn Log>,
    news: Receiver<Heard>,
    _ear: Arc<Ear>,
}

impl Open {
    pub(super) fn at(path: &Path, options: HistoryOptions) -> Self {
        let history = History::open(path, options).unwrap();
        let (send, news) = channel();
        let ear = Arc::new(Ear(Mutex::new(send)));
        let follower: Arc<dyn Follower> = ear.clone();
        let log = history.follow(Arc::downgrade(&follower)).unwrap();
        Self {
            history,
            log,
            news,
            _ear: ear,
        }
    }

    pub(super) fn hears(&self) -> Heard {
        self.news.recv_timeout(DEADLINE).expect("something is told")
    }

    /// Submits and waits until all is committed.
    pub(super) fn keeps(&self, drafts: Vec<Draft>) -> Vec<Entry> {
        let count = drafts.len();
        self.log.submit(drafts);
        let mut all = vec![];
        while all.len() < count {
            match self.hears() {
                Heard::Committed(entries) => all.extend(entries),
                refused @ Heard::Refused(..) => panic!("{refused:?}"),
            }
        }
        all
    }

    pub(super) fn finds(&self, query: Query) -> Found {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(self.history.find(query)).unwrap()
    }
}

pub(super) fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat/history.db");
    (folder, path)
}

pub(super) fn who(nick: &str, account: Option<&str>) -> Arc<Source> {
    Arc::new(Source {
        nick: nick.into(),
        user: nick.into(),
        host: "loopback".into(),
        account: account.map(str::to_owned),
    })
}

pub(super) fn said(id: u64, room: &str, text: &str) -> Draft {
    Draft {
        id: MsgId::new(7, id),
        from: who("tom", Some("Tom")),
        act: Act::Say {
            verb: Verb::Privmsg,
            to: Target::Room(room.into()),
            text: text.into(),
            tags: String::new(),
        },
    }
}

pub(super) fn room(name: &str) -> Vec<Conversation> {
    vec![Conversation::Room(Folded::new(name))]
}

pub(super) fn latest(conversations: Vec<Conversation>, limit: usize) -> Query {
    Query::Messages {
        conversations,
        range: Range::Latest(None),
        limit,
        with_topics: false,
        upto: None,
    }
}

/// The texts of entries.
pub(super) fn texts(entries: &[Entry]) -> Vec<&str> {
    entries
        .iter()
        .map(|entry| match &entry.draft.act {
            Act::Say { text, .. } | Act::Topic { text, .. } => text.as_str(),
            _ => "",
        })
        .collect()
}

#[test]
fn what_is_committed_is_there_after_reopening() {
    let (_folder, path) = place();
    let mut all = {
        let open = Open::at(&path, HistoryOptions::default());
        open.keeps(vec![said(1, "#R", "one"), said(2, "#r", "两个字")])
    };
    let open = Open::at(&path, HistoryOptions::default());
    all.extend(open.keeps(vec![said(3, "#r", "three")]));
    assert_eq!(open.history.last_seq(), 3);
    let found = open.finds(latest(room("#r"), 10)).entries;
    // The room is called as it was first written.
    assert_eq!(texts(&found), ["one", "两个字", "three"]);
    assert_eq!(
        found.iter().map(|e| (e.seq, e.time_ms)).collect::<Vec<_>>(),
        all.iter().map(|e| (e.seq, e.time_ms)).collect::<Vec<_>>(),
    );
    assert_eq!(found[0], all[0]);
    assert!(found.windows(2).all(|two| two[0].time_ms <= two[1].time_ms));
}

#[test]
fn a_store_is_private_and_has_one_server() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, path) = place();
    let open = Open::at(&path, HistoryOptions::default());
    open.keeps(vec![said(1, "#r", "one")]);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for file in path.parent().unwrap().read_dir().unwrap() {
        let file = file.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    let error = History::open(&path, HistoryOptions::default()).unwrap_err();
    let text = format!(
        "another server has {} open: one store, one server",
        path.display()
    );
    assert_eq!(error.to_string(), text);
    drop(open);
    History::open(&path, HistoryOptions::default()).unwrap();
}

#[test]
fn a_store_of_a_later_version_and_of_something_else_is_refused() {
    let (_folder, path) = place();
    drop(History::open(&path, HistoryOptions::default()).unwrap());
    let raw = Connection::open(&path).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    let error = History::open(&path, HistoryOptions::default()).unwrap_err();
    assert!(
        matches!(
            error,
            HistoryError::Newer {
                found: 99,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
    raw.pragma_update(None, "application_id", 5).unwrap();
    let error = History::open(&path, HistoryOptions::default()).unwrap_err();
    assert!(matches!(error, HistoryError::Foreign { .. }), "{error}");
    drop(raw);
    std::fs::write(&path, "Dear diary, this is no database.\n".repeat(40)).unwrap();
    let error = History::open(&path, HistoryOptions::default()).unwrap_err();
    assert!(
        chain(&error).contains("not a database"),
        "{}",
        chain(&error)
    );
}

#[test]
fn the_same_name_twice_is_one_message() {
    let (_folder, path) = place();
    let open = Open::at(&path, HistoryOptions::default());
    open.keeps(vec![said(1, "#r", "one")]);
    open.log
        .submit(vec![said(1, "#r", "one"), said(2, "#r", "two")]);
    let Heard::Committed(entries) = open.hears() else {
        panic!("refused");
    };
    assert_eq!(texts(&entries), ["two"]);
    let found = open.finds(latest(room("#r"), 10));
    assert_eq!(texts(&found.entries), ["one", "two"]);
}

#[test]
fn what_is_only_heard_has_its_place_and_is_not_kept() {
    let (_folder, path) = place();
    let open = Open::at(&path, HistoryOptions::default());
    let mut typing = said(2, "#r", "");
    typing.act = Act::Say {
        verb: Verb::Tagmsg,
        to: Target::Room("#r".into()),
        text: String::new(),
        tags: "+typing=active".into(),
    };
    let drafts = vec![said(1, "#r", "one"), typing, said(3, "#r", "two")];
    let entries = open.keeps(drafts);
    assert_eq!(entries.iter().map(|e| e.seq).collect::<Vec<_>>(), [1, 2, 3]);
    let found = open.finds(latest(room("#r"), 10));
    assert_eq!(texts(&found.entries), ["one", "two"]);
}

#[test]
fn rooms_and_accounts_stand_as_they_were_left() {
    use crate::log::{KeptAccount, KeptBan, KeptRoom, KeptTopic, ModeChange};
    let (_folder, path) = place();
    let open = Open::at(&path, HistoryOptions::default());
    let act = |id, act| Draft {
        act,
        ..said(id, "#r", "")
    };
    let mode = |set, mode, param: Option<&str>| ModeChange {
        set,
        mode,
        param: param.map(str::to_owned),
    };
    let entries = open.keeps(vec![
        act(1, Act::Founded { room: "#R".into() }),
        act(
            2,
            Act::Topic {
                room: "#r".into(),
                text: "old".into(),
            },
        ),
        act(
            3,
            Act::Topic {
                room: "#r".into(),
                text: "新".into(),
            },
        ),
        act(
            4,
            Act::Modes {
                room: "#r".into(),
                changes: vec![
                    mode(true, 'b', Some("bad!*@*")),
                    mode(true, 'b', Some("worse!*@*")),
                    mode(true, 'k', Some("secret")),
                    mode(false, 'n', None),
                ],
            },
        ),
        act(
            5,
            Act::Modes {
                room: "#r".into(),
                changes: vec![mode(false, 'b', Some("BAD!*@*")), mode(false, 'k', None)],
            },
        ),
        act(
            6,
            Act::Account {
                name: "Tom".into(),
                password: "$argon2id$1".into(),
            },
        ),
        act(
            7,
            Act::Account {
                name: "tom".into(),
                password: "$argon2id$2".into(),
            },
        ),
    ]);
    let times: Vec<_> = entries.iter().map(|entry| entry.time_ms).collect();
    drop(open);
    let kept = History::open(&path, HistoryOptions::default())
        .unwrap()
        .kept()
        .unwrap();
    let by = "tom!tom@loopback".to_owned();
    let room = KeptRoom {
        name: "#R".into(),
        since_ms: times[0],
        founder: Some("Tom".into()),
        topic: Some(KeptTopic {
            text: "新".into(),
            by: by.clone(),
            set_ms: times[2],
        }),
        modes: vec![mode(false, 'n', None), mode(false, 'k', None)],
        bans: vec![KeptBan {
            mask: "worse!*@*".into(),
            by,
            set_ms: times[3],
        }],
    };
    let account = KeptAccount {
        name: "Tom".into(),
        password: "$argon2id$2".into(),
        since_ms: times[5],
    };
    assert_eq!((kept.rooms, kept.accounts), (vec![room], vec![account]));
}

#[test]
fn what_does_not_fit_into_the_queue_is_refused_and_the_rest_goes_on() {
    let (_folder, path) = place();
    let options = HistoryOptions {
        queue_bytes: 2_000,
        ..HistoryOptions::default()
    };
    let open = Open::at(&path, options);
    // While the store is held, nothing leaves the queue.
    let held = open.history.core.store();
    open.log.submit(vec![said(1, "#r", &"x".repeat(1_500))]);
    open.log
        .submit(vec![said(2, "#r", &"y".repeat(1_500)), said(3, "#r", "z")]);
    let names = vec![MsgId::new(7, 2), MsgId::new(7, 3)];
    assert_eq!(open.hears(), Heard::Refused(names, Refusal::Busy));
    drop(held);
    assert!(matches!(open.hears(), Heard::Committed(entries) if entries.len() == 1));
    open.keeps(vec![said(4, "#r", "later")]);
}

#[test]
fn what_another_log_ordered_is_cached_once() {
    let (_folder, path) = place();
    let open = Open::at(&path, HistoryOptions::default());
    let entry = |seq, text: &str| Entry {
        seq,
        time_ms: 1_000 + seq,
        draft: said(seq, "#r", text),
    };
    let first = [entry(5, "a"), entry(9, "b")];
    open.history.cache(&first).unwrap();
    open.history
        .cache(&[entry(9, "b"), entry(12, "c")])
        .unwrap();
    open.history.cache(&first).unwrap();
    assert_eq!(open.history.last_seq(), 12);
    let found = open.finds(latest(room("#r"), 10));
    assert_eq!(texts(&found.entries), ["a", "b", "c"]);
    assert_eq!(found.entries[1].seq, 9);
}

#[test]
fn sqlites_own_tool_opens_it() {
    let Some(sqlite) = sockeye_testkit::tool("sqlite3") else {
        return;
    };
    let (_folder, path) = place();
    let open = Open::at(&path, HistoryOptions::default());
    open.keeps(
        (1..200)
            .map(|id| said(id, "#r", "一棵树 and more"))
            .collect(),
    );
    wait_until_indexed(&open.history);
    let ask = |sql: &str| {
        let output = std::process::Command::new(&sqlite)
            .arg(&path)
            .arg(sql)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(ask("PRAGMA integrity_check"), "ok");
    assert_eq!(
        ask("SELECT count(*) FROM message WHERE text LIKE '%一棵树%'"),
        "199"
    );
}

pub(super) fn wait_until_indexed(history: &History) {
    let deadline = Instant::now() + DEADLINE;
    let lags = |store: &Store| store.indexed < store.last_seq;
    while lags(&history.core.store()) {
        assert!(Instant::now() < deadline, "the index does not catch up");
        std::thread::yield_now();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is submitted, and however often the store is opened again: every committed message
    /// is there exactly once, in the order in which it was told.
    #[test]
    fn committed_once_and_in_order(runs in prop::collection::vec(
        prop::collection::vec(prop::collection::vec(0u64..40, 1..6), 0..6), 1..5,
    )) {
        let (_folder, path) = place();
        let mut told: Vec<Entry> = vec![];
        for batches in runs {
            let open = Open::at(&path, HistoryOptions::default());
            for batch in batches {
                let drafts = batch.iter().map(|id| said(*id, "#r", &format!("text {id}")));
                open.log.submit(drafts.collect());
            }
            let Open { history, log, news, _ear } = open;
            drop((history, log));
            for heard in news.try_iter() {
                let Heard::Committed(entries) = heard else {
                    panic!("{heard:?}");
                };
                told.extend(entries);
            }
        }
        let open = Open::at(&path, HistoryOptions::default());
        let found = open.finds(latest(room("#r"), 1_000)).entries;
        prop_assert!(told.windows(2).all(|two| two[0].seq < two[1].seq));
        prop_assert!(told.windows(2).all(|two| two[0].time_ms <= two[1].time_ms));
        prop_assert_eq!(found, told);
    }
}
