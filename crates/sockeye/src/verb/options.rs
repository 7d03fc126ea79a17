//! `-o help`: the socket options that an endpoint takes.

use sockeye_net::options::OPTIONS;

use crate::catalogue::{self as say, Lang};
use crate::ui::Table;

/// The options as a table for people, if `asked` wants them instead of setting one.
pub(super) fn list(asked: &[String], lang: Lang) -> Option<String> {
    if !asked.iter().any(|option| option == "help") {
        return None;
    }
    let mut table = Table::default();
    for spec in OPTIONS {
        let doc = match lang {
            Lang::En => spec.doc,
            Lang::Zh => spec.doc_zh,
        };
        table.row([spec.name, doc]);
        table.row(["", &format!("{}; {}", spec.fits, spec.source)]);
    }
    Some(format!(
        "{}\n\n{}",
        say::OPTIONS.get(lang),
        table.render("  ")
    ))
}
