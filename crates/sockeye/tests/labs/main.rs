//! Every scenario that comes with sockeye is run, once plain and once with its cure, and must be as it
//! says; and docs/labs says of it what these runs showed.
//!
//! With `SOCKEYE_WRITE_LABS=1` (`cargo xtask labs`) the pages are written instead of compared.

mod index;
mod lanes;
mod mask;
mod page;
mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use sockeye_observe::lab::{Run, builtin};
use sockeye_testkit::tool;
use sockeye_trace::Lang;

use page::Page;
use run::{Account, Ran, run_all};

/// The project's folder.
fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_scenario_is_as_it_says_and_so_is_its_page() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run_all(
        Account::Own,
        Path::new(env!("CARGO_BIN_EXE_sockeye")),
        folder.path(),
    );
    let Some(ran) = ran else { return };
    let pages = pages(&ran);
    if std::env::var_os("SOCKEYE_WRITE_LABS").is_some_and(|value| value == "1") {
        write(&pages);
    }
    compare(&pages);
}

/// The same without any privilege, and from a program that others own.
#[test]
fn every_scenario_is_as_it_says_for_nobody_too() {
    if !rustix::process::geteuid().is_root() {
        // The other test has no privilege then.
        return;
    }
    if tool("setpriv").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("sockeye");
    fs::copy(env!("CARGO_BIN_EXE_sockeye"), &program).unwrap();
    run_all(Account::Nobody, &program, folder.path());
}

/// All pages, by their file names.
fn pages(ran: &BTreeMap<(&'static str, Run), Ran>) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    for lang in [Lang::En, Lang::Zh] {
        pages.insert(index::file_name(lang), index::write(lang));
        for scenario in builtin::all() {
            let runs = [Run::Plain, Run::Cure].map(|run| &ran[&(scenario.name.as_str(), run)]);
            let page = Page::new(scenario, runs, lang);
            pages.insert(page::file_name(&scenario.name, lang), page.write());
        }
    }
    pages
}

fn folder() -> PathBuf {
    project().join("docs/labs")
}

fn write(pages: &BTreeMap<String, String>) {
    fs::create_dir_all(folder()).unwrap();
    for name in there() {
        if !pages.contains_key(&name) {
            fs::remove_file(folder().join(name)).unwrap();
        }
    }
    for (name, text) in pages {
        fs::write(folder().join(name), text).unwrap();
    }
}

/// The names of the files that are there.
fn there() -> BTreeSet<String> {
    let entries = fs::read_dir(folder()).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// Pages must be there, no others, and say what was seen now. Of a picture only what does not depend on
/// the moment is compared: the lanes below it.
fn compare(pages: &BTreeMap<String, String>) {
    let expected: BTreeSet<String> = pages.keys().cloned().collect();
    assert_eq!(there(), expected, "docs/labs: `cargo xtask labs` writes it");
    let mut wrong = vec![];
    for (name, text) in pages {
        let there = fs::read_to_string(folder().join(name)).unwrap();
        let (ours, theirs) = (mask::without_pictures(text), mask::without_pictures(&there));
        if let Some(difference) = first_difference(&theirs, &ours) {
            wrong.push(format!("{name}: {difference}"));
        }
        if let Some(lack) = mask::lacking_in_pictures(&there) {
            wrong.push(format!("{name}: {lack}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "docs/labs is not what was seen (`cargo xtask labs` writes it anew):\n{}",
        wrong.join("\n")
    );
}

fn first_difference(there: &str, now: &str) -> Option<String> {
    let (mut there, mut now) = (there.lines(), now.lines());
    loop {
        match (there.next(), now.next()) {
            (None, None) => return None,
            (a, b) if a == b => {}
            (a, b) => {
                let show = |line: Option<&str>| line.unwrap_or("(the end)").to_owned();
                return Some(format!("has\n    {}\nnow\n    {}", show(a), show(b)));
            }
        }
    }
}
