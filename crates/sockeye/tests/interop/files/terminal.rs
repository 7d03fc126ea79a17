//! What a person sees.

use std::fs::{self, OpenOptions};
use std::io::Read as _;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::{noise, theirs};
use crate::ours::sockeye;

#[test]
fn m19_a_terminal_shows_a_bar_with_rate_and_time_left() {
    let Some(theirs) = theirs("") else { return };
    let name = "我的照片和录像收藏（全部）.tar";
    fs::write(theirs.here(name), noise(60 << 20)).unwrap();
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let line = ptsname(&master, vec![]).unwrap();
    let line = OpenOptions::new()
        .read(true)
        .write(true)
        .open(line.to_str().unwrap())
        .unwrap();
    let size = Winsize {
        ws_row: 24,
        ws_col: 80,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&line, size).unwrap();
    let mut child = sockeye(&["put", name, "--digest", "sha256", &theirs.endpoint])
        .current_dir(theirs.here(""))
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(line)
        .spawn()
        .unwrap();
    let (mut seen, mut screen) = (vec![], fs::File::from(master));
    let mut buf = [0; 4096];
    // The other end closes with the program: EIO.
    while let Ok(got @ 1..) = screen.read(&mut buf) {
        seen.extend_from_slice(&buf[..got]);
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let seen = String::from_utf8_lossy(&seen).into_owned();
    let pictures: Vec<_> = seen
        .split(['\r', '\n'])
        .filter(|part| part.contains(" left"))
        .collect();
    let picture = pictures
        .last()
        .unwrap_or_else(|| panic!("no bar in {seen:?}"));
    // Rates and times differ from run to run; where things stand does not.
    let digits = |c: char| if c.is_ascii_digit() { '0' } else { c };
    let plain: String = without_escapes(picture).chars().map(digits).collect();
    assert!(plain.starts_with("…和录像收藏（全部）.tar "), "{plain:?}");
    assert!(
        plain.contains('█') && plain.contains(" %  ") && plain.contains("MB/s  0:00 left"),
        "{plain:?}"
    );
    let width: usize = plain
        .chars()
        .map(|c| if c > '\u{2fff}' { 2 } else { 1 })
        .sum();
    assert!(width <= 80, "{width} columns: {plain:?}");
}

/// Without what steers a terminal (ECMA-48 §5.4).
fn without_escapes(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            chars
                .by_ref()
                .skip_while(|c| *c == '[')
                .find(char::is_ascii_alphabetic);
        } else {
            plain.push(c);
        }
    }
    plain
}
