//! Files that peers store and get, as lines for people.

use serde_json::Value;
use sockeye_trace::Kind;

use crate::catalogue::{self as say, Lang, counted_bytes};
use crate::ui::escape;

/// Who stored or got what, or why not.
pub(super) fn line(kind: Kind, payload: &[u8], lang: Lang) -> Option<String> {
    let told: Value = serde_json::from_slice(payload).ok()?;
    let text = |name: &str| escape(told[name].as_str().unwrap_or_default()).into_owned();
    let number = |name: &str| told[name].as_u64().unwrap_or_default();
    let name = match text("file_name") {
        // The root itself.
        name if name.is_empty() => "\"\"".to_owned(),
        name => name,
    };
    let what = match kind {
        Kind::FileStored => say::FILE_STORED,
        Kind::FileSent => say::FILE_SENT,
        Kind::FileRefused => say::FILE_REFUSED,
        _ => say::FILE_INTERRUPTED,
    };
    let who = text("who");
    Some(match kind {
        Kind::FileStored | Kind::FileSent => what.fill(
            lang,
            &[
                ("who", &who),
                ("name", &name),
                ("bytes", &counted_bytes(number("bytes"), lang)),
                ("ms", &number("took_ms")),
            ],
        ),
        Kind::FileRefused => what.fill(
            lang,
            &[("who", &who), ("name", &name), ("error", &text("error"))],
        ),
        _ => what.fill(
            lang,
            &[
                ("who", &who),
                ("name", &name),
                ("bytes", &counted_bytes(number("bytes"), lang)),
            ],
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_in_both_languages_and_steer_no_terminal() {
        let check = |kind, payload: &str, lang, expected: &str| {
            let line = line(kind, payload.as_bytes(), lang);
            assert_eq!(line.as_deref(), Some(expected));
        };
        let stored = r#"{"who":"uid 1000","file_name":"a\u001b[2J","bytes":1,"took_ms":5}"#;
        check(
            Kind::FileStored,
            stored,
            Lang::En,
            "uid 1000 stored a\\x1b[2J, 1 byte in 5 ms",
        );
        check(
            Kind::FileStored,
            stored,
            Lang::Zh,
            "uid 1000 存入 a\\x1b[2J，1 字节，用时 5 毫秒",
        );
        let refused =
            r#"{"who":"anyone","file_name":"","code":"bad_name","error":"a name is empty"}"#;
        check(
            Kind::FileRefused,
            refused,
            Lang::En,
            "anyone was refused \"\": a name is empty",
        );
        let part = r#"{"who":"anyone","file_name":"b","bytes":7}"#;
        check(
            Kind::FileInterrupted,
            part,
            Lang::En,
            "b of anyone broke off, 7 bytes are kept",
        );
    }
}
