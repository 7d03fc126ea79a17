//! The report as JSON Lines: docs/events.md. Sentences are in the language that was asked for.

use super::look::Look;
use super::{report, words};
use crate::catalogue::Lang;
use crate::journal::Line;

/// A line for each permit, setting and fact, then one for the whole.
pub(super) fn write(look: &Look, lang: Lang, out: &mut String) {
    for permit in &look.permits {
        let mut line = Line::new(look.time, "permit");
        line.put("what", words::what_name(permit.what))
            .put("grade", words::grade_name(permit.grade))
            .put("why", &words::ground(permit, lang));
        out.push_str(&line.finish());
    }
    for setting in &look.settings {
        let said = words::setting(setting);
        let better = look.suggestion(setting);
        let why = better.map(|it| words::why(it.why, lang));
        let defaults: Vec<_> = setting.defaults.iter().map(|&it| it.to_owned()).collect();
        let mut line = Line::new(look.time, "setting");
        line.put("setting", setting.name)
            .put_some("value", look.values.get(setting.name).map(String::as_str))
            .list("defaults", &defaults)
            .put_some("better", better.map(|it| &*it.to))
            .put_some("why", why.as_deref())
            .put("does", said.does.get(lang))
            .put("when", said.when.get(lang))
            .put_some("not", said.not.map(|not| not.get(lang)))
            .put("source", setting.source);
        out.push_str(&line.finish());
    }
    for fact in look.facts.iter().flat_map(|it| report::counted(it, lang)) {
        let mut line = Line::new(look.time, "fact");
        line.put("fact", fact.name).number("count", fact.count);
        if let Some(of) = fact.of {
            line.number("of", of);
        }
        line.put("sentence", &fact.said);
        out.push_str(&line.finish());
    }
    let mut line = Line::new(look.time, "examined");
    line.put("host", &look.host)
        .put("kernel", &look.kernel)
        .number("uid", look.uid.into())
        .number("settings", look.settings.len() as u64)
        .number("better", look.suggestions.len() as u64);
    out.push_str(&line.finish());
}
