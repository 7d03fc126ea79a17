//! A machine that is a folder, in both languages.

use std::fs;

use sockeye_observe::namespace::{NamespaceError, Stage};
use sockeye_observe::privilege::{Room, Trials};
use sockeye_observe::settings::{Facts, Ports, Purpose, Tree};
use sockeye_trace::Time;
use unicode_width::UnicodeWidthStr;

use super::look::Look;
use super::{file, report};
use crate::catalogue::Lang;

/// A machine on which much is barred and some settings are odd.
fn look() -> Look {
    let folder = tempfile::tempdir().unwrap();
    let sys = [
        ("kernel/osrelease", "6.1.0\n"),
        ("kernel/yama/ptrace_scope", "2\n"),
        ("net/core/somaxconn", "128\n"),
        ("net/core/rmem_max", "212992\n"),
        ("net/ipv4/tcp_syncookies", "0\n"),
        ("net/ipv4/tcp_tw_reuse", "2\n"),
        ("net/ipv4/tcp_rmem", "4096\t131072\t6291456\n"),
    ];
    for (path, text) in sys {
        let path = folder.path().join("proc/sys").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let (stage, errno) = (Stage::Unshare, libc::ENOMEM);
    let trials = Trials {
        trace: Err(libc::EPERM),
        room: Room::Barred(NamespaceError { stage, errno }),
        packet: Err(libc::EPERM),
        raw: Err(libc::EPERM),
        uring: Err(libc::ENOSYS),
        files: (1024, 524_288),
    };
    let facts = Facts {
        time_wait: 1234,
        retransmitted: 5,
        sent: 67_890,
        ports: Some(Ports {
            range: 28_232,
            taken: 1300,
            busiest: Some(("10.0.0.9:5432".parse().unwrap(), 1200)),
            waiting: 1100,
            capped: 0,
        }),
        ..Facts::default()
    };
    let tree = Tree::at(folder.path());
    let mut look = Look::of(&tree, &trials, facts, &[Purpose::Dial], Time::default());
    "box".clone_into(&mut look.host);
    (look.processors, look.uid) = (2, 1000);
    look
}

fn drawn(draw: impl Fn(&mut String)) -> String {
    let mut out = String::new();
    draw(&mut out);
    out
}

#[test]
fn a_line_for_each_in_both_languages() {
    let look = look();
    let short = |lang| drawn(|out| report::short(&look, lang, 100, out));
    insta::assert_snapshot!("short_en", short(Lang::En));
    insta::assert_snapshot!("short_zh", short(Lang::Zh));
}

#[test]
fn what_was_asked_for_is_explained_in_both_languages() {
    let mut look = look();
    let names = ["TCP-TW-REUSE", "watch", "namespaces", "files", "io-uring"];
    look.keep(&names.map(str::to_owned)).unwrap();
    let whole = |lang| drawn(|out| report::whole(&look, lang, 80, out));
    insta::assert_snapshot!("whole_en", whole(Lang::En));
    insta::assert_snapshot!("whole_zh", whole(Lang::Zh));
    assert_eq!(look.keep(&["nix".to_owned()]), Err("nix".to_owned()));
}

#[test]
fn a_file_has_what_differs_and_why_and_nothing_else() {
    let look = look();
    insta::assert_snapshot!("file_en", file::content(&look, Lang::En, "my.conf"));
    let chinese = file::content(&look, Lang::Zh, "my.conf");
    let settings = |text: &str| -> Vec<String> {
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.map(str::to_owned).collect()
    };
    let expected = [
        "net.ipv4.tcp_syncookies = 1",
        "net.core.somaxconn = 1024",
        "net.ipv4.tcp_tw_reuse = 1",
    ];
    assert_eq!(settings(&chinese), expected);
}

/// A host may be called anything, and so may a file: neither becomes a setting.
#[test]
fn no_name_ends_a_comment() {
    let mut look = look();
    "x\nkernel.panic = 1".clone_into(&mut look.host);
    let text = file::content(&look, Lang::En, "a\nkernel.panic = 1");
    assert!(
        !text.lines().any(|line| line.starts_with("kernel.")),
        "{text}"
    );
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let look = look();
    for (lang, width) in [(Lang::En, 60), (Lang::Zh, 60), (Lang::Zh, 100)] {
        let text = drawn(|out| report::whole(&look, lang, width, out));
        let prose = text.lines().filter(|line| !line.contains(" = "));
        for line in prose.skip(1) {
            assert!(line.width() <= width, "{width}: {line}");
        }
    }
}
