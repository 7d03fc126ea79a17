//! `-o help`: the socket options that an endpoint takes.

use sockeye_net::options::OPTIONS;

use crate::catalogue::{self as say, Lang};
use crate::ui::Table;

/// The options as a table for people.
pub(super) fn list(lang: Lang) -> String {
    let mut table = Table::default();
    for spec in OPTIONS {
        let doc = match lang {
            Lang::En => spec.doc,
            Lang::Zh => spec.doc_zh,
        };
        table.row([spec.name, doc]);
        table.row(["", &format!("{}; {}", spec.fits, spec.source)]);
    }
    format!("{}\n\n{}", say::OPTIONS.get(lang), table.render("  "))
}
