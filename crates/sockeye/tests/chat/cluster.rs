//! `serve chat --cluster`: two servers and a NATS, stopped and killed.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use sockeye_testkit::{DEADLINE, Nats, Process, Signal};
use tempfile::TempDir;

use crate::irc::Irc;
use crate::kills::{campaign, draw};
use crate::server::sockeye;

const CAPS: &str = "message-tags server-time echo-message batch labeled-response draft/chathistory";

/// A server of a cluster, in a home that survives it.
struct Server {
    process: Process,
}

impl Server {
    fn start(home: &Path, nats: &Nats, name: &str, args: &[&str]) -> Self {
        std::fs::create_dir_all(home.join("run")).unwrap();
        let place = nats.place();
        let mut command = sockeye(home, &["serve", "chat", "127.0.0.1:0", "--json"]);
        command
            .args([
                "--server-name",
                name,
                "--cluster",
                &place,
                "--cluster-lease",
                "2s",
            ])
            .args(["--flood", "off", "--replay", "0"])
            .args(args);
        let process = Process::start(&mut command);
        process.event("ready");
        Self { process }
    }

    fn address(&self) -> String {
        let event = self.process.event("listening");
        let endpoint = event["endpoint"].as_str().unwrap();
        endpoint.strip_prefix("tcp://").unwrap().to_owned()
    }

    fn member(&self, nick: &str) -> Irc {
        Irc::join_in(&self.address(), nick, CAPS)
    }

    fn kill(mut self) {
        self.process.signal(Signal::KILL);
        self.process.exit();
    }
}

fn nats() -> Option<(TempDir, Nats)> {
    let folder = tempfile::tempdir().unwrap();
    let nats = Nats::start(folder.path().join("nats"))?;
    Some((folder, nats))
}

/// What a room's history holds, oldest first: the messages' names and texts.
fn history(member: &mut Irc) -> Vec<(String, String)> {
    let mut all = vec![];
    let mut from = "*".to_owned();
    loop {
        member.says(
            &format!("CHATHISTORY BEFORE #r {from} 100").replace("BEFORE #r *", "LATEST #r *"),
        );
        member.hears("BATCH +");
        let mut page = vec![];
        loop {
            let line = member.hears("");
            if line.contains(" BATCH -") {
                break;
            }
            if let Some(said) = said(&line) {
                page.push(said);
            }
        }
        let Some((oldest, _)) = page.first() else {
            return all;
        };
        from = format!("msgid={oldest}");
        page.append(&mut all);
        all = page;
    }
}

/// The name and the text of a message.
fn said(line: &str) -> Option<(String, String)> {
    let (_, text) = line.split_once(" PRIVMSG #r :")?;
    let tags = line.strip_prefix('@')?.split(' ').next()?;
    let id = tags.split(';').find_map(|tag| tag.strip_prefix("msgid="))?;
    Some((id.to_owned(), text.to_owned()))
}

#[test]
fn two_servers_share_rooms_topics_history_and_who_is_there() {
    let Some((folder, nats)) = nats() else {
        return;
    };
    let one = Server::start(&folder.path().join("one"), &nats, "one.example", &[]);
    let two = Server::start(&folder.path().join("two"), &nats, "two.example", &[]);
    let mut tom = one.member("tom");
    tom.says("JOIN #r");
    tom.hears(" 366 ");
    tom.says("TOPIC #r :trees");
    tom.hears("TOPIC #r :trees");
    tom.says("PRIVMSG #r :你好");
    tom.hears("PRIVMSG #r :你好");
    let mut ann = two.member("ann");
    ann.says("JOIN #r");
    ann.hears(" 332 ann #r :trees");
    ann.hears(" 366 ");
    tom.hears("ann!");
    ann.says("WHOIS tom");
    ann.hears(" 318 ");
    ann.says("PRIVMSG tom :are you there?");
    tom.hears("PRIVMSG tom :are you there?");
    assert_eq!(history(&mut ann), history(&mut tom));
    // A nick is taken on both.
    let mut other = two.member("other");
    other.says("NICK tom");
    other.hears(" 433 other tom ");
    // A server that dies takes its own people with it; they come back elsewhere and miss nothing.
    one.kill();
    ann.hears("QUIT :server one.example is gone");
    ann.says("PRIVMSG #r :where is tom?");
    ann.hears("PRIVMSG #r :where is tom?");
    let mut tom = two.member("tom");
    tom.says("JOIN #r");
    tom.hears(" 366 ");
    let texts: Vec<_> = history(&mut tom)
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert_eq!(texts, ["你好", "where is tom?"]);
    // The other comes back and knows what it has missed.
    let one = Server::start(&folder.path().join("one"), &nats, "one.example", &[]);
    let mut late = one.member("late");
    late.says("JOIN #r");
    late.hears(" 332 late #r :trees");
    late.hears(" 366 ");
    assert_eq!(history(&mut late), history(&mut tom));
}

/// The owner of an account gets its name at once, whichever server it is used on; an account that was
/// made on one server is one on both.
#[test]
fn the_owner_of_an_account_gets_its_name_on_whichever_server() {
    let Some((folder, nats)) = nats() else {
        return;
    };
    let one = Server::start(&folder.path().join("one"), &nats, "one.example", &[]);
    let two = Server::start(&folder.path().join("two"), &nats, "two.example", &[]);
    let mut tom = one.member("tom");
    tom.says("REGISTER * * wood-and-water");
    tom.hears("REGISTER SUCCESS tom ");
    let mut ann = two.member("ann");
    ann.says("PRIVMSG tom :is your account known here?");
    tom.hears("is your account known here?");
    ann.says("REGISTER tom * another-secret");
    ann.hears("FAIL REGISTER ");
    let mut again = Irc::connect(&two.address());
    again.says("PASS tom:wood-and-water");
    again.says("NICK tom");
    again.says("USER tom 0 * :tom");
    again.hears(" 001 tom ");
    assert!(tom.hears("NICK :tom_").contains(":tom!"));
    again.says("PRIVMSG ann :it is me");
    assert!(ann.hears("it is me").contains(":tom!"));
}

/// NATS stopped in the middle: people are told, what they say is refused, and then all goes on.
#[test]
fn while_nats_is_away_people_are_told_and_nothing_is_lost_or_doubled() {
    let Some((folder, mut nats)) = nats() else {
        return;
    };
    let one = Server::start(&folder.path().join("one"), &nats, "one.example", &[]);
    let two = Server::start(&folder.path().join("two"), &nats, "two.example", &[]);
    let (mut tom, mut ann) = (one.member("tom"), two.member("ann"));
    for member in [&mut tom, &mut ann] {
        member.says("JOIN #r");
        member.hears(" 366 ");
    }
    tom.says("PRIVMSG #r :before");
    ann.hears("PRIVMSG #r :before");
    nats.stop();
    tom.hears("The other servers cannot be reached");
    ann.hears("The other servers cannot be reached");
    tom.says("@label=x PRIVMSG #r :meanwhile");
    assert!(tom.hears("FAIL ").contains("label=x"));
    // What was said before can be read.
    let before: Vec<_> = history(&mut ann)
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert_eq!(before, ["before"]);
    nats.restart();
    tom.hears("The other servers can be reached again");
    ann.hears("The other servers can be reached again");
    ann.says("PRIVMSG #r :after");
    tom.hears("PRIVMSG #r :after");
    let texts: Vec<_> = history(&mut tom)
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert_eq!(texts, ["before", "after"]);
    assert_eq!(history(&mut ann), history(&mut tom));
}

/// A server, NATS, and both, killed under load: whatever was acknowledged is there once, and in one
/// order for everyone.
#[test]
fn what_was_acknowledged_survives_kills_once_and_in_one_order() {
    let Some((folder, mut nats)) = nats() else {
        return;
    };
    let two = Server::start(&folder.path().join("two"), &nats, "two.example", &[]);
    let (points, mut seed) = campaign();
    let mut acknowledged: Vec<String> = vec![];
    for point in 0..points {
        let one = Server::start(&folder.path().join("one"), &nats, "one.example", &[]);
        let mut tom = one.member(&format!("tom{point}"));
        tom.says("JOIN #r");
        tom.hears(" 366 ");
        for number in 0..200 {
            tom.says(&format!("PRIVMSG #r :{point}-{number}"));
        }
        // As many as are acknowledged before the end comes.
        for _ in 0..=draw(&mut seed, 199) {
            acknowledged.push(said(&tom.hears(" PRIVMSG #r :")).unwrap().1);
        }
        match point % 3 {
            0 => one.kill(),
            1 => {
                nats.kill();
                nats.restart();
                one.kill();
            }
            _ => {
                one.process.signal(Signal::KILL);
                nats.kill();
                nats.restart();
            }
        }
    }
    let one = Server::start(&folder.path().join("one"), &nats, "one.example", &[]);
    let (mut ann, mut bob) = (one.member("ann"), two.member("bob"));
    for member in [&mut ann, &mut bob] {
        member.says("JOIN #r");
        member.hears(" 366 ");
    }
    // One more, so that both have read all that came before.
    let until = Instant::now() + DEADLINE;
    loop {
        ann.says("PRIVMSG #r :last");
        let answer = ann.hears("");
        if answer.contains("PRIVMSG #r :last") {
            break;
        }
        // A server that has not found NATS again answers after a while only.
        assert!(Instant::now() < until, "{answer}");
    }
    bob.hears("PRIVMSG #r :last");
    let all = history(&mut ann);
    assert_eq!(all, history(&mut bob), "one order for everyone");
    let mut ids: Vec<_> = all.iter().map(|(id, _)| id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all.len(), "nothing twice");
    let mut rest = all.iter().map(|(_, text)| text);
    for text in &acknowledged {
        assert!(rest.any(|there| there == text), "{text} in its place");
    }
}

/// What is wrong is one line that says what to do.
#[test]
fn what_makes_no_cluster_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let check = |args: &[&str], code: i32, expected: &str| {
        let serve = ["serve", "chat", "127.0.0.1:0", "--server-name", "a.example"];
        let exit = Process::run(sockeye(folder.path(), &serve).args(args));
        let text = exit.stderr_text();
        assert_eq!(exit.code, Some(code), "{text}");
        assert!(text.contains(expected), "{text}");
    };
    check(
        &["--cluster", "nats://me:secret@127.0.0.1"],
        2,
        "secrets never stand in arguments",
    );
    check(
        &[
            "--cluster",
            "nats://127.0.0.1:1",
            "--cluster-credentials",
            "/nonexistent",
        ],
        2,
        "cannot read the credentials in /nonexistent",
    );
}

/// Where there is one processor there is one thread for all that a server does.
#[test]
fn a_server_on_one_processor_joins_the_others() {
    let Some((folder, nats)) = nats() else { return };
    let Some(taskset) = sockeye_testkit::tool("taskset") else {
        return;
    };
    let ours = rustix::thread::sched_getaffinity(None).unwrap();
    let first = (0..rustix::thread::CpuSet::MAX_CPU).find(|cpu| ours.is_set(*cpu));
    let place = nats.place();
    let home = folder.path().join("home");
    std::fs::create_dir_all(home.join("run")).unwrap();
    let words = [
        "serve",
        "chat",
        "127.0.0.1:0",
        "--json",
        "--cluster",
        &place,
    ];
    let server = sockeye(
        &home,
        &[&words[..], &["--server-name", "one.test"]].concat(),
    );
    let mut command = Command::new(taskset);
    command
        .args(["-c", &first.unwrap().to_string()])
        .arg(server.get_program())
        .args(server.get_args())
        .env_clear()
        .envs(
            server
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    let process = Process::start(&mut command);
    process.event("ready");
    let server = Server { process };
    let mut tom = server.member("tom");
    tom.says("JOIN #r");
    tom.hears(" 366 ");
    tom.says("PRIVMSG #r :alone");
    tom.hears("PRIVMSG #r :alone");
    server.kill();
}
