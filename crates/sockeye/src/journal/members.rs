//! Members of a chat who come and go, as lines for people.

use serde_json::Value;
use sockeye_trace::Kind;

use crate::catalogue::{self as say, Lang};
use crate::ui::escape;

/// Who came or went, and why.
pub(super) fn line(kind: Kind, payload: &[u8], lang: Lang) -> Option<String> {
    let told: Value = serde_json::from_slice(payload).ok()?;
    let text = |name: &str| escape(told[name].as_str().unwrap_or_default()).into_owned();
    let nick = text("nick");
    Some(match kind {
        Kind::MemberIn if told["account"].is_null() => {
            say::MEMBER_IN.fill(lang, &[("nick", &nick)])
        }
        Kind::MemberIn => {
            say::MEMBER_IN_AS.fill(lang, &[("nick", &nick), ("account", &text("account"))])
        }
        _ => say::MEMBER_OUT.fill(lang, &[("nick", &nick), ("reason", &text("reason"))]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_told_in_both_languages_and_steer_no_terminal() {
        let check = |kind, payload: &str, lang, expected: &str| {
            let line = line(kind, payload.as_bytes(), lang);
            assert_eq!(line.as_deref(), Some(expected));
        };
        let came = r#"{"nick":"tom"}"#;
        check(Kind::MemberIn, came, Lang::En, "tom is in the chat");
        let came = r#"{"nick":"tom","account":"thomas"}"#;
        check(
            Kind::MemberIn,
            came,
            Lang::En,
            "tom is in the chat, logged in as thomas",
        );
        check(Kind::MemberIn, came, Lang::Zh, "tom 进入聊天，账号 thomas");
        let gone = r#"{"nick":"tom","reason":"a\u001b[2J"}"#;
        check(
            Kind::MemberOut,
            gone,
            Lang::En,
            "tom left the chat: a\\x1b[2J",
        );
    }
}
