//! What depends on the moment and the machine, taken out of a picture.

/// Durations below this are noise.
const SHOWN_MS: f64 = 10.0;

/// The part of a report that shows conversations and what was found there, without times, ports, process
/// ids and sizes of buffers. Columns stay where they are.
pub(crate) fn picture(report: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for line in report.lines() {
        if line.starts_with('#') {
            inside = true;
        }
        let ends = [
            "watched ",
            "seen ",
            "cost ",
            "dropped ",
            "观察对象",
            "看到",
            "代价",
            "丢失",
        ];
        if ends.iter().any(|end| line.starts_with(end)) {
            inside = false;
        }
        let of_buffers = ["   client: ", "   server: ", "   客户端：", "   服务器："];
        if !inside || of_buffers.iter().any(|head| line.starts_with(head)) {
            continue;
        }
        text.push_str(masked(line).trim_end());
        text.push('\n');
    }
    format!("{}\n", text.trim_end())
        .trim_start_matches('\n')
        .to_owned()
}

fn masked(line: &str) -> String {
    let line = without_time(line).replacen("      ms     ", "             ", 1);
    let line = without_ids(&line);
    let line = without_ports(&line);
    without_durations(&line)
}

/// The column of times at the left.
fn without_time(line: &str) -> String {
    let start = line.len() - line.trim_start().len();
    let rest = &line[start..];
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let is_time = rest[..end].contains('.') && start + end <= 12 && rest[end..].starts_with(' ');
    if is_time {
        format!("{}{}", " ".repeat(start + end), &rest[end..])
    } else {
        line.to_owned()
    }
}

/// `sockeye (8)`: the number.
fn without_ids(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(" (") {
        let (before, after) = rest.split_at(at);
        text.push_str(before);
        let digits = after[2..].chars().take_while(char::is_ascii_digit).count();
        if digits > 0 && after[2 + digits..].starts_with(')') {
            // In a column the place of it stays empty.
            let gap = if after[2 + digits + 1..].starts_with("  ") {
                digits + 3
            } else {
                0
            };
            text.push_str(&" ".repeat(gap));
            rest = &after[2 + digits + 1..];
        } else {
            text.push_str(" (");
            rest = &after[2..];
        }
    }
    text + rest
}

/// Ports that the kernel chose: those of five digits.
fn without_ports(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("10.0.0.") {
        let end = at + "10.0.0.1:".len();
        let Some(port) = rest.get(end..end + 5) else {
            break;
        };
        text.push_str(&rest[..end]);
        let chosen = rest[..end].ends_with(':') && port.bytes().all(|byte| byte.is_ascii_digit());
        text.push_str(if chosen { "ppppp" } else { port });
        rest = &rest[end + 5..];
    }
    text + rest
}

/// `13 µs` goes away, `104 ms` becomes `~100 ms`.
fn without_durations(line: &str) -> String {
    let mut text = line.to_owned();
    for unit in [" ns", " µs", " ms", " s"] {
        let mut from = 0;
        while let Some(found) = text[from..].find(unit) {
            let at = from + found;
            let end = at + unit.len();
            let goes_on = text[end..].starts_with(|c: char| c.is_alphanumeric());
            let number = text[..at].rfind(|c: char| !c.is_ascii_digit() && c != '.');
            let start = number.map_or(0, |place| {
                place + text[place..].chars().next().map_or(1, char::len_utf8)
            });
            let Some(value) = text[start..at].parse::<f64>().ok().filter(|_| !goes_on) else {
                from = end;
                continue;
            };
            let ms = match unit {
                " ms" => value,
                " s" => value * 1000.0,
                _ => 0.0,
            };
            let shown = rounded(ms);
            let width = end - start - usize::from(unit == " µs");
            let in_column = text[..start].ends_with("  ") || text[end..].is_empty();
            let shown = match shown {
                Some(shown) if in_column => format!("{shown:>width$}"),
                Some(shown) => shown,
                None if in_column => " ".repeat(width),
                None => "…".to_owned(),
            };
            text.replace_range(start..end, &shown);
            from = start + shown.len();
        }
    }
    text
}

/// A duration to one digit; none where it is noise.
fn rounded(ms: f64) -> Option<String> {
    if ms < SHOWN_MS {
        return None;
    }
    let mut size = 10.0;
    while ms >= size * 10.0 {
        size *= 10.0;
    }
    let ms = (ms / size).round() * size;
    Some(if ms >= 1000.0 {
        format!("~{} s", ms / 1000.0)
    } else {
        format!("~{ms} ms")
    })
}

const PICTURE: &str = "```text picture\n";
const LANES: &str = "```text lanes\n";

/// The page without its pictures.
pub(crate) fn without_pictures(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once(PICTURE) {
        text.push_str(before);
        rest = after.split_once("```\n").map_or("", |(_, after)| after);
    }
    text + rest
}

/// What the lanes of a page say and the picture above them does not show; pictures that were cut short
/// need not show everything.
pub(crate) fn lacking_in_pictures(page: &str) -> Option<String> {
    for part in page.split(PICTURE).skip(1) {
        let (picture, after) = part.split_once("```\n")?;
        let Some((_, lanes)) = after.split_once(LANES) else {
            continue;
        };
        let lanes = lanes.split("```").next().unwrap_or_default();
        if picture.contains('…') {
            continue;
        }
        for line in lanes.lines().filter_map(|line| line.split_once(": ")) {
            for item in line
                .1
                .split(" · ")
                .filter(|item| item.starts_with(char::is_lowercase))
            {
                let call = item.split(' ').next().unwrap_or_default();
                let is_call = !["data", "datagram", "fragment"].contains(&call);
                if is_call && !picture.contains(call) {
                    return Some(format!("the picture has no `{call}`"));
                }
            }
        }
    }
    None
}
