//! Help, errors, exit codes, broken pipes.

use std::process::{Command, Stdio};

use sockeye_testkit::Process;

use crate::harness::sockeye;

#[track_caller]
fn stdout(args: &[&str]) -> String {
    let exit = Process::run(&mut sockeye(args));
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    exit.stdout_text()
}

/// The one line of an error.
#[track_caller]
fn error(args: &[&str], code: i32) -> String {
    let exit = Process::run(&mut sockeye(args));
    assert_eq!(exit.code, Some(code), "{args:?}: {}", exit.stderr_text());
    assert_eq!(exit.stdout_text(), "", "{args:?}");
    let text = exit.stderr_text();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn help_is_there_in_both_languages() {
    for lang in ["en", "zh"] {
        insta::assert_snapshot!(format!("help_{lang}"), stdout(&["--lang", lang, "--help"]));
        for verb in [
            "serve",
            "key",
            "exec",
            "put",
            "get",
            "list",
            "capture",
            "show",
            "doctor",
            "completions",
            "man",
        ] {
            let help = stdout(&["--lang", lang, verb, "--help"]);
            insta::assert_snapshot!(format!("help_{verb}_{lang}"), help);
        }
    }
}

#[test]
fn help_is_a_word_too() {
    assert_eq!(stdout(&["help", "serve"]), stdout(&["serve", "--help"]));
    assert_eq!(stdout(&["help"]), stdout(&["--help"]));
}

#[test]
fn the_language_comes_from_the_environment_too() {
    let chinese = |name: &str, value: &str| {
        let exit = Process::run(sockeye(&["--help"]).env(name, value));
        exit.stdout_text().contains("用法")
    };
    assert!(chinese("LANG", "zh_CN.UTF-8"));
    assert!(chinese("LC_ALL", "zh_TW.UTF-8"));
    assert!(!chinese("LANG", "en_GB.UTF-8"));
}

#[test]
fn an_error_is_one_line_that_says_what_is_allowed() {
    let errors: String = [
        "foo",
        "serve ecko",
        "serve echo --wrong",
        "serve echo host",
        "serve echo 7007",
        "serve echo tcp://127.0.0.1:99999",
        "serve echo 127.0.0.1:0?nodelai",
        "serve echo :0 --frame u33",
        "serve echo :0 -o wrong",
        "serve echo udp://127.0.0.1:0 --frame line",
        "serve echo :0 --encoding klingon",
        "serve echo :0 --idle-timeout soon",
        "serve echo :0 --read-size big",
        "serve echo :0 --read-size 0",
        "serve echo :0 --max-connections 0",
        "serve echo :0 --read-pause 2s..1s",
        "serve echo :0 --allow-from 10.0.0.1/8",
        "serve echo :0 --requests 0",
        "serve echo :0 --events fd:99",
        "serve upper :0 --encoding utf-16le",
        "serve reply :0",
        "serve relay :0",
        "serve exec :0",
        "serve files --root /nonexistent unix:@x",
        "serve files --root / unix-dgram:@x",
        "serve --once",
        "serve --config /nonexistent.toml",
        "completions csh",
        "list --state opened",
        "list --sort size",
        "list --sort rtt:down",
        "list --port 99999",
        "list --host 10.0.0.1/8",
        "list --user nobody-here",
        "list --live soon",
        "list --pairs --json",
        "doctor nix",
        "doctor --force",
        "doctor --for glory",
        "-q -v serve",
        "-4 -6 serve",
    ]
    .map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        format!("$ sockeye {line}\n{}", error(&words, 2))
    })
    .concat();
    insta::assert_snapshot!(errors);
}

#[test]
fn mistakes_are_explained_in_chinese_too() {
    let errors: String = [
        "foo",
        "serve ecko",
        "serve echo --wrong",
        "serve echo :0 --frame u33",
        "serve echo :0 --idle-timeout soon",
        "-q -v serve",
        "completions",
    ]
    .map(|line| {
        let words: Vec<_> = ["--lang", "zh"]
            .into_iter()
            .chain(line.split(' '))
            .collect();
        format!("$ sockeye --lang zh {line}\n{}", error(&words, 2))
    })
    .concat();
    insta::assert_snapshot!(errors);
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    for args in [
        &["--help"][..],
        &["completions", "bash"],
        &["man", "serve"],
        &["serve", "-o", "help"],
    ] {
        let mut child = sockeye(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        // Closes the reading end before anything is written.
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*text), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn completions_know_the_flags() {
    for (shell, word) in [
        ("bash", "--quit-on"),
        ("zsh", "--quit-on"),
        ("fish", "quit-on"),
        ("elvish", "--quit-on"),
    ] {
        assert!(stdout(&["completions", shell]).contains(word), "{shell}");
    }
}

#[test]
fn bash_takes_its_completions() {
    let Some(bash) = sockeye_testkit::tool("bash") else {
        return;
    };
    let script = stdout(&["completions", "bash"]);
    let line = format!(
        "{script}\nCOMP_WORDS=(sockeye ser); COMP_CWORD=1; _sockeye sockeye ser sockeye; echo ${{COMPREPLY[@]}}"
    );
    let exit = Process::run(Command::new(bash).args(["-c", &line]));
    assert_eq!(exit.stdout_text().trim(), "serve", "{}", exit.stderr_text());
}

#[test]
fn manual_pages_are_roff_with_a_name_and_examples() {
    for (args, name) in [
        (&["man"][..], "sockeye"),
        (&["man", "serve"], "sockeye-serve"),
    ] {
        let page = stdout(args);
        assert!(
            page.contains(".TH") && page.contains(&name.replace('-', "\\-")),
            "{page}"
        );
        assert!(
            page.contains(".SH EXAMPLES") || page.contains(".SH EXTRA"),
            "{page}"
        );
    }
    assert!(stdout(&["--lang", "zh", "man", "serve"]).contains("如何回答"));
}

#[test]
fn the_options_of_sockets_are_listed() {
    let list = stdout(&["serve", "-o", "help"]);
    for name in ["backlog", "nodelay", "user-timeout", "mcast-join"] {
        assert!(list.contains(name), "{name} in {list}");
    }
    assert!(stdout(&["--lang", "zh", "serve", "-o", "help"]).contains("延迟确认"));
}

/// A full disk is no end of a pipeline: what was asked for is not there.
#[test]
fn an_output_that_cannot_be_written_is_a_local_error() {
    for (args, what) in [
        (
            &["--quiet", "serve", "print", "exec:echo hi"][..],
            "to standard output",
        ),
        (&["serve", "echo", "exec:echo hi", "--json"], "events"),
        (
            &["dial", "exec:echo hi", "--no-stdin"],
            "to standard output",
        ),
        (&["dial", "--help"], "to standard output"),
        (&["dial", "-o", "help"], "to standard output"),
    ] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let output = sockeye(args)
            .stdin(Stdio::null())
            .stdout(full)
            .stderr(Stdio::piped())
            .output()
            .expect("the binary starts");
        let text = String::from_utf8_lossy(&output.stderr);
        let error = format!("sockeye: cannot write {what}: no space left on device (ENOSPC, 28)\n");
        assert_eq!(
            (output.status.code(), &*text),
            (Some(2), &*error),
            "{args:?}"
        );
    }
}
