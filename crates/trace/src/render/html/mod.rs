//! A session as one page: an HTML file that holds its data, its style and its program, and asks the
//! network for nothing.
//!
//! `page/` holds the frame, the style and the program in the languages of browsers. The data is in two parts:
//! the facts in blocks that no browser runs (`block`, `facts`), and what is known about them as
//! JSON (`about`). Everything is written as it is made; only the sorting of one flow's items and
//! some tables of fixed size are held.

mod about;
mod block;
mod excerpt;
mod facts;
mod json;
mod order;
mod shape;
mod words;

use std::io;

use sha2::{Digest, Sha256};

use crate::{Finding, Lang, Time, Timeline};

use about::About;
use excerpt::Excerpts;
use facts::Facts;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
/// The page's program, in the order in which its parts need each other.
const PROGRAM: [&str; 12] = [
    include_str!("page/words.js"),
    include_str!("page/decode.js"),
    include_str!("page/axis.js"),
    include_str!("page/model.js"),
    include_str!("page/marks.js"),
    include_str!("page/between.js"),
    include_str!("page/draw.js"),
    include_str!("page/overview.js"),
    include_str!("page/lists.js"),
    include_str!("page/tip.js"),
    include_str!("page/act.js"),
    include_str!("page/main.js"),
];

/// Writes the page.
///
/// The same timeline gives the same bytes. Whatever a peer sent stays data: the facts are base64, and
/// the rest is JSON without a character that HTML reads as markup.
///
/// - **Limits:** 256 bytes of each call and packet, less where a session has many (32 MiB together);
///   a thousand findings, the rest are counted.
pub fn write(
    timeline: &Timeline<'_>,
    findings: &[Finding],
    lang: Lang,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut rest = PAGE;
    while let Some((text, tail)) = rest.split_once("{{") {
        out.write_all(text.as_bytes())?;
        let (name, tail) = tail.split_once("}}").unwrap_or((tail, ""));
        match name {
            "lang" => out.write_all(lang.pick("en", "zh-Hans").as_bytes())?,
            "policy" => out.write_all(policy().as_bytes())?,
            "style" => out.write_all(STYLE.as_bytes())?,
            "program" => out.write_all(PROGRAM.concat().as_bytes())?,
            _ => data(timeline, findings, lang, out)?,
        }
        rest = tail;
    }
    out.write_all(rest.as_bytes())
}

/// What the browser may do for this page (Content Security Policy, Level 3): run its one program and
/// use its one style, which are named by their digests; nothing else, and no network.
fn policy() -> String {
    let digest = |text: &str| {
        let mut base64 = Vec::new();
        block::encode(&Sha256::digest(text), &mut base64);
        String::from_utf8(base64).expect("base64 is ASCII")
    };
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; \
         form-action 'none'",
        digest(&PROGRAM.concat()),
        digest(STYLE)
    )
}

/// Writes what the page shows.
fn data(
    timeline: &Timeline<'_>,
    findings: &[Finding],
    lang: Lang,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let session = timeline.session;
    let span = session.span().unwrap_or(Time::default()..Time::default());
    let excerpts = Excerpts::of(session);
    let cap = excerpts.cap();
    let written = Facts::new(timeline, findings, span.start, excerpts, out).write()?;
    out.write_all(b"<script id=\"about\" type=\"application/json\">")?;
    let about = About::new(timeline, findings, lang, &span, cap, &written);
    json::write(&about, out)?;
    out.write_all(b"</script>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{CLIENT, SERVER, Script};
    use crate::{FactId, Session, Weight};

    fn page(session: &Session, findings: &[Finding], lang: Lang) -> String {
        let mut out = Vec::new();
        write(&Timeline::build(session), findings, lang, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// What stands in the page's JSON.
    fn about(page: &str) -> serde_json::Value {
        let (_, json) = page.split_once("type=\"application/json\">").unwrap();
        serde_json::from_str(json.split_once("</script>").unwrap().0).unwrap()
    }

    fn finding(text: &str) -> Finding {
        Finding {
            name: "coalesced",
            weight: Weight::Note,
            flow: Some(0),
            way: Some(0),
            bytes: 0..5,
            facts: vec![FactId(0)],
            at: Time::default(),
            count: 1,
            sentence: [text.into(), text.into()],
        }
    }

    fn exchange(bytes: &[u8]) -> Session {
        let mut script = Script::new();
        let talk = script.connected_tcp();
        script.write(talk, CLIENT, bytes);
        script.segment(talk, CLIENT, 0..bytes.len() as u64);
        script.read(talk, SERVER, 1 << 16, bytes.len());
        script.session()
    }

    #[test]
    fn the_same_session_gives_the_same_bytes() {
        let session = exchange(b"hello");
        let findings = [finding("said")];
        let first = page(&session, &findings, Lang::Zh);
        assert_eq!(first, page(&session, &findings, Lang::Zh));
        assert!(first.contains("<html lang=\"zh-Hans\">"));
    }

    #[test]
    fn findings_have_their_titles_in_chinese() {
        let finding = Finding {
            name: "coalesced",
            ..finding("said")
        };
        let label = |lang| {
            let page = page(&exchange(b"hello"), std::slice::from_ref(&finding), lang);
            about(&page)["findings"][0]["label"].clone()
        };
        assert_eq!(label(Lang::En), "coalesced");
        assert!(label(Lang::Zh).as_str().unwrap().starts_with("粘包"));
    }

    #[test]
    fn bytes_that_were_shown_are_not_repeated() {
        let bytes: Vec<u8> = (0..200).collect();
        let length = |bytes| page(&exchange(bytes), &[], Lang::En).len();
        // The write, the segment and the read hold the same bytes: base64 makes 4 of 3.
        let more = length(&bytes) - length(&bytes[..20]);
        assert!((240..260).contains(&more), "{more}");
    }

    #[test]
    fn no_text_of_a_session_is_markup() {
        let evil = "</script><script>alert(1)</script><!--\u{2028}";
        let session = exchange(evil.as_bytes());
        let (plain, hostile) = (
            page(&session, &[finding("x")], Lang::En),
            page(&session, &[finding(evil)], Lang::En),
        );
        let count = |page: &str, what: &str| page.matches(what).count();
        for what in ["<", ">", "\u{2028}"] {
            assert_eq!(count(&hostile, what), count(&plain, what), "{what:?}");
        }
        assert_eq!(about(&hostile)["findings"][0]["text"], evil);
    }

    #[test]
    fn a_page_lists_so_many_findings_and_counts_the_rest() {
        let findings = vec![finding("said"); 1003];
        let about = about(&page(&exchange(b"hello"), &findings, Lang::En));
        assert_eq!(about["findings"].as_array().unwrap().len(), 1000);
        assert_eq!(about["more_findings"], 3);
    }

    /// More bytes than the budget: less of each is shown, down to eight.
    #[test]
    fn a_large_session_shows_less_of_each() {
        let mut script = Script::new();
        let talk = script.connected_tcp();
        let bytes = vec![0; 256];
        for _ in 0..140_000 {
            script.write(talk, CLIENT, &bytes);
        }
        let page = page(&script.session(), &[], Lang::En);
        assert_eq!(about(&page)["excerpt"], 128);
    }

    #[test]
    fn the_program_ends_no_element_and_the_policy_names_it() {
        let program = PROGRAM.concat();
        assert!(!program.contains("</") && !program.contains("<!--") && !STYLE.contains("</"));
        let page = page(&Session::default(), &[], Lang::En);
        assert!(page.contains("default-src 'none'; script-src 'sha256-"));
        assert!(
            !page.contains("{{") && !page.contains("unsafe"),
            "every part was filled in"
        );
    }
}
