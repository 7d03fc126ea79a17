//! What the tests of findings share.

use crate::sample::Script;
use crate::{Session, Timeline};

use super::{Finding, Topic, find, topics};

/// What is found in a session, each finding held against what every finding promises.
pub(super) fn findings(session: &Session) -> Vec<Finding> {
    let timeline = Timeline::build(session);
    let found = find(&timeline);
    for finding in &found {
        holds(&timeline, finding);
    }
    found
}

fn holds(timeline: &Timeline<'_>, finding: &Finding) {
    assert!(
        topics().any(|topic| topic.name == finding.name),
        "{finding:?}"
    );
    assert!(finding.facts.len() <= Topic::FACTS, "{finding:?}");
    for fact in &finding.facts {
        assert!(fact.index() < timeline.session.len(), "{finding:?}");
    }
    assert!(finding.count > 0, "{finding:?}");
    let [en, zh] = &finding.sentence;
    assert!(
        en.ends_with('.') && en.is_ascii() | en.contains(['…', 'µ']),
        "{en}"
    );
    assert!(
        zh.ends_with('。') && !zh.contains(['.', ' ']) | zh.chars().any(|c| c > '一'),
        "{zh}"
    );
    assert!(!en.contains("  ") && !en.contains("the server's's"), "{en}");
    let Some(flow) = finding.flow else {
        assert_eq!(
            (finding.way, &finding.bytes),
            (None, &(0..0)),
            "{finding:?}"
        );
        return;
    };
    let flow = &timeline.flows[flow as usize];
    let Some(way) = finding.way else { return };
    let way = &flow.ways[usize::from(way)];
    let all = way.written.max(way.carried).max(way.read);
    let bytes = &finding.bytes;
    assert!(
        bytes.start <= bytes.end && bytes.end <= all,
        "{finding:?} of {all}"
    );
}

/// The English sentences under a name.
pub(super) fn told(script: Script, topic: &Topic) -> Vec<String> {
    let found = findings(&script.session());
    let named = found
        .into_iter()
        .filter(|finding| finding.name == topic.name);
    named.map(|finding| finding.sentence[0].clone()).collect()
}

/// The one finding under a name.
pub(super) fn only(script: Script, topic: &Topic) -> Finding {
    let found = findings(&script.session());
    let mut named = found.iter().filter(|finding| finding.name == topic.name);
    match (named.next(), named.next()) {
        (Some(one), None) => one.clone(),
        _ => panic!("{found:#?}"),
    }
}
