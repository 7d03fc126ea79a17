//! What is true of every line, whoever wrote it: for property tests and fuzzing.

use super::{Line, Mask, Message, Who, escape, is_nick, is_room, shown_text, unescape, user_name};

/// Checks any bytes as a line, as tags, names and masks.
///
/// # Panics
/// When a law is broken.
pub fn check_line(bytes: &[u8]) {
    check_message(bytes);
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let free = text.replace('\0', " ");
    assert_eq!(unescape(&escape(&free)), free);
    for name in text.split([' ', ',', '!']) {
        check_name(name);
    }
    let (mask, source) = text.split_once(' ').unwrap_or((text, text));
    let mask = Mask::new(mask);
    mask.fits(source);
    assert!(Mask::new("*").fits(&format!("{}!@", source.replace(['!', '@'], ""))));
    assert_eq!(Mask::new(mask.as_str()), mask, "what is complete stays");
}

fn check_name(name: &str) {
    let has_blank = |name: &str| name.contains([' ', '\r', '\n', '\0', ',']);
    assert!(!is_nick(name) || !has_blank(name) && !name.contains(['!', '@', ':', '*']));
    assert!(!is_room(name) || !has_blank(name) && name.starts_with('#'));
    let user = user_name(name, 18);
    assert!(!user.is_empty() && user.len() <= 18 && !has_blank(&user.replace(',', "")));
    assert!(!shown_text(name, 60).contains(char::is_control));
}

/// What was read and is written again is read as the same message.
fn check_message(bytes: &[u8]) {
    let said = Message::parse_said(bytes);
    let Ok(message) = Message::parse(bytes) else {
        assert!(said.is_err());
        return;
    };
    assert!(said.is_err_and(|error| error.is_too_long()) || said == Ok(message));
    let written = write(&message);
    let line = written
        .strip_suffix(b"\r\n")
        .expect("a line ends with CR LF");
    let again = Message::parse(line).expect("what we write is a message");
    assert_eq!(again.source, message.source);
    assert_eq!(again.command, message.command);
    assert_eq!(again.params(), message.params());
    let tags = |message: &Message<'_>| {
        let tags = message.tags.iter();
        tags.map(|(key, value)| (key.to_owned(), unescape(value).into_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(tags(&again), tags(&message));
    if let Some(source) = message.source {
        let Who { name, user, host } = Who::of(source);
        let parts = [("", Some(name)), ("!", user), ("@", host)];
        let whole = parts.map(|(sign, part)| part.map_or(String::new(), |p| format!("{sign}{p}")));
        assert_eq!(whole.concat(), source);
    }
}

fn write(message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut line = Line::new(&mut out);
    for (key, value) in message.tags.iter() {
        line = line.tag(key, &unescape(value));
    }
    if let Some(source) = message.source {
        line = line.source(source);
    }
    line = line.command(message.command);
    match message.params().split_last() {
        Some((last, others)) => {
            for param in others {
                line = line.param(param);
            }
            line.end_with(last);
        }
        None => line.end(),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_never_panic(bytes in vec(any::<u8>(), 0..64)) {
            check_line(&bytes);
        }

        #[test]
        fn lines_never_panic(line in "[@:]?[a-z!@;=\\\\+é ]{0,20}[ :]{0,3}[a-zA-Z0-9]{0,4}[ :a*?,#\r]{0,40}") {
            check_line(line.as_bytes());
        }

        #[test]
        fn what_is_written_is_read_again(
            tags in vec(("[a-z./+]{1,8}", "[^\0]{0,12}"), 0..4),
            source in proptest::option::of("[a-z树!@.]{1,12}"),
            command in "[A-Z]{1,9}|[0-9]{3}",
            middle in vec("[^ :\r\n\0][^ \r\n\0]{0,8}", 0..14),
            last in proptest::option::of("[^\r\n\0]{0,20}"),
        ) {
            let mut out = Vec::new();
            let mut line = Line::new(&mut out);
            for (key, value) in &tags {
                line = line.tag(key, value);
            }
            if let Some(source) = &source {
                line = line.source(source);
            }
            line = line.command(&command);
            for param in &middle {
                line = line.param(param);
            }
            match &last {
                Some(last) => line.end_with(last),
                None => line.end(),
            }
            let message = Message::parse(out.strip_suffix(b"\r\n").unwrap()).unwrap();
            let read: Vec<_> = message.tags.iter().map(|(k, v)| (k.to_owned(), unescape(v).into_owned())).collect();
            prop_assert_eq!(read, tags);
            prop_assert_eq!(message.source, source.as_deref());
            prop_assert_eq!(message.command, command);
            let params: Vec<_> = middle.iter().chain(&last).map(String::as_str).collect();
            prop_assert_eq!(message.params(), params);
            check_line(&out[..out.len() - 2]);
        }
    }
}
