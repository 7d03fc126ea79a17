//! Commands that peers run, as lines for people.

use serde_json::Value;
use sockeye_trace::Kind;

use crate::catalogue::{self as say, Lang};
use crate::ui::escape;

/// Who ran what, or how that came out.
pub(super) fn line(kind: Kind, payload: &[u8], lang: Lang) -> Option<String> {
    let told: Value = serde_json::from_slice(payload).ok()?;
    let text = |name: &str| escape(told[name].as_str().unwrap_or_default()).into_owned();
    let (who, command) = (text("who"), command(&told["argv"]));
    Some(match kind {
        Kind::CommandStarted => say::COMMAND_STARTED.fill(
            lang,
            &[("who", &who), ("command", &command), ("pid", &told["pid"])],
        ),
        Kind::CommandRefused => say::COMMAND_REFUSED.fill(
            lang,
            &[
                ("who", &who),
                ("command", &command),
                ("error", &say::known(&text("error"), lang)),
            ],
        ),
        _ => {
            let outcome = match told["status"].as_u64() {
                Some(status) => say::COMMAND_STATUS.fill(lang, &[("status", &status)]),
                None => say::COMMAND_SIGNAL.fill(lang, &[("signal", &text("signal"))]),
            };
            let notes = [
                ("timed_out", say::COMMAND_TIMED_OUT),
                ("left_running", say::COMMAND_LEFT_RUNNING),
                ("abandoned", say::COMMAND_ABANDONED),
            ];
            let notes = notes.iter().filter(|(name, _)| told[name] == true);
            let notes: String = notes.map(|(_, note)| note.get(lang)).collect();
            say::COMMAND_ENDED.fill(
                lang,
                &[
                    ("who", &who),
                    ("command", &command),
                    ("outcome", &outcome),
                    ("ms", &told["took_ms"]),
                    ("notes", &notes),
                ],
            )
        }
    })
}

/// A command's words as one would type them.
fn command(argv: &Value) -> String {
    let words = argv.as_array().map(Vec::as_slice).unwrap_or_default();
    let words = words.iter().filter_map(Value::as_str).map(word);
    words.collect::<Vec<_>>().join(" ")
}

/// A word, quoted where a shell would not leave it alone.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%…".contains(c);
    let shown = escape(text);
    if !text.is_empty() && text.chars().all(plain) {
        return shown.into_owned();
    }
    format!("'{}'", shown.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_in_both_languages_and_steer_no_terminal() {
        let check = |kind, payload: &str, lang, expected: &str| {
            assert_eq!(
                line(kind, payload.as_bytes(), lang).as_deref(),
                Some(expected)
            );
        };
        let started = r#"{"who":"uid 1000","argv":["echo","a b","it's","\u001b[2J"],"pid":7}"#;
        check(
            Kind::CommandStarted,
            started,
            Lang::En,
            "uid 1000 runs echo 'a b' 'it'\\''s' '\\x1b[2J' (pid 7)",
        );
        let ended =
            r#"{"who":"uid 1000","argv":["true"],"signal":"HUP","took_ms":5,"abandoned":true}"#;
        check(
            Kind::CommandEnded,
            ended,
            Lang::En,
            "true of uid 1000 was ended by SIGHUP after 5 ms (nobody waited any more)",
        );
        check(
            Kind::CommandEnded,
            ended,
            Lang::Zh,
            "uid 1000 的 true 被 SIGHUP 终止，用时 5 毫秒（已无人等待）",
        );
        let refused = r#"{"who":"anyone","argv":["id"],"code":"not_allowed","error":"no"}"#;
        check(
            Kind::CommandRefused,
            refused,
            Lang::En,
            "anyone asked for id, which was not run: no",
        );
        assert_eq!(line(Kind::CommandEnded, b"cut", Lang::En), None);
    }
}
