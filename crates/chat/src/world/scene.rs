//! A world for tests: members who say lines and hear lines, and a clock that stands still.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use super::{Arrival, MemberId, Outcome, Settings, Then, Way, World};
use crate::log::{Draft, Entry, Log};
use crate::outbox::{Outbox, SENDQ_BYTES, Wire};

/// The time in every scene: 2026-11-21T12:00:00Z.
pub(crate) const NOON_MS: u64 = 1_795_262_400_000;

/// Members on a stage.
pub(crate) struct Scene {
    pub(crate) world: World,
    people: HashMap<String, (MemberId, Heard)>,
    /// What came of the last line.
    pub(crate) then: Option<Then>,
    /// The last place that was given.
    seq: u64,
}

/// What somebody has heard and not yet told.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Wire for Heard {
    fn poll_write(&mut self, _cx: &mut Context<'_>, lines: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().unwrap().extend_from_slice(lines);
        Poll::Ready(Ok(lines.len()))
    }

    fn is_direct(&self) -> bool {
        true
    }
}

impl Scene {
    /// A world where nothing is kept.
    pub(crate) fn new() -> Self {
        Self::with(Settings::default(), None)
    }

    /// A world with these settings and this log.
    pub(crate) fn with(settings: Settings, log: Option<Arc<dyn Log>>) -> Self {
        Self {
            world: World::new(settings, log, 1, NOON_MS),
            people: HashMap::new(),
            then: None,
            seq: 0,
        }
    }

    /// Somebody connects and says nothing yet.
    pub(crate) fn connects(&mut self, who: &str, way: Way) -> MemberId {
        let heard = Heard::default();
        let outbox = Outbox::new(Box::new(heard.clone()), SENDQ_BYTES);
        let id = self.world.arrive(Arrival { outbox, way });
        self.people.insert(who.into(), (id, heard));
        id
    }

    /// Somebody comes in plain text, and is called so.
    pub(crate) fn guest_comes(&mut self, nick: &str) -> MemberId {
        let heard = Heard::default();
        let outbox = Outbox::new(Box::new(heard.clone()), SENDQ_BYTES);
        let arrival = Arrival {
            outbox,
            way: here(),
        };
        self.world.begin_turn(NOON_MS);
        let id = self
            .world
            .guest_comes(arrival, nick)
            .expect("there is room");
        self.world.end_turn();
        self.people.insert(nick.into(), (id, heard));
        id
    }

    /// Somebody of this machine connects and says nothing yet.
    pub(crate) fn connects_here(&mut self, who: &str) -> MemberId {
        self.connects(who, here())
    }

    /// Somebody comes from this machine and is let in with these capabilities; what he hears of that
    /// is forgotten.
    pub(crate) fn comes(&mut self, who: &str, caps: &str) -> MemberId {
        self.comes_by(who, here(), caps)
    }

    /// The same, from elsewhere or with a key.
    pub(crate) fn comes_by(&mut self, who: &str, way: Way, caps: &str) -> MemberId {
        let id = self.connects(who, way);
        if !caps.is_empty() {
            self.says(who, &format!("CAP REQ :{caps}"));
            self.says(who, "CAP END");
        }
        self.says(who, &format!("NICK {who}"));
        self.says(who, &format!("USER {who} 0 * :{who} himself"));
        let heard = self.hears(who);
        assert!(heard.iter().any(|line| line.contains(" 001 ")), "{heard:?}");
        id
    }

    /// Somebody says a line, in a turn of its own.
    pub(crate) fn says(&mut self, who: &str, line: &str) {
        let id = self.id(who);
        self.world.begin_turn(NOON_MS);
        self.then = Some(self.world.on_line(id, line.as_bytes()));
        self.world.end_turn();
    }

    /// The job that somebody waits for is done.
    pub(crate) fn outcome(&mut self, who: &str, outcome: Outcome) {
        let id = self.id(who);
        self.world.begin_turn(NOON_MS);
        self.then = Some(self.world.on_outcome(id, outcome));
        self.world.end_turn();
    }

    /// Somebody makes an account; what he hears of that is forgotten.
    pub(crate) fn registers(&mut self, who: &str) {
        self.says(who, "REGISTER * * long-enough");
        self.outcome(who, Outcome::Hashed(Ok(format!("hash of {who}"))));
        let heard = self.hears(who);
        assert!(heard[0].contains("REGISTER SUCCESS"), "{heard:?}");
    }

    /// Somebody is away.
    pub(crate) fn goes_away(&mut self, who: &str, why: &str) {
        let id = self.id(who);
        self.world.members.get_mut(&id).unwrap().away = Some(why.into());
    }

    /// What was drafted is kept.
    pub(crate) fn commits(&mut self, draft: &Draft) {
        self.seq += 1;
        let entry = Entry {
            seq: self.seq,
            time_ms: NOON_MS,
            draft: draft.clone(),
        };
        self.world.apply(&[entry]);
    }

    /// The lines that somebody has heard since he was last asked, without CR LF.
    pub(crate) fn hears(&self, who: &str) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.people[who].1.0.lock().unwrap());
        let text = String::from_utf8(bytes).expect("lines are UTF-8");
        assert!(text.is_empty() || text.ends_with("\r\n"), "{text:?}");
        text.split_terminator("\r\n").map(str::to_owned).collect()
    }

    /// Forgets what everybody has heard.
    pub(crate) fn forget(&self) {
        for (_, heard) in self.people.values() {
            heard.0.lock().unwrap().clear();
        }
    }

    /// Checks what somebody has heard since he was last asked.
    pub(crate) fn check(&self, who: &str, lines: &[&str]) {
        assert_eq!(self.hears(who), lines, "what {who} hears");
    }

    /// Plays what is written: `tom > LINE` is said, and `bob < LINE` is what he hears of it. After
    /// each line that is said, nobody hears anything but what stands there. A source is written by
    /// its nick alone, a numeric without the server.
    pub(crate) fn plays(&mut self, script: &str) {
        let mut lines = script.lines().map(str::trim).peekable();
        while let Some(line) = lines.next() {
            if line.is_empty() {
                continue;
            }
            let (who, said) = line.split_once(" > ").expect("somebody says something");
            self.says(who, said);
            let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
            while let Some((who, heard)) = lines.peek().and_then(|line| line.split_once(" < ")) {
                expected.entry(who.into()).or_default().push(whole(heard));
                lines.next();
            }
            let mut heard = BTreeMap::new();
            for who in self.people.keys() {
                heard.insert(who.clone(), self.hears(who));
            }
            heard.retain(|_, lines| !lines.is_empty());
            assert_eq!(heard, expected, "what comes of {line:?}");
        }
    }

    pub(crate) fn id(&self, who: &str) -> MemberId {
        self.people[who].0
    }
}

/// A line as it is heard: `:tom JOIN #r` comes from `tom!tom@loopback`, `366 …` from the server.
fn whole(line: &str) -> String {
    match line.strip_prefix(':') {
        Some(rest) => {
            let (source, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            if source.contains(['!', '.']) {
                line.to_owned()
            } else {
                format!(":{source}!{source}@loopback {rest}")
            }
        }
        None if line.starts_with(|c: char| c.is_ascii_digit()) => format!(":sockeye.local {line}"),
        None => line.to_owned(),
    }
}

/// From this machine.
pub(crate) fn here() -> Way {
    Way {
        address: "127.0.0.1:5".into(),
        host: "loopback".into(),
        is_private: true,
        ..Way::default()
    }
}

#[test]
fn two_meet_in_a_room() {
    let mut scene = Scene::new();
    scene.comes("tom", "");
    scene.comes("一棵树", "echo-message labeled-response batch message-tags");
    scene.says("tom", "JOIN #r");
    scene.check(
        "tom",
        &[
            ":tom!tom@loopback JOIN #r",
            ":sockeye.local 353 tom = #r :@tom",
            ":sockeye.local 366 tom #r :End of /NAMES list",
        ],
    );
    scene.says("一棵树", "@label=a JOIN #R");
    let heard = scene.hears("一棵树");
    assert_eq!(heard.len(), 5, "{heard:?}");
    assert!(
        heard[0].starts_with("@label=a :sockeye.local BATCH +"),
        "{heard:?}"
    );
    assert!(
        heard[1].ends_with(":一棵树!一棵树@loopback JOIN #r"),
        "{heard:?}"
    );
    scene.check("tom", &[":一棵树!一棵树@loopback JOIN #r"]);
    scene.says("一棵树", "@label=b PRIVMSG #r :你好");
    scene.check("tom", &[":一棵树!一棵树@loopback PRIVMSG #r :你好"]);
    scene.check(
        "一棵树",
        &["@label=b;msgid=0000000000001-3 :一棵树!一棵树@loopback PRIVMSG #r :你好"],
    );
    scene.says("tom", "PRIVMSG 一棵树 hi");
    let heard = scene.hears("一棵树");
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(
        heard[0].ends_with(":tom!tom@loopback PRIVMSG 一棵树 :hi"),
        "{heard:?}"
    );
    scene.says("tom", "QUIT :bye");
    assert!(matches!(scene.then, Some(Then::Close)));
    scene.check("一棵树", &[":tom!tom@loopback QUIT :Quit: bye"]);
}
