//! docs/lab.md says all that a scenario's file can hold: a test of the texts of both.

use super::value::{OfLook, OfStep, OfWay, Part};

const GUIDE: &str = include_str!("../../../../docs/lab.md");
const SCRIPT: &str = include_str!("script.rs");
const SCENARIO: &str = include_str!("scenario.rs");

/// The variants of an enum and the fields of variants and structs, as they stand in a file: what stands at
/// the beginning of a line between `opening` and the closing brace below it.
fn words_of(source: &str, opening: &str) -> Vec<String> {
    let (_, body) = source.split_once(opening).expect("it is in the source");
    let body = body.split("\n}\n").next().unwrap_or(body);
    let mut words = vec![];
    let mut renamed = None;
    for line in body.lines().map(str::trim) {
        if let Some((_, rest)) = line.split_once("rename = \"") {
            renamed = rest.split('"').next().map(str::to_owned);
        }
        let line = line.strip_prefix("pub ").unwrap_or(line);
        let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (word, rest) = line.split_at(end.unwrap_or(line.len()));
        let is_variant = word.starts_with(|c: char| c.is_ascii_uppercase());
        let opens = rest.starts_with([':', '(', ',']) || rest.starts_with(" {");
        if word.is_empty() || !opens {
            continue;
        }
        let word = if is_variant {
            kebab(word)
        } else {
            word.to_owned()
        };
        words.push(renamed.take().unwrap_or(word));
    }
    words
}

/// `RecvMessages` as files write it.
fn kebab(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

#[test]
fn the_guide_names_all_that_a_file_can_hold() {
    let mut words = vec![];
    for opening in [
        "pub enum Action {",
        "pub struct Wait {",
        "pub struct Data {",
        "pub enum WireAction {",
    ] {
        words.extend(words_of(SCRIPT, opening));
    }
    for opening in [
        "pub struct Scenario {",
        "pub enum Group {",
        "pub struct Setting {",
        "pub struct HostSetting {",
        "pub struct Cure {",
        "pub struct Step {",
        "pub struct Expect {",
        "pub struct Test {",
    ] {
        words.extend(words_of(SCENARIO, opening));
    }
    assert!(words.len() > 90, "{words:?}");
    for expected in [
        "recv-messages",
        "timeout_ms",
        "as",
        "step",
        "lacks",
        "sysctl",
        "buffers",
    ] {
        assert!(
            words.iter().any(|word| word == expected),
            "{expected} in {words:?}"
        );
    }
    let code = |word: &&String| {
        let open = format!("`{word}");
        let mut found = GUIDE
            .match_indices(&open)
            .map(|(at, _)| &GUIDE[at + open.len()..]);
        !found.any(|after| after.starts_with(['`', ' ', '.']))
    };
    let mut missing: Vec<_> = words.iter().filter(code).collect();
    // Written inside of a longer example.
    missing.retain(|word| !GUIDE.contains(&format!("{{ {word} = ")));
    assert!(
        missing.is_empty(),
        "docs/lab.md says nothing of {missing:?}"
    );
}

#[test]
fn the_guide_names_all_that_can_be_looked_at() {
    let names = OfWay::ALL
        .iter()
        .map(|of| format!("to-server.{}", of.name()));
    let names = names.chain(OfStep::ALL.iter().map(|of| format!(".{}", of.name())));
    let names = names.chain(OfLook::ALL.iter().map(|of| format!(".{}", of.name())));
    let names = names.chain(Part::ALL.iter().map(|of| format!(".{}", of.name())));
    let missing: Vec<_> = names
        .filter(|name| !GUIDE.contains(&format!("{name}`")))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/lab.md says nothing of {missing:?}"
    );
}
