//! What goes after a while, and how what stays is found.

use super::*;
use crate::history::search::SEARCH_ROWS;

fn search(text: &str, limit: usize) -> Query {
    Query::Search {
        conversations: room("#r"),
        person: None,
        text: text.into(),
        from: None,
        after_ms: None,
        before_ms: None,
        limit,
    }
}

/// Nothing of the index is left that the table does not have, and the other way round.
fn check_index(history: &History) {
    let store = history.core.store();
    let check = "INSERT INTO message_text (message_text, rank) VALUES ('integrity-check', 1)";
    store.connection.execute(check, []).unwrap();
    let sound: String = store
        .connection
        .pragma_query_value(None, "integrity_check", |row| row.get(0))
        .unwrap();
    assert_eq!(sound, "ok");
}

/// Deletes until there is nothing more to delete.
fn retain(history: &History, now_ms: u64) -> usize {
    let rounds = (0..1_000).take_while(|_| history.core.retain_some(now_ms).unwrap());
    rounds.count()
}

#[test]
fn old_messages_go_and_leave_nothing_in_the_index() {
    let (_folder, path) = place();
    let options = HistoryOptions {
        max_age: Duration::from_secs(10),
        ..HistoryOptions::default()
    };
    // The times of these are long ago; nothing deletes them before the test says so.
    let history = History::open(&path, HistoryOptions::default()).unwrap();
    let entries: Vec<_> = (1..=1_500)
        .map(|seq| Entry {
            seq,
            time_ms: seq * 1_000,
            draft: said(seq, "#r", &format!("word {seq}")),
        })
        .collect();
    history.cache(&entries).unwrap();
    wait_until_indexed(&history);
    drop(history);
    let open = Open::at(&path, options);
    retain(&open.history, 1_500_000);
    let found = open.finds(latest(room("#r"), 2_000)).entries;
    // Those of the last ten seconds, or none if the thread itself has come to them: they are old.
    assert!(
        found.iter().all(|entry| entry.time_ms >= 1_490_000),
        "{found:?}"
    );
    assert!(found.len() <= 11);
    check_index(&open.history);
    assert_eq!(open.history.last_seq(), 1_500);
}

#[test]
fn a_conversation_keeps_its_last_messages() {
    let (_folder, path) = place();
    let options = HistoryOptions {
        max_messages: 100,
        ..HistoryOptions::default()
    };
    let open = Open::at(&path, options);
    let drafts = |room: &str, from: u64, count| {
        (from..from + count)
            .map(|id| said(id, room, &format!("{room} {id}")))
            .collect()
    };
    open.keeps(drafts("#r", 1, 1_300));
    open.keeps(drafts("#s", 2_001, 50));
    open.keeps(drafts("#t", 3_001, 150));
    wait_until_indexed(&open.history);
    retain(&open.history, super::super::now_ms());
    for (name, count) in [("#r", 100), ("#s", 50), ("#t", 100)] {
        let found = open.finds(latest(room(name), 2_000)).entries;
        assert_eq!(found.len(), count, "{name}");
    }
    let found = open.finds(latest(room("#r"), 1)).entries;
    assert_eq!(texts(&found), ["#r 1300"]);
    check_index(&open.history);
    // Places are never given twice, also after a store has lost its last messages.
    let next = open.keeps(vec![said(9_999, "#r", "next")]);
    assert_eq!(next[0].seq, 1_501);
}

#[test]
fn a_search_finds_what_is_not_indexed_yet() {
    let (_folder, path) = place();
    let open = Open::at(&path, HistoryOptions::default());
    open.keeps(
        (1..=700)
            .map(|id| said(id, "#r", "一棵树 stands here"))
            .collect(),
    );
    wait_until_indexed(&open.history);
    open.keeps(vec![said(701, "#r", "another 一棵树")]);
    // The newest is found whether the index has come to it or not.
    let found = open.finds(search("一棵树", 2));
    assert_eq!(
        texts(&found.entries),
        ["一棵树 stands here", "another 一棵树"]
    );
    assert!(!found.stopped_early);
    for (text, count) in [
        ("棵树", 701),
        ("STANDS HERE", 700),
        ("树 stands", 700),
        ("\"quoted\"", 0),
        ("一棵树 AND stands", 0),
        ("", 701),
    ] {
        assert_eq!(
            open.finds(search(text, 1_000)).entries.len(),
            count,
            "{text}"
        );
    }
}

#[test]
fn a_search_that_looks_at_everything_ends_and_says_so() {
    let (_folder, path) = place();
    let open = Open::at(&path, HistoryOptions::default());
    open.keeps(vec![said(1, "#r", "ox")]);
    {
        // As many as one search looks at, and more; made by SQLite itself, for speed.
        let store = open.history.core.store();
        store
            .connection
            .execute(
                "WITH RECURSIVE n (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n <= ?1) \
                 INSERT INTO message (seq, time_ms, msgid, conversation, verb, nick, user, host, \
                 text, tags) SELECT n, m.time_ms, 'x' || n, m.conversation, m.verb, m.nick, \
                 m.user, m.host, 'no', '' FROM n, message m WHERE m.seq = 1",
                [SEARCH_ROWS as i64 + 10],
            )
            .unwrap();
    }
    let began = Instant::now();
    let found = open.finds(search("ox", 10));
    assert!(found.stopped_early && found.entries.is_empty());
    assert!(began.elapsed() < DEADLINE);
    // What is young is found before.
    let found = open.finds(search("no", 10));
    assert_eq!(found.entries.len(), 10);
    assert!(!found.stopped_early);
}

#[test]
fn an_answer_that_takes_too_long_is_given_up() {
    use crate::history::readers::within;
    let mut connection = Connection::open_in_memory().unwrap();
    let endless = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) \
                   SELECT count(*) FROM n";
    let count = |connection: &Connection| connection.query_row(endless, [], |_| Ok(()));
    let answer = within(&mut connection, Duration::from_millis(20), count);
    assert!(matches!(
        answer,
        Err(HistoryError::TooSlow { limit_ms: 20 })
    ));
    // The next one has its own time.
    let one = |connection: &Connection| connection.query_row("SELECT 1", [], |row| row.get(0));
    let answer: i64 = within(&mut connection, DEADLINE, one).unwrap();
    assert_eq!(answer, 1);
}

#[test]
fn an_export_has_every_message_in_order_while_a_server_runs() {
    let (_folder, path) = place();
    let open = Open::at(&path, HistoryOptions::default());
    open.keeps(
        (1..=2_500)
            .map(|id| said(id, "#R", &format!("line {id}")))
            .collect(),
    );
    let mut topic = said(2_501, "#R", "");
    topic.act = Act::Topic {
        room: "#R".into(),
        text: "about\x07 trees".into(),
    };
    let last = open.keeps(vec![topic]);
    let mut out = vec![];
    assert_eq!(export(&path, Format::JsonLines, &mut out).unwrap(), 2_501);
    let lines: Vec<serde_json::Value> = String::from_utf8(out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!((1..=2_501).eq(lines.iter().map(|line| line["seq"].as_u64().unwrap())));
    assert_eq!(
        (&lines[6]["text"], &lines[6]["to"]),
        (&"line 7".into(), &"#R".into())
    );
    assert_eq!(lines[2_500]["verb"], "TOPIC");
    drop(open);
    // And without a server.
    let mut out = vec![];
    export(&path, Format::of(Path::new("all.txt")), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let time = crate::irc::time_text(last[0].time_ms);
    assert_eq!(
        text.lines().last().unwrap(),
        format!("{} #R * tom sets the topic: about\\u{{7}} trees", &*time)
    );
    assert!(text.lines().next().unwrap().ends_with(" #R <tom> line 1"));
    assert_eq!(Format::of(Path::new("-")), Format::JsonLines);
    let missing = export(&path.with_extension("none"), Format::Text, &mut vec![]);
    assert!(missing.is_err());
}
