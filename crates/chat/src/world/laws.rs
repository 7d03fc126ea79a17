//! What is true of a world whatever its members say: for tests and fuzzing.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use super::{Arrival, Job, MemberId, Outcome, Settings, Then, Way, World};
use crate::irc::{Folded, LINE_BYTES, Message, SERVER_TAGS_BYTES};
use crate::outbox::{Outbox, SENDQ_BYTES, Wire};

/// Members who speak.
const MEMBERS: usize = 3;

/// Lines of an input that are said: what goes on for longer says nothing new.
const LINES: usize = 256;

/// The time in this world: 2026-11-21T12:00:00Z. It stands still.
const NOON_MS: u64 = 1_795_262_400_000;

/// What a member hears.
#[derive(Clone, Debug, Default)]
struct Ear(Arc<Mutex<Vec<u8>>>);

impl Wire for Ear {
    fn poll_write(&mut self, _: &mut Context<'_>, lines: &[u8]) -> Poll<io::Result<usize>> {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.extend_from_slice(lines);
        Poll::Ready(Ok(lines.len()))
    }

    fn is_direct(&self) -> bool {
        true
    }
}

/// A member, as long as his connection stays.
struct Speaker {
    id: MemberId,
    ear: Ear,
}

/// Lets three members say lines of `input`, in a world where nothing is kept, and checks every line
/// that anybody hears. The first byte of a line chooses who says it; members come again when they
/// have gone.
///
/// # Panics
/// When a law is broken.
pub fn check_lines(input: &[u8]) {
    let settings = Settings {
        motd: "welcome\nall".into(),
        desk: Some("#desk".into()),
        ..Settings::default()
    };
    let mut world = World::new(settings, None, 1, NOON_MS);
    let mut speakers: Vec<_> = (0..MEMBERS).map(|at| come(&mut world, at)).collect();
    for line in input.split(|byte| *byte == b'\n').take(LINES) {
        let Some((first, line)) = line.split_first() else {
            continue;
        };
        let line = &line[..line.len().min(SERVER_TAGS_BYTES + LINE_BYTES)];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let at = usize::from(*first) % MEMBERS;
        if !say(&mut world, speakers[at].id, line) {
            world.begin_turn(NOON_MS);
            world.leave(speakers[at].id, "gone");
            world.end_turn();
            check_heard(&speakers[at].ear);
            speakers[at] = come(&mut world, at);
        }
    }
    check_places(&world);
    for speaker in &speakers {
        check_heard(&speaker.ear);
        world.begin_turn(NOON_MS);
        world.leave(speaker.id, "gone");
        world.end_turn();
    }
    check_nobody(&world);
}

/// Names, seats and watches are the same from both sides.
fn check_places(world: &World) {
    for (nick, id) in &world.nicks {
        let member = &world.members[id];
        assert_eq!(&Folded::new(member.nick()), nick, "{member:?}");
    }
    for (id, member) in &world.members {
        let is_called = world.nicks.get(&Folded::new(member.nick())) == Some(id);
        assert_eq!(is_called, member.is_in(), "{member:?}");
        for room in &member.rooms {
            assert!(world.rooms[room].seats.contains_key(id), "{member:?}");
        }
        for name in member.local().into_iter().flat_map(|local| &local.watched) {
            assert!(world.watchers[name].contains(id), "{member:?}");
        }
    }
    for (name, room) in &world.rooms {
        for id in room.seats.keys() {
            assert!(world.members[id].rooms.contains(name), "{room:?}");
        }
    }
}

/// When all have gone, nothing of them stays but what is kept.
fn check_nobody(world: &World) {
    assert!(world.members.is_empty(), "{:?}", world.members);
    assert!(world.nicks.is_empty(), "{:?}", world.nicks);
    assert!(world.watchers.is_empty(), "{:?}", world.watchers);
    assert!(world.pending.is_empty(), "{:?}", world.pending);
    assert!(world.answers.is_empty(), "{:?}", world.answers);
    assert!(world.rooms.values().all(|room| room.seats.is_empty()));
}

/// Somebody comes and is let in; the third of them may rule, the second is not private.
fn come(world: &mut World, at: usize) -> Speaker {
    let ear = Ear::default();
    let outbox = Outbox::new(Box::new(ear.clone()), SENDQ_BYTES);
    let way = Way {
        address: format!("127.0.0.1:{at}"),
        host: "loopback".into(),
        is_private: at != 1,
        key_name: (at == 2).then(|| "boss".into()),
        key_rules: at == 2,
    };
    let id = world.arrive(Arrival { outbox, way });
    for line in [
        format!("NICK m{at}"),
        format!("USER m{at} 0 * :Member {at}"),
    ] {
        say(world, id, line.as_bytes());
    }
    Speaker { id, ear }
}

/// Says a line in a turn of its own, and again if it has to wait. False: the connection ends.
fn say(world: &mut World, by: MemberId, line: &[u8]) -> bool {
    let mut turn = |act: &mut dyn FnMut(&mut World) -> Then| {
        world.begin_turn(NOON_MS);
        let then = act(world);
        world.end_turn();
        then
    };
    let mut then = turn(&mut |world| world.on_line(by, line));
    // Without a log all is settled at the end of a turn, and no answer asks for a third one.
    for _ in 0..MEMBERS {
        then = match then {
            Then::Go => return true,
            Then::Close => return false,
            Then::Settle => turn(&mut |world| world.on_line(by, line)),
            Then::Wait(job) => match outcome(job) {
                Some(outcome) => {
                    let mut outcome = Some(outcome);
                    turn(&mut |world| match outcome.take() {
                        Some(outcome) => world.on_outcome(by, outcome),
                        None => Then::Go,
                    })
                }
                // What nothing here can do: he waits for ever, and somebody else comes.
                None => return false,
            },
        };
    }
    panic!("the line {} is never done", line.escape_ascii());
}

fn outcome(job: Job) -> Option<Outcome> {
    match job {
        Job::Hash { .. } => Some(Outcome::Hashed(Ok("hash".into()))),
        Job::Verify { password, .. } => {
            let is_right = !format!("{password:?}").is_empty();
            Some(Outcome::Verified(Ok(is_right)))
        }
        #[allow(unreachable_patterns, reason = "jobs that are done elsewhere")]
        _ => None,
    }
}

/// Whole lines, each a message, none longer than a client expects.
fn check_heard(ear: &Ear) {
    let heard = ear.0.lock().unwrap_or_else(PoisonError::into_inner);
    for line in heard.split_inclusive(|byte| *byte == b'\n') {
        let shown = line.escape_ascii();
        let Some(body) = line.strip_suffix(b"\r\n") else {
            panic!("no line ends with CR LF: {shown}");
        };
        if let Err(error) = Message::parse(body) {
            panic!("no message, {error}: {shown}");
        }
        let tags = match body.first() {
            Some(b'@') => body.iter().position(|byte| *byte == b' ').unwrap_or(0) + 1,
            _ => 0,
        };
        assert!(tags <= SERVER_TAGS_BYTES, "tags of {tags} bytes: {shown}");
        let rest = line.len() - tags;
        assert!(rest <= LINE_BYTES, "a line of {rest} bytes: {shown}");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// What fuzzing starts from is what has to hold at any time.
    #[test]
    fn hostile_lines_of_the_corpus_do_no_harm() {
        for target in ["chat_lines", "irc"] {
            let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
            let mut count = 0;
            for file in std::fs::read_dir(corpus.join(target)).unwrap() {
                let bytes = std::fs::read(file.unwrap().path()).unwrap();
                check_lines(&bytes);
                crate::irc::laws::check_line(&bytes);
                for line in bytes.split(|byte| *byte == b'\n') {
                    crate::irc::laws::check_line(line);
                }
                count += 1;
            }
            assert!(count > 5, "{count} files of {target}");
        }
    }

    /// Words that mean something to a world behind a command, and some that do not.
    const WORDS: &[&str] = &[
        "LS",
        "REQ",
        "END",
        "302",
        "SUBCOMMAND",
        "PLAIN",
        "LATEST",
        "BEFORE",
        "BETWEEN",
        "TARGETS",
        "timestamp=2026-11-21T12:00:00.000Z",
        "m0",
        "m1",
        "m2",
        "#a",
        "#树",
        "#desk",
        "#a,#树",
        "+o",
        "-o",
        "+b",
        "+k",
        "+l",
        "+i",
        "+m",
        "+v",
        "+ovbkl",
        "-b",
        "*",
        "5",
        "*!*@*",
        "+",
        "-",
        "S",
        "L",
        "m0,m1",
        "0",
        ":text to say",
        ":",
        "x:y",
        ":message-tags labeled-response batch echo-message server-time",
        ":multi-prefix extended-join userhost-in-names standard-replies setname away-notify",
        "boss",
        "guest-1",
        "text=x",
    ];

    /// Mostly such words, some of which are long, and now and then anything.
    fn word() -> impl Strategy<Value = String> {
        prop_oneof![
            12 => proptest::sample::select(WORDS).prop_map(str::to_owned),
            1 => Just("x".repeat(300)),
            1 => Just(format!(":{}", "树".repeat(120))),
            1 => Just(format!("#{}", "r".repeat(63))),
            1 => Just("n".repeat(30)),
            2 => "[^\n]{0,12}",
        ]
    }

    fn tags() -> impl Strategy<Value = &'static str> {
        proptest::sample::select(&["", "", "", "@label=1 ", "@+t=1;label=2 ", "@label "][..])
    }

    fn command() -> impl Strategy<Value = &'static str> {
        let names: Vec<_> = crate::world::command::names().collect();
        proptest::sample::select(names)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_members_say_is_answered_in_lines(
            lines in vec((0u8..3, tags(), command(), vec(word(), 0..6)), 0..24),
        ) {
            let said = lines.iter().map(|(who, tags, command, words)| {
                format!("{who}{tags}{command} {}\n", words.join(" "))
            });
            // Most of what can be said needs a room, and somebody in it.
            let begin = "0JOIN #a\n1JOIN #a\n".to_owned();
            check_lines((begin + &said.collect::<String>()).as_bytes());
        }
    }
}
