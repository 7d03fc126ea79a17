//! Paragraphs of an explanation, laid out for a terminal.

use sockeye_trace::render::text::wrap;
use unicode_width::UnicodeWidthChar;

/// Lines of more columns are hard to read.
const WIDEST: usize = 100;

/// The lines of a text: paragraphs stand apart and are broken anew for `width` columns; lines that begin
/// with spaces stay as they are; a line that begins with `- ` begins an item of a list.
pub(super) fn lay_out(text: &str, width: usize) -> Vec<String> {
    let width = width.min(WIDEST);
    let mut lines: Vec<String> = vec![];
    let mut paragraph = String::new();
    for line in text.trim_end().lines() {
        let begins = line.starts_with("- ");
        if line.starts_with(' ') || line.trim().is_empty() || begins {
            flush(&mut paragraph, width, &mut lines);
        }
        if line.starts_with(' ') || line.trim().is_empty() {
            lines.push(line.trim_end().to_owned());
        } else {
            join(&mut paragraph, line.trim());
        }
    }
    flush(&mut paragraph, width, &mut lines);
    let first = lines.iter().position(|line| !line.is_empty());
    lines.split_off(first.unwrap_or(lines.len()))
}

/// Adds a line to a paragraph: behind a space, but not between two hanzi.
fn join(paragraph: &mut String, line: &str) {
    let wide = |c: Option<char>| c.is_some_and(|c| c.width() == Some(2));
    let touches = wide(paragraph.chars().next_back()) && wide(line.chars().next());
    if !paragraph.is_empty() && !touches {
        paragraph.push(' ');
    }
    paragraph.push_str(line);
}

fn flush(paragraph: &mut String, width: usize, lines: &mut Vec<String>) {
    if paragraph.is_empty() {
        return;
    }
    let text = std::mem::take(paragraph);
    match text.strip_prefix("- ") {
        Some(item) => {
            for (place, line) in wrap(item, width.saturating_sub(2)).into_iter().enumerate() {
                let mark = if place == 0 { "- " } else { "  " };
                lines.push(format!("{mark}{line}"));
            }
        }
        None => lines.extend(wrap(&text, width)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_broken_anew_and_tables_stay() {
        let text =
            "one two\nthree four\n\n  a   table\n  of  two\n\n- first item is long\n- second\n";
        let expected = [
            "one two",
            "three four",
            "",
            "  a   table",
            "  of  two",
            "",
            "- first item",
            "  is long",
            "- second",
        ];
        assert_eq!(lay_out(text, 12), expected);
    }

    #[test]
    fn chinese_lines_join_without_a_space() {
        assert_eq!(lay_out("字节\n流", 80), ["字节流"]);
        assert_eq!(lay_out("字节\nTCP\n流", 80), ["字节 TCP 流"]);
        assert_eq!(lay_out("\n", 80), [""; 0]);
    }
}
