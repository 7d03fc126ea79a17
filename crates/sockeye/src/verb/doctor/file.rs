//! What should be another, as a file for sysctl(8).

use std::fmt::{Display, Write as _};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use sockeye_net::Errno;
use sockeye_trace::render::text::wrap;

use super::look::Look;
use super::words;
use crate::catalogue::Lang;
use crate::catalogue::doctor as text;
use crate::exit::{unwritten, usage};
use crate::ui::{escape, write_stdout};
use crate::verb::show::Target;

/// Columns of a comment.
const WIDTH: usize = 96;

/// Writes the file, and returns what to say about it. Where nothing should be another, none is written.
///
/// - **Errors:** the file is there and `force` was not asked for; it cannot be written.
pub(super) fn write(look: &Look, lang: Lang, to: &Target, force: bool) -> anyhow::Result<String> {
    let path = match to {
        Target::Stdout => "-".to_owned(),
        Target::File(path) => path.display().to_string(),
    };
    let count = look.suggestions.len();
    let values: [(&str, &dyn Display); 2] = [("path", &path), ("n", &count)];
    if count == 0 {
        return Ok(text::NOTHING_TO_WRITE.fill(lang, &values[..1]));
    }
    let content = content(look, lang, &path);
    match to {
        Target::Stdout => write_stdout(content.as_bytes())?,
        Target::File(file) => save(file, content.as_bytes(), force)?,
    }
    Ok(text::WROTE.fill(lang, &values))
}

/// The text of the file.
pub(super) fn content(look: &Look, lang: Lang, path: &str) -> String {
    // Names of hosts and files end no comment, whatever is in them.
    let path = escape(path);
    let host = escape(&look.host);
    let kernel = escape(&look.kernel);
    let mut out = String::new();
    let head: [(&str, &dyn Display); 2] = [("host", &host), ("kernel", &kernel)];
    comment(&text::FILE_HEAD.fill(lang, &head), &mut out);
    for line in [text::FILE_TRY, text::FILE_KEEP] {
        // Lines with a command stay whole.
        let _ = writeln!(out, "# {}", line.fill(lang, &[("path", &path)]));
    }
    comment(text::FILE_BACK.get(lang), &mut out);
    for setting in &look.settings {
        let Some(it) = look.suggestion(setting) else {
            continue;
        };
        let said = words::setting(setting);
        let was: [(&str, &dyn Display); 2] = [("name", &setting.name), ("value", &it.here)];
        out.push('\n');
        comment(&text::FILE_WAS.fill(lang, &was), &mut out);
        comment(said.does.get(lang), &mut out);
        let why = words::why(it.why, lang);
        comment(&text::FILE_WHY.fill(lang, &[("why", &why)]), &mut out);
        if let Some(not) = said.not {
            comment(not.get(lang), &mut out);
        }
        let _ = writeln!(out, "{} = {}", setting.name, it.to);
    }
    out
}

fn comment(said: &str, out: &mut String) {
    for line in wrap(said, WIDTH) {
        let _ = writeln!(out, "# {line}");
    }
}

fn save(path: &Path, content: &[u8], force: bool) -> anyhow::Result<()> {
    let name = path.display();
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create_new(!force)
        .create(force)
        .truncate(force);
    let mut file = options.open(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => usage!("{name} is there already: --force writes over it"),
        _ => usage!("{name}: {}", Errno::of(&error)),
    })?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.map_err(|error| unwritten(&name.to_string(), Errno::of(&error)))
}
