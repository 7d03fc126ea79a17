//! A page: drafts that are one message of the stream.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::log::{Act, Draft, Entry, MsgId};

/// Drafts on a page at most; so many places each message of the stream has in the order of all.
pub(super) const PAGE_DRAFTS: usize = 512;

/// How many bits of a place in the order say which draft of a page it is.
const PLACE_BITS: u32 = 10;

/// Bytes of a page at most, but for a single draft.
pub(super) const PAGE_BYTES: usize = 256 * 1024;

/// What the form of pages is called; another one would be read by servers of another version only.
const VERSION: u32 = 1;

/// Drafts as they are published.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) ids: Vec<MsgId>,
    /// The drafts as JSON, with commas between.
    text: Vec<u8>,
}

/// A page as it is read.
#[derive(Serialize, Deserialize)]
struct Read {
    v: u32,
    drafts: Vec<Draft>,
}

/// The same if something in it is not known here.
#[derive(Deserialize)]
struct Foreign {
    drafts: Vec<serde_json::Value>,
}

impl Page {
    /// What a draft costs while it waits.
    pub(super) fn cost(draft: &Draft) -> usize {
        let said = match &draft.act {
            Act::Say { text, tags, .. } => text.len() + tags.len(),
            _ => 256,
        };
        said + 256
    }

    /// Takes a draft, unless the page is full.
    pub(super) fn take(&mut self, draft: &Draft, drafts: usize, bytes: usize) -> bool {
        if self.ids.len() >= drafts {
            return false;
        }
        let start = self.text.len();
        if start > 0 {
            self.text.push(b',');
        }
        // Drafts have no maps with keys that are no text: JSON can say all of them.
        if serde_json::to_writer(&mut self.text, draft).is_err()
            || (start > 0 && self.text.len() > bytes)
        {
            self.text.truncate(start);
            return false;
        }
        self.ids.push(draft.id.clone());
        true
    }

    /// What it is called: as its first draft.
    pub(super) fn name(&self) -> &str {
        self.ids.first().map_or("", MsgId::as_str)
    }

    pub(super) fn body(&self) -> Vec<u8> {
        let mut body = format!("{{\"v\":{VERSION},\"drafts\":[").into_bytes();
        body.extend_from_slice(&self.text);
        body.extend_from_slice(b"]}");
        body
    }
}

/// The entries of a page that was read at this place of the stream. What a server of a later version
/// has said and this one does not know is left out, and the others keep their places.
pub(super) fn entries(body: &[u8], place: u64, time_ms: u64) -> Vec<Entry> {
    let drafts: Vec<Option<Draft>> = match serde_json::from_slice::<Read>(body) {
        Ok(page) => page.drafts.into_iter().map(Some).collect(),
        Err(_) => serde_json::from_slice::<Foreign>(body)
            .map(|page| page.drafts)
            .unwrap_or_default()
            .into_iter()
            .map(|draft| serde_json::from_value(draft).ok())
            .collect(),
    };
    let mut entries: Vec<Entry> = vec![];
    for (at, draft) in drafts.into_iter().enumerate().take(1 << PLACE_BITS) {
        let Some(mut draft) = draft else {
            continue;
        };
        // What one author says in a row leaves in one write, which goes by whether it is the same.
        if let Some(before) = entries.last()
            && before.draft.from == draft.from
        {
            draft.from = Arc::clone(&before.draft.from);
        }
        entries.push(Entry {
            seq: (place << PLACE_BITS) + at as u64,
            time_ms,
            draft,
        });
    }
    entries
}

/// The place in the stream of an entry that is the last one of its page, or of one before it.
pub(super) fn place_of(seq: u64) -> u64 {
    seq >> PLACE_BITS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Source, Target, Verb};

    fn draft(counter: u64, text: &str) -> Draft {
        let from = Source {
            nick: "tom".into(),
            ..Source::default()
        };
        Draft {
            id: MsgId::new(7, counter),
            from: Arc::new(from),
            act: Act::Say {
                verb: Verb::Privmsg,
                to: Target::Room("#r".into()),
                text: text.into(),
                tags: String::new(),
            },
        }
    }

    #[test]
    fn what_is_on_a_page_comes_off_it_in_its_order() {
        let drafts = [draft(1, "one"), draft(2, "二 \"\u{1}"), draft(3, "")];
        let mut page = Page::default();
        for draft in &drafts {
            assert!(page.take(draft, PAGE_DRAFTS, PAGE_BYTES));
        }
        assert_eq!(page.name(), drafts[0].id.as_str());
        let read = entries(&page.body(), 5, 1000);
        let back: Vec<_> = read.iter().map(|entry| entry.draft.clone()).collect();
        assert_eq!(back, drafts);
        assert!(Arc::ptr_eq(&read[0].draft.from, &read[2].draft.from));
        let later = entries(&page.body(), 6, 1001);
        assert!(read[2].seq < later[0].seq, "{read:?} {later:?}");
        assert_eq!(place_of(read[0].seq), 5);
        assert_eq!(place_of(read[2].seq), 5);
    }

    #[test]
    fn a_page_has_limits_and_takes_one_draft_of_any_length() {
        let mut page = Page::default();
        assert!(page.take(&draft(1, &"x".repeat(2000)), 2, 1000));
        assert!(!page.take(&draft(2, "y"), 2, 1000), "too long");
        assert!(page.take(&draft(2, "y"), 2, 10_000));
        assert!(!page.take(&draft(3, "z"), 2, 10_000), "too many");
        assert_eq!(entries(&page.body(), 1, 1).len(), 2);
    }

    /// A server of a later version may say what this one does not know.
    #[test]
    fn what_is_not_known_is_left_out_and_moves_nothing() {
        let mut page = Page::default();
        page.take(&draft(1, "one"), 9, 9000);
        page.take(&draft(2, "two"), 9, 9000);
        let text = String::from_utf8(page.body()).unwrap();
        let foreign = text.replacen("\"say\"", "\"sing\"", 1);
        let read = entries(foreign.as_bytes(), 3, 1);
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].seq, (3 << PLACE_BITS) + 1);
        assert!(entries(b"\xff{", 3, 1).is_empty());
    }
}
