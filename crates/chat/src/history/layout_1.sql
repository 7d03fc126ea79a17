-- Where things are said: a room, or two persons.
CREATE TABLE conversation (
    id    INTEGER PRIMARY KEY,
    -- `#room` folded, or both identities in their order with a blank between.
    key   TEXT NOT NULL UNIQUE,
    -- The room's name as it was first written; NULL for two persons.
    name  TEXT,
    -- Both identities: a folded account, or `~` and a folded nick of somebody without one.
    one   TEXT,
    other TEXT
);
CREATE INDEX conversation_of_one ON conversation (one) WHERE one IS NOT NULL;
CREATE INDEX conversation_of_other ON conversation (other) WHERE other IS NOT NULL;

-- What was said, and topics. Places (seq) only grow, and times never shrink with them.
CREATE TABLE message (
    seq          INTEGER PRIMARY KEY,
    time_ms      INTEGER NOT NULL,
    msgid        TEXT NOT NULL UNIQUE,
    conversation INTEGER NOT NULL REFERENCES conversation (id),
    -- PRIVMSG, NOTICE or TOPIC.
    verb         TEXT NOT NULL,
    nick         TEXT NOT NULL,
    user         TEXT NOT NULL,
    host         TEXT NOT NULL,
    account      TEXT,
    -- To whom, between two persons.
    to_nick      TEXT,
    to_account   TEXT,
    text         TEXT NOT NULL,
    -- What clients say to each other with it, as it is written on the wire.
    tags         TEXT NOT NULL
);
-- Every index of SQLite ends in the rowid: this one is (conversation, time_ms, seq).
CREATE INDEX message_in_order ON message (conversation, time_ms);

-- Three characters each and where they occur; without their places in the text, which is looked at.
CREATE VIRTUAL TABLE message_text USING fts5 (
    text, content = 'message', content_rowid = 'seq', tokenize = 'trigram', detail = 'none'
);

CREATE TABLE room (
    -- The name, folded.
    key         TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    since_ms    INTEGER NOT NULL,
    founder     TEXT,
    topic       TEXT,
    topic_by    TEXT,
    topic_ms    INTEGER
) WITHOUT ROWID;

-- The last change of each mode of a room; of modes that are lists, of each entry.
CREATE TABLE room_mode (
    room    TEXT NOT NULL,
    mode    TEXT NOT NULL,
    -- The entry of a list; empty for what is no list.
    entry   TEXT NOT NULL,
    is_set  INTEGER NOT NULL,
    param   TEXT,
    by      TEXT NOT NULL,
    set_ms  INTEGER NOT NULL,
    -- The place of the change: they are read in its order.
    seq     INTEGER NOT NULL,
    PRIMARY KEY (room, mode, entry)
) WITHOUT ROWID;

CREATE TABLE account (
    -- The name, folded.
    key       TEXT PRIMARY KEY,
    name      TEXT NOT NULL,
    -- As argon2 writes it (PHC string).
    password  TEXT NOT NULL,
    since_ms  INTEGER NOT NULL
) WITHOUT ROWID;

-- last_seq and last_time_ms: the last place given; indexed: the last one that message_text knows.
CREATE TABLE state (
    name   TEXT PRIMARY KEY,
    value  INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO state VALUES ('last_seq', 0), ('last_time_ms', 0), ('indexed', 0);
