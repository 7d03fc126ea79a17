//! Golden vectors: bytes that other programs wrote, what they say, and what is refused. The files
//! under `vectors/` name no part of this crate but the spec texts, so that any other
//! implementation can be held against them.
//!
//! A case with `wire` is read: it has `messages`, perhaps `unterminated`, `skipped` (bytes) and
//! `errors`; `encodes` says whether the messages give exactly these bytes again. A case with
//! `message` is refused by encode for the reason that `refused` gives. Bytes are in hex.

mod stream;

use std::fs;
use std::path::Path;

use serde_json::Value;
use sockeye_frame::Framing;
use stream::Said;

#[test]
fn every_vector_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut cases = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for case in file["cases"].as_array().unwrap() {
            let name = format!("{}: {}", path.display(), case["name"]);
            match case.get("message") {
                Some(message) => check_refused(&name, case, &bytes(message)),
                None => check_read(&name, case),
            }
            cases += 1;
        }
    }
    assert!(cases > 100, "only {cases} vectors were found");
}

fn check_read(name: &str, case: &Value) {
    let framing: Framing = case["spec"].as_str().unwrap().parse().unwrap();
    let wire = bytes(&case["wire"]);
    let said = Said {
        messages: case["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(bytes)
            .collect(),
        unterminated: case.get("unterminated").map(bytes),
        skipped: case
            .get("skipped")
            .map_or(0, |n| n.as_u64().unwrap() as usize),
        errors: case.get("errors").map_or(vec![], texts),
    };
    assert_eq!(
        stream::read(&framing, &wire, wire.len().max(1)),
        said,
        "{name}"
    );
    for cut in [1, 2, 3, 7] {
        // What an error shows of a frame depends on what has come of it.
        let in_pieces = stream::read(&framing, &wire, cut);
        assert_eq!(in_pieces.messages, said.messages, "{name}, by {cut}");
        assert_eq!(
            in_pieces.unterminated, said.unterminated,
            "{name}, by {cut}"
        );
        assert_eq!(in_pieces.skipped, said.skipped, "{name}, by {cut}");
        let reasons = |errors: &[String]| -> Vec<String> {
            errors
                .iter()
                .map(|e| e.split("; ").next().unwrap().to_owned())
                .collect()
        };
        assert_eq!(
            reasons(&in_pieces.errors),
            reasons(&said.errors),
            "{name}, by {cut}"
        );
    }
    let mut again = vec![];
    let encoded = said
        .messages
        .iter()
        .all(|message| framing.encode(message, &mut again).is_ok());
    assert_eq!(
        encoded && again == wire,
        case["encodes"].as_bool().unwrap(),
        "{name}"
    );
}

fn check_refused(name: &str, case: &Value, message: &[u8]) {
    let framing: Framing = case["spec"].as_str().unwrap().parse().unwrap();
    let mut out = b"before".to_vec();
    let error = framing.encode(message, &mut out).unwrap_err();
    assert_eq!(
        error.to_string(),
        case["refused"].as_str().unwrap(),
        "{name}"
    );
    assert_eq!(out, b"before", "{name}");
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap().as_bytes();
    assert!(hex.len().is_multiple_of(2));
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    hex.chunks(2).map(pair).collect()
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}
