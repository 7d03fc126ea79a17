//! A disk that is full costs the words that do not fit, and nothing else.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use sockeye_testkit::{Process, not_run, tool};

use crate::irc::Irc;

const CAPS: &str = "echo-message message-tags batch server-time standard-replies draft/chathistory";

/// A disk of eight megabytes, most of it taken: whoever speaks when nothing fits any more is told
/// that nobody has heard it, and is heard again as soon as there is room.
#[test]
fn a_full_disk_refuses_words_and_takes_them_again() {
    let Some(unshare) = tool("unshare") else {
        return;
    };
    let namespaces = ["--user", "--map-root-user", "--mount"];
    let mounts = ["sh", "-c", "mount -t tmpfs -o size=8M none /mnt"];
    if Process::run(Command::new(&unshare).args(namespaces).args(mounts)).code != Some(0) {
        return not_run("needs unprivileged user and mount namespaces");
    }
    let script = "mount -t tmpfs -o size=8M none /mnt && head -c 7000000 /dev/zero > /mnt/filler \
                  && exec \"$0\" serve chat --json --store /mnt/store --flood off 127.0.0.1:0";
    let mut command = Command::new(&unshare);
    command
        .args(namespaces)
        .args(["sh", "-c", script])
        .arg(env!("CARGO_BIN_EXE_sockeye"));
    let mut server = Process::start(&mut command);
    server.event("ready");
    let listening = server.event("listening");
    let endpoint = listening["endpoint"].as_str().unwrap();
    let mut tom = Irc::join_in(endpoint.strip_prefix("tcp://").unwrap(), "tom", CAPS);
    let mut ann = Irc::join_in(endpoint.strip_prefix("tcp://").unwrap(), "ann", CAPS);
    for irc in [&mut tom, &mut ann] {
        irc.says("JOIN #r");
        irc.hears(" 366 ");
    }
    let padding = "x".repeat(400);
    // One word after the other, until one is refused.
    let mut kept = vec![];
    let refused = (0..20_000).find(|number| {
        tom.says(&format!("PRIVMSG #r :{number} {padding}"));
        let answer = loop {
            let line = tom.next().expect("the server is there");
            if line.contains(" PRIVMSG #r ") || line.contains(" FAIL ") {
                break line;
            }
        };
        if answer.contains(" PRIVMSG #r ") {
            kept.push(number.to_string());
        }
        answer.contains(" FAIL * MESSAGE_NOT_KEPT :")
    });
    let refused = refused.expect("a disk of eight megabytes is full at some point");
    // The filler lies where only the server's process sees it.
    let filler = PathBuf::from(format!("/proc/{}/root/mnt/filler", server.id()));
    fs::remove_file(filler).unwrap();
    tom.says("PRIVMSG #r :room again");
    tom.hears("PRIVMSG #r :room again");
    kept.push("room".into());
    // Everybody has heard what was kept, and nothing else.
    ann.says("PRIVMSG #r :end");
    let heard = std::iter::from_fn(|| {
        let line = ann.hears(" PRIVMSG #r :");
        let text = line.split_once(" PRIVMSG #r :").unwrap().1;
        (text != "end").then(|| text.split(' ').next().unwrap().to_owned())
    });
    assert_eq!(heard.collect::<Vec<_>>(), kept);
    assert!(!kept.contains(&refused.to_string()));
    // And so has the history.
    tom.says("CHATHISTORY LATEST #r * 3");
    tom.hears(" chathistory #r");
    let last = kept[kept.len() - 2].clone();
    for text in [last.as_str(), "room again", "end"] {
        let line = tom.hears(" PRIVMSG #r :");
        assert!(line.contains(&format!(" PRIVMSG #r :{text}")), "{line}");
    }
    server.signal(sockeye_testkit::Signal::INT);
    assert_eq!(server.exit().code, Some(0));
}
