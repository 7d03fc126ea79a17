//! The INPUT → MESSAGES boxes of docs/framings.md, run.

mod stream;

use sockeye_frame::Framing;
use stream::Said;

const PAGE: &str = include_str!("../../../docs/framings.md");

/// A box: its framing, and its lines by their first word.
struct Case<'a> {
    spec: &'a str,
    lines: Vec<(&'a str, &'a str)>,
}

impl<'a> Case<'a> {
    /// The rest of the first line that begins with `word`.
    fn line(&self, word: &str) -> Option<&'a str> {
        self.lines
            .iter()
            .find(|line| line.0 == word)
            .map(|line| line.1)
    }

    fn all(&self, word: &str) -> Vec<String> {
        let lines = self.lines.iter().filter(|line| line.0 == word);
        lines.map(|line| line.1.to_owned()).collect()
    }
}

fn boxes() -> Vec<Case<'static>> {
    let fences = PAGE.split("```text\n").skip(1);
    let text = fences.map(|rest| rest.split("```").next().expect("a split has a first part"));
    text.map(|text| {
        let mut lines = text.lines();
        let spec = lines.next().expect("a box begins with a framing");
        let split = |line: &'static str| match line.split_once(' ') {
            Some((word, rest)) => (word, rest.trim()),
            None => (line, ""),
        };
        Case {
            spec,
            lines: lines.map(split).collect(),
        }
    })
    .collect()
}

#[test]
fn every_box_is_true() {
    let boxes = boxes();
    assert!(boxes.len() > 30, "only {} boxes were found", boxes.len());
    for case in boxes {
        let framing: Framing = case.spec.parse().unwrap();
        match (case.line("MESSAGE"), case.line("REFUSED")) {
            (Some(message), Some(sentence)) => {
                let message = words(message).concat();
                let error = framing.encode(&message, &mut vec![]).unwrap_err();
                assert_eq!(error.to_string(), sentence, "{}", case.spec);
            }
            _ => check_read(&case, &framing),
        }
    }
}

fn check_read(case: &Case<'_>, framing: &Framing) {
    let input = case.line("INPUT");
    let wire = words(input.or(case.line("READ")).unwrap()).concat();
    let messages = messages(case.line("MESSAGES").unwrap());
    let said = Said {
        messages: messages.clone(),
        unterminated: case.line("UNTERMINATED").map(|text| words(text).concat()),
        skipped: case.line("SKIPPED").map_or(0, |text| text.parse().unwrap()),
        errors: case.all("ERROR"),
    };
    assert_eq!(
        stream::read(framing, &wire, wire.len()),
        said,
        "{}",
        case.spec
    );
    if input.is_some() {
        let mut again = vec![];
        for message in &messages {
            framing.encode(message, &mut again).unwrap();
        }
        assert_eq!(again, wire, "{}", case.spec);
    }
}

/// Messages, with `|` between them.
fn messages(line: &str) -> Vec<Vec<u8>> {
    let parts = line.split('|').filter(|part| !part.trim().is_empty());
    parts.map(|part| words(part).concat()).collect()
}

/// `"text"`, hex bytes, and `N x` ahead of either, each as its bytes.
fn words(line: &str) -> Vec<Vec<u8>> {
    let (mut words, mut rest, mut times) = (vec![], line.trim(), 1);
    while !rest.is_empty() {
        let (word, behind) = if let Some(text) = rest.strip_prefix('"') {
            quoted(text)
        } else {
            let (word, behind) = rest.split_once(' ').unwrap_or((rest, ""));
            if let Some(behind) = behind.strip_prefix("x ") {
                times = word.parse().unwrap();
                rest = behind.trim_start();
                continue;
            }
            (vec![u8::from_str_radix(word, 16).unwrap()], behind)
        };
        words.push(word.repeat(times));
        (rest, times) = (behind.trim_start(), 1);
    }
    words
}

/// The bytes of a quoted text whose opening quote was taken, and what stands behind it.
fn quoted(text: &str) -> (Vec<u8>, &str) {
    let mut bytes = vec![];
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return (bytes, &text[i + 1..]),
            '\\' => bytes.push(match chars.next().expect("an escape has a letter").1 {
                'n' => b'\n',
                'r' => b'\r',
                '0' => 0,
                other => other as u8,
            }),
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    panic!("{text} has no closing quote");
}
