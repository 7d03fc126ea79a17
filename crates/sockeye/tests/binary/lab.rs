//! `sockeye lab` as a user meets it: names, files, verdicts, exit codes.

use std::fs;

use sockeye_testkit::{Exit, Process};

use crate::harness::sockeye;
use crate::schema::names_in;

const STICKY: &str = include_str!("../../../../labs/sticky-nagle.toml");

fn lab(args: &[&str]) -> Exit {
    Process::run(&mut sockeye(&[&["lab"], args].concat()))
}

#[test]
fn every_line_of_a_lab_is_as_documented() {
    let list = lab(&["list", "--json"]);
    assert_eq!(list.code, Some(0));
    let names = names_in(&list.stdout_text());
    assert!(names.len() > 30 && names.iter().all(|name| name == "scenario"));
    let run = lab(&["sticky-nagle", "--plain", "--json"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr_text());
    let mut names = names_in(&run.stdout_text());
    names.dedup();
    assert_eq!(names, ["lab", "checked", "judged"]);
}

#[test]
fn a_name_that_is_not_right_is_answered_with_those_near_it() {
    let wrong = lab(&["sticky-nagel"]);
    assert_eq!(wrong.code, Some(2));
    let said = wrong.stderr_text();
    assert!(
        said.contains("sticky-nagle") && said.lines().count() == 1,
        "{said}"
    );
    let list = lab(&["--lang", "zh"]).stdout_text();
    assert!(
        list.contains("消息的边界") && list.contains("sticky-nagle"),
        "{list}"
    );
}

#[test]
fn a_file_that_makes_no_sense_is_told_by_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    let file = file.to_str().unwrap();
    fs::write(file, STICKY.replacen("send = {", "sned = {", 1)).unwrap();
    let wrong = lab(&[file]);
    assert_eq!(wrong.code, Some(2));
    let line = STICKY
        .lines()
        .position(|line| line.contains("send = {"))
        .unwrap()
        + 1;
    let said = wrong.stderr_text();
    assert!(
        said.contains(&format!("mine.toml:{line}: unknown variant `sned`")),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    let absent = lab(&["./absent.toml"]);
    assert_eq!(absent.code, Some(2));
    assert!(
        absent.stderr_text().contains("ENOENT"),
        "{}",
        absent.stderr_text()
    );
}

#[test]
fn what_was_not_seen_fails_and_says_what_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    assert!(STICKY.contains("[5, 4, 1]"));
    fs::write(&file, STICKY.replace("[5, 4, 1]", "[5, 4, 2]")).unwrap();
    let run = lab(&[file.to_str().unwrap(), "--plain", "--brief"]);
    assert_eq!(run.code, Some(3), "{}", run.stderr_text());
    let said = run.stdout_text();
    assert!(
        said.contains("✗") && said.contains("expected [5, 4, 2]; seen [5, 4, 1]"),
        "{said}"
    );
    assert!(
        run.stderr_text().contains("plain: 1 of "),
        "{}",
        run.stderr_text()
    );
}

#[test]
fn a_whole_report_has_lanes_verdicts_difference_and_reasons() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (trace, html, pcapng) = (path("run.sockeye"), path("run.html"), path("run.pcapng"));
    let files = ["--trace", &trace, "--html", &html, "--pcapng", &pcapng];
    let run = lab(&[&["粘包", "--lang", "zh"], &files[..]].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr_text());
    let said = run.stdout_text();
    let parts = [
        "── 现象",
        "SYN mss",
        "✓",
        "── 对策：",
        "── 差别",
        "── 原理",
        "── 对策的作用",
        "另见",
    ];
    let mut rest = &*said;
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else {
            panic!("{part} is not there, or not in its place: {said}");
        };
        rest = after;
    }
    let shown = Process::run(&mut sockeye(&["show", &trace])).stdout_text();
    assert!(shown.contains("SYN mss"), "{shown}");
    let page = fs::read_to_string(&html).unwrap();
    assert!(page.contains("<html"), "a page");
    let packets = Process::run(&mut sockeye(&["show", &pcapng, "--packets"]));
    assert_eq!(packets.code, Some(0), "{}", packets.stderr_text());
}
