//! A session as one page: an HTML file that holds its data, its style and its program, and asks the
//! network for nothing.
//!
//! `page/` holds the frame, the style and the program in the languages of browsers. The data is in two parts:
//! the facts in blocks that no browser runs ([`block`], [`facts`]), and what is known about them as
//! JSON ([`about`]). Everything is written as it is made; only the sorting of one flow's items and
//! some tables of fixed size are held.

mod about;
mod block;
mod excerpt;
mod facts;
mod json;
mod shape;

use std::io;

use sha2::{Digest, Sha256};

use crate::{Finding, Lang, Time, Timeline};

use about::About;
use excerpt::Excerpts;
use facts::Facts;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
/// The page's program, in the order in which its parts need each other.
const PROGRAM: [&str; 10] = [
    include_str!("page/words.js"),
    include_str!("page/decode.js"),
    include_str!("page/axis.js"),
    include_str!("page/model.js"),
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
