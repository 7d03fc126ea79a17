//! JSON that may stand in a script element: nothing in it can end the element, start a comment, or
//! turn a line of text around.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// Writes a value.
pub(super) fn write(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, Safe))?;
    Ok(())
}

/// Compact JSON whose strings have what is dangerous as `\uXXXX`.
struct Safe;

impl Formatter for Safe {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut done = 0;
        for (at, found) in fragment.match_indices(is_dangerous) {
            writer.write_all(&fragment.as_bytes()[done..at])?;
            let mut units = [0; 2];
            for unit in found
                .chars()
                .flat_map(|c| c.encode_utf16(&mut units).to_vec())
            {
                write!(writer, "\\u{unit:04x}")?;
            }
            done = at + found.len();
        }
        writer.write_all(&fragment.as_bytes()[done..])
    }
}

/// What HTML reads as markup, what JavaScript reads as the end of a line, what turns text around
/// (Unicode Standard Annex 9), and control characters above those that JSON escapes anyway.
fn is_dangerous(c: char) -> bool {
    matches!(c, '<' | '>' | '&' | '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dangerous_is_escaped_and_reads_back() {
        let text = "a</script><!-- & \u{2028}\u{202e}\u{85}\u{feff}\u{1b} 你好 \u{1f600}";
        let mut out = Vec::new();
        write(&text, &mut out).unwrap();
        let json = String::from_utf8(out).unwrap();
        for c in [
            '<', '>', '&', '\u{2028}', '\u{202e}', '\u{85}', '\u{feff}', '\u{1b}',
        ] {
            assert!(!json.contains(c), "{json}");
        }
        assert!(json.contains("你好"), "what harms nobody stays readable");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
