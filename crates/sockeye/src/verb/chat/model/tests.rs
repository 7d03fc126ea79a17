//! The model against servers and contacts that are only lines.

use super::*;

/// Half a minute past nineteen.
const NOW: u64 = 1_795_287_630_000;
/// Everything that our own server offers and that changes what the model does.
const CAPS: &str = "batch draft/chathistory echo-message labeled-response message-tags sasl=PLAIN,EXTERNAL server-time soju.im/search";

/// A model with one server, and what it has said to it.
struct Chat {
    model: Model,
    said: Vec<String>,
    hints: Vec<String>,
    others: Vec<Order>,
}

impl Chat {
    fn new(rooms: &[&str]) -> Self {
        Self::with(rooms, |_| {})
    }

    fn with(rooms: &[&str], change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup {
            name: "work".into(),
            endpoint: "tcp://127.0.0.1:6667".parse().unwrap(),
            nick: "tom".into(),
            user: "tom".into(),
            real_name: "Tom".into(),
            rooms: rooms.iter().map(|room| (*room).to_owned()).collect(),
            account: None,
            password: None,
        };
        change(&mut setup);
        let mut model = Model::new(Lang::En);
        model.at(NOW).add_server(setup);
        let mut chat = Self {
            model,
            said: vec![],
            hints: vec![],
            others: vec![],
        };
        chat.gather();
        chat
    }

    fn gather(&mut self) {
        for order in self.model.take_orders() {
            match order {
                Order::Send(_, line) => self.said.push(String::from_utf8(line).unwrap()),
                other => self.others.push(other),
            }
        }
        let news = self.model.take_news().into_iter();
        self.hints.extend(news.filter_map(|news| match news {
            News::Hint(hint) => Some(hint),
            _ => None,
        }));
    }

    fn on(&mut self, event: FromServer) -> &mut Self {
        self.model.on(Event::Server(ServerId(0), event));
        self.gather();
        self
    }

    fn connect(&mut self) -> &mut Self {
        self.on(FromServer::Connected {
            is_private: true,
            is_secure: false,
        })
    }

    fn lose(&mut self) -> &mut Self {
        self.on(FromServer::Lost {
            why: "gone".into(),
            again_in_ms: Some(1000),
        })
    }

    #[track_caller]
    fn hears(&mut self, lines: &[&str]) -> &mut Self {
        for line in lines {
            self.on(FromServer::Line((*line).to_owned()));
        }
        self
    }

    fn types(&mut self, text: &str) -> &mut Self {
        self.model.typed(text);
        self.gather();
        self
    }

    /// Everything said since this was asked last.
    fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }

    /// Lets a server with these capabilities in, up to the end of its greeting.
    fn up(&mut self, caps: &str) -> &mut Self {
        self.connect();
        self.hears(&[&format!(":s CAP * LS :{caps}")]);
        let wanted = self
            .said
            .iter()
            .find_map(|said| said.strip_prefix("CAP REQ :"));
        if let Some(wanted) = wanted.map(str::to_owned) {
            self.hears(&[&format!(":s CAP * ACK :{wanted}")]);
        }
        self.hears(&[
            ":s 001 tom :Welcome",
            ":s 005 tom PREFIX=(ov)@+ CHANTYPES=# CHATHISTORY=100 CASEMAPPING=ascii :are supported",
            ":s 422 tom :No MOTD",
        ]);
        self
    }

    fn in_room(&mut self) -> &mut Self {
        self.up(CAPS).hears(&[
            "@time=2026-11-21T19:00:00.000Z :tom!tom@loopback JOIN #r",
            ":s 353 tom = #r :@anna tom",
            ":s 366 tom #r :End",
        ]);
        let room = self.model.named("#r").unwrap();
        self.model.choose(Some(room));
        self.said();
        self
    }

    fn conversation(&self, name: &str) -> &Conversation {
        self.model.conversation(self.model.named(name).unwrap())
    }

    /// What stands in a conversation: who, what, and what is special about it.
    fn talk(&self, name: &str) -> Vec<String> {
        let messages = self.conversation(name).messages.iter();
        let talk = messages.filter(|one| one.kind.is_talk());
        talk.map(|one| {
            let from = one.from.as_deref().unwrap_or_default();
            let missed = if one.missed { " missed" } else { "" };
            let delivery = match one.delivery {
                Delivery::Done => "",
                Delivery::Pending => " pending",
                Delivery::Failed => " failed",
            };
            format!("{from}: {}{missed}{delivery}", one.text)
        })
        .collect()
    }
}

#[test]
fn a_server_with_capabilities_is_greeted_and_rooms_are_joined() {
    let mut chat = Chat::new(&["#r", "#k key"]);
    assert_eq!(chat.others, [Order::Connect(ServerId(0))]);
    chat.connect();
    assert_eq!(chat.said(), ["CAP LS 302", "NICK tom", "USER tom 0 * :Tom"]);
    chat.hears(&[
        ":s CAP * LS * :batch",
        ":s CAP * LS :echo-message unheard-of sasl",
    ]);
    assert_eq!(chat.said(), ["CAP REQ :batch echo-message sasl"]);
    // Nobody has an account, so nobody logs in.
    chat.hears(&[":s CAP * ACK :batch echo-message sasl"]);
    assert_eq!(chat.said(), ["CAP END"]);
    chat.hears(&[":s 001 tom :Welcome", "PING :x", ":s 376 tom :End"]);
    assert_eq!(chat.said(), ["PONG :x", "JOIN #r", "JOIN #k key"]);
    assert_eq!(chat.model.servers()[0].state, State::Up);
}

#[test]
fn passwords_are_said_as_sasl_wants_and_only_where_nobody_reads_along() {
    let account = |setup: &mut Setup| {
        setup.account = Some("tom".into());
        setup.password = Some(sockeye_net::Secret::new("secret"));
    };
    let mut chat = Chat::with(&[], account);
    chat.connect();
    chat.hears(&[":s CAP * LS :sasl=PLAIN", ":s CAP * ACK :sasl"]);
    assert_eq!(chat.said().last().unwrap(), "AUTHENTICATE PLAIN");
    chat.hears(&["AUTHENTICATE +"]);
    assert_eq!(chat.said(), ["AUTHENTICATE dG9tAHRvbQBzZWNyZXQ="]);
    chat.hears(&[":s 900 tom tom!tom@h tom :You are", ":s 903 tom :ok"]);
    assert_eq!(chat.said(), ["CAP END"]);
    assert_eq!(chat.model.servers()[0].account.as_deref(), Some("tom"));

    let mut chat = Chat::with(&[], account);
    chat.connect();
    chat.hears(&[
        ":s CAP * LS :sasl",
        ":s CAP * ACK :sasl",
        ":s 904 tom :SASL authentication failed",
    ]);
    assert_eq!(chat.others.last(), Some(&Order::Disconnect(ServerId(0))));
    assert_eq!(chat.model.servers()[0].state, State::Off);

    let mut chat = Chat::with(&[], account);
    chat.on(FromServer::Connected {
        is_private: false,
        is_secure: false,
    });
    assert_eq!(chat.said(), [""; 0]);
    assert_eq!(chat.others.last(), Some(&Order::Disconnect(ServerId(0))));
}

#[test]
fn a_long_proof_is_cut_and_its_end_is_seen() {
    let mut chat = Chat::with(&[], |setup| {
        setup.account = Some("a".into());
        // With the account twice and two NULs 300 bytes, which are 400 in base64.
        setup.password = Some(sockeye_net::Secret::new("p".repeat(296)));
    });
    chat.connect()
        .hears(&[":s CAP * LS :sasl", ":s CAP * ACK :sasl"]);
    chat.said();
    chat.hears(&["AUTHENTICATE +"]);
    let said = chat.said();
    assert_eq!(said[0].len(), "AUTHENTICATE ".len() + 400);
    assert_eq!(said[1..], ["AUTHENTICATE +"]);
}

#[test]
fn a_nick_in_use_gets_one_more_stroke_and_no_more_than_eight() {
    let mut chat = Chat::new(&[]);
    chat.connect();
    chat.said();
    chat.hears(&[":s 433 * tom :Nickname is already in use"]);
    assert_eq!(chat.said(), ["NICK tom_"]);
    chat.hears(&[":s 001 tom_ :Welcome"]);
    assert_eq!(chat.model.servers()[0].nick, "tom_");

    let mut chat = Chat::new(&[]);
    chat.connect();
    for _ in 0..9 {
        chat.hears(&[":s 433 * x :Nickname is already in use"]);
    }
    assert_eq!(chat.model.servers()[0].state, State::Off);
    let trouble = chat.model.servers()[0].trouble.clone().unwrap();
    assert_eq!(trouble, "no nick is free: Nickname is already in use");
}

#[test]
fn what_we_say_is_on_its_way_until_its_echo_comes() {
    let mut chat = Chat::new(&["#r"]);
    chat.in_room().types("hello").types("//quit");
    assert_eq!(
        chat.said(),
        ["@label=s2 PRIVMSG #r :hello", "@label=s3 PRIVMSG #r :/quit"]
    );
    assert_eq!(
        chat.talk("#r"),
        ["tom: hello pending", "tom: /quit pending"]
    );
    chat.hears(&[
        "@label=s2;msgid=m1;time=2026-11-21T19:00:01.000Z :tom!tom@h PRIVMSG #r :hello",
        "@label=s3 :s 404 tom #r :Cannot send to channel",
    ]);
    assert_eq!(chat.talk("#r"), ["tom: hello", "tom: /quit failed"]);
    assert_eq!((chat.model.unsettled(), chat.model.undelivered()), (0, 1));
    // From the history the same once more.
    chat.hears(&["@msgid=m1;time=2026-11-21T19:00:01.000Z :tom!tom@h PRIVMSG #r :hello"]);
    assert_eq!(chat.talk("#r").len(), 2);
}

#[test]
fn a_server_without_echoes_is_asked_what_it_has_read() {
    let mut chat = Chat::new(&["#r"]);
    chat.up("").hears(&[":tom!tom@h JOIN #r"]);
    let room = chat.model.named("#r").unwrap();
    chat.model.choose(Some(room));
    chat.said();
    chat.types("one").types("two");
    assert_eq!(
        chat.said(),
        ["PRIVMSG #r :one", "PING :s1", "PRIVMSG #r :two", "PING :s2"]
    );
    chat.hears(&[":s PONG s :s1", ":s 404 tom #r :Cannot send to channel"]);
    assert_eq!(chat.talk("#r"), ["tom: one", "tom: two failed"]);
}

#[test]
fn what_was_on_its_way_is_not_said_again_but_looked_for() {
    let mut chat = Chat::new(&["#r"]);
    chat.in_room();
    chat.hears(&["@msgid=a;time=2026-11-21T19:00:01.000Z :anna!a@h PRIVMSG #r :first"]);
    chat.types("kept").types("lost").lose();
    assert_eq!(
        chat.talk("#r"),
        ["anna: first", "tom: kept failed", "tom: lost failed"]
    );
    // The texts can be had again.
    assert_eq!(chat.conversation("#r").typed.lines, ["kept", "lost"]);
    chat.said();
    chat.up(CAPS);
    let said = chat.said();
    assert!(
        !said.iter().any(|line| line.contains("PRIVMSG")),
        "{said:?}"
    );
    assert!(
        said.iter().any(|line| line.contains("CHATHISTORY TARGETS")),
        "{said:?}"
    );
    chat.hears(&[":tom!tom@h JOIN #r"]);
    let said = chat.said();
    let (label, asked) = said[0].split_once(' ').unwrap();
    assert_eq!(asked, "CHATHISTORY AFTER #r msgid=a 100");
    let label = label.strip_prefix('@').unwrap();
    chat.hears(&[
        &format!("@{label} BATCH +b chathistory #r"),
        "@batch=b;msgid=k;time=2026-11-21T19:00:02.000Z :tom!tom@h PRIVMSG #r :kept",
        "@batch=b;msgid=c;time=2026-11-21T19:00:03.000Z :anna!a@h PRIVMSG #r :are you there?",
        "BATCH -b",
    ]);
    assert_eq!(
        chat.talk("#r"),
        [
            "anna: first",
            "tom: kept",
            "anna: are you there? missed",
            "tom: lost failed"
        ]
    );
    // There may be more, from the last one on; an empty page is the end.
    let said = chat.said();
    assert!(
        said[0].ends_with("CHATHISTORY AFTER #r msgid=c 100"),
        "{said:?}"
    );
    let label = said[0].split(' ').next().unwrap();
    chat.hears(&[&format!("{label} BATCH +d chathistory #r"), "BATCH -d"]);
    assert_eq!(chat.said(), [""; 0]);
    assert!(chat.model.is_quiet() || chat.model.servers()[0].asked.len() == 1);
}

#[test]
fn older_messages_come_before_what_is_shown_until_there_are_none() {
    let mut chat = Chat::new(&["#r"]);
    chat.in_room();
    chat.hears(&["@msgid=z;time=2026-11-21T19:00:09.000Z :anna!a@h PRIVMSG #r :new"]);
    let room = chat.model.named("#r").unwrap();
    chat.model.older(room, 10);
    chat.model.older(room, 10);
    chat.gather();
    let said = chat.said();
    assert_eq!(said, ["@label=s2 CHATHISTORY BEFORE #r msgid=z 10"]);
    chat.hears(&[
        "@label=s2 BATCH +b chathistory #r",
        "@batch=b;msgid=y;time=2026-11-21T18:00:00.000Z :anna!a@h PRIVMSG #r :old",
        "BATCH -b",
    ]);
    assert_eq!(chat.talk("#r"), ["anna: old missed", "anna: new"]);
    assert_eq!(chat.conversation("#r").scrollback, Scrollback::More);
    chat.types("/history 10")
        .hears(&["@label=s3 BATCH +c chathistory #r", "BATCH -c"]);
    assert_eq!(chat.conversation("#r").scrollback, Scrollback::Complete);
}

#[test]
fn what_is_said_elsewhere_counts_as_unread_and_names_as_mentions() {
    let mut chat = Chat::new(&["#r"]);
    chat.in_room();
    chat.model.choose(None);
    chat.hears(&[
        ":anna!a@h PRIVMSG #r :hello all",
        ":anna!a@h PRIVMSG #r :tom: hello",
        ":anna!a@h PRIVMSG tom :\x01ACTION waves\x01",
        ":anna!a@h PRIVMSG tom :\x01VERSION\x01",
        ":anna!a@h JOIN #r",
    ]);
    let room = chat.conversation("#r");
    assert_eq!((room.unread, room.mentions), (2, 1));
    let private = chat.conversation("anna");
    assert_eq!(
        (private.unread, private.mentions, private.messages.len()),
        (1, 1, 1)
    );
    assert_eq!(private.messages[0].kind, Kind::Action);
    assert_eq!(chat.model.next_unread(), Some(room.id));
    let id = room.id;
    chat.model.choose(Some(id));
    assert_eq!(chat.conversation("#r").unread, 0);
}

#[test]
fn rooms_know_who_is_in_them() {
    let mut chat = Chat::new(&["#r"]);
    chat.in_room();
    let there = |chat: &Chat| -> Vec<String> {
        let members = chat.conversation("#r").members.values();
        members
            .map(|one| format!("{}{}", one.prefixes, one.nick))
            .collect()
    };
    assert_eq!(there(&chat), ["@anna", "tom"]);
    chat.hears(&[
        ":一棵树!y@h JOIN #r",
        ":anna!a@h MODE #r +vo-b+l tom tom *!*@x 5",
        ":anna!a@h NICK Bea",
    ]);
    assert_eq!(there(&chat), ["@Bea", "@+tom", "一棵树"]);
    chat.hears(&[
        ":Bea!a@h MODE #r -o tom",
        ":一棵树!y@h QUIT :bye",
        ":Bea!a@h PART #r",
    ]);
    assert_eq!(there(&chat), ["+tom"]);
    chat.hears(&[":op!o@h KICK #r tom :enough"]);
    let room = chat.conversation("#r");
    assert!(!room.joined && room.members.is_empty());
    assert_eq!(room.refused.as_deref(), Some("enough"));
    let phrases: Vec<_> = room
        .messages
        .iter()
        .map(|one| one.phrase(Lang::En))
        .collect();
    assert_eq!(
        phrases[phrases.len() - 4..],
        [
            "Bea set -o tom",
            "一棵树 is gone (bye)",
            "Bea left",
            "op put out tom (enough)"
        ]
    );
}

#[test]
fn commands_are_what_they_say_and_mistakes_are_explained() {
    let mut chat = Chat::new(&["#r"]);
    chat.in_room();
    for (typed, said) in [
        ("/topic on 鱼", "TOPIC #r :on 鱼"),
        ("/whois", "WHOIS tom"),
        ("/invite anna", "INVITE anna #r"),
        ("/kick anna too loud", "KICK #r anna :too loud"),
        ("/mode +i", "MODE #r +i"),
        ("/mode #other +i", "MODE #other +i"),
        ("/away lunch", "AWAY :lunch"),
        ("/away", "AWAY"),
        ("/nick tim", "NICK tim"),
        ("/list", "LIST"),
        ("/raw VERSION", "VERSION"),
        ("/search 鱼; a", "@label=s2 SEARCH text=鱼\\:\\sa;in=#r"),
        ("/msg anna psst", "@label=s3 PRIVMSG anna :psst"),
        ("/me waves", "@label=s4 PRIVMSG #r :\x01ACTION waves\x01"),
        ("/JOIN other", "JOIN #other"),
    ] {
        chat.types(typed);
        assert_eq!(chat.said(), [said], "{typed}");
    }
    chat.hints.clear();
    for (typed, part) in [
        ("/bogus", "there is no command /bogus; allowed are /address"),
        ("/nick", "write /nick NICK"),
        ("/history many", "write /history [N]"),
        ("/kick", "write /kick"),
        ("/connect nowhere", "write /connect"),
    ] {
        chat.types(typed);
        let hint = chat.hints.pop().unwrap_or_default();
        assert!(hint.contains(part), "{typed}: {hint}");
        assert_eq!(chat.said(), [""; 0], "{typed}");
    }
}

#[test]
fn a_contact_is_chosen_by_name_and_left_by_quit() {
    let mut model = Model::new(Lang::Zh);
    for name in ["TOM", "一棵树"] {
        let way = Way::Plain {
            endpoint: "udp://127.0.0.1:9999".parse().unwrap(),
            encoding: encoding_rs::UTF_8,
        };
        model.add_contact(name, way);
    }
    let steps = |model: &mut Model, typed: &str| {
        model.typed(typed);
        (model.take_orders(), model.take_news())
    };
    let (orders, news) = steps(&mut model, "WHO");
    assert_eq!(orders, []);
    assert_eq!(
        news,
        [News::Hint("没有名为 WHO 的联系人；可选：TOM 一棵树".into())]
    );
    let (_, news) = steps(&mut model, "一棵树");
    assert!(matches!(news[..], [News::Current(Some(_))]), "{news:?}");
    let (orders, _) = steps(&mut model, "你好");
    assert_eq!(orders, [Order::Datagram(ContactId(1), "你好".into())]);
    let (orders, _) = steps(&mut model, "");
    assert_eq!(orders, [Order::Datagram(ContactId(1), String::new())]);
    let said = FromContact::Said {
        from: "127.0.0.1:9999".into(),
        text: "hi".into(),
    };
    model.on(Event::Contact(ContactId(1), FromContact::Sent));
    model.on(Event::Contact(ContactId(1), said));
    assert_eq!(
        model.headline("127.0.0.1:9999"),
        "来自[127.0.0.1:9999]的一条消息:"
    );
    // The first has left, the second meets nobody.
    model.on(Event::Contact(
        ContactId(1),
        FromContact::Failed {
            why: "refused".into(),
        },
    ));
    assert_eq!((model.unsettled(), model.undelivered()), (0, 1));
    model.typed("quit");
    assert!(model.current().is_none());
    model.take_orders();
    assert_eq!(steps(&mut model, "quit").0, [Order::Quit]);
}

#[test]
fn long_texts_leave_room_for_what_others_get_before_them() {
    let mut chat = Chat::new(&["#r"]);
    chat.in_room().types(&"一".repeat(300));
    let said = chat.said();
    assert!(said.len() > 1);
    for line in &said {
        let line = line.split_once(' ').unwrap().1;
        assert!(
            format!(":tom!tom@loopback {line}\r\n").len() <= 512,
            "{line}"
        );
    }
    let text: String = said
        .iter()
        .map(|line| line.split_once(" :").unwrap().1)
        .collect();
    assert_eq!(text.chars().count(), 300);
}

#[test]
fn nobody_can_fill_the_memory() {
    let mut chat = Chat::new(&["#r"]);
    chat.in_room();
    for n in 0..CONVERSATIONS + 10 {
        chat.hears(&[&format!(":n{n}!u@h PRIVMSG tom :hi")]);
    }
    assert_eq!(chat.model.conversations().len(), CONVERSATIONS);
    for n in 0..conversation::MESSAGES_KEPT + 10 {
        chat.hears(&[&format!("@msgid=x{n} :anna!u@h PRIVMSG #r :{n}")]);
    }
    let room = chat.conversation("#r");
    assert_eq!(room.messages.len(), conversation::MESSAGES_KEPT);
    assert!(room.known.len() <= conversation::MESSAGES_KEPT);
}

#[test]
fn no_line_of_a_server_can_hurt() {
    let mut chat = Chat::new(&["#r"]);
    chat.in_room();
    for line in [
        "",
        " ",
        ":",
        "@",
        "@a",
        "@a :b",
        "PRIVMSG",
        ":x PRIVMSG #r",
        "JOIN",
        ":x!y@z JOIN",
        "KICK #r",
        ":x KICK #r",
        "MODE #r",
        ":x MODE #r +ooo",
        "NICK",
        ":tom NICK",
        "353",
        ":s 353 tom = #r",
        "BATCH",
        "BATCH +",
        "BATCH -nothing",
        "@batch=nothing :x!y@z PRIVMSG #r :y",
        "CAP",
        "CAP * LS",
        "CAP * ACK",
        "AUTHENTICATE",
        "001",
        "005",
        ":s 005 tom PREFIX=(ov NICKLEN=x :y",
        "433",
        "PONG",
        "FAIL",
        "FAIL CHATHISTORY",
        "INVITE",
        "AWAY",
        "TOPIC #r",
        "QUIT",
        "PART",
        "ERROR",
        "\u{1}",
        ":s 005 tom NICKLEN=0 :y",
        ":s 401",
        ":s 900",
    ] {
        chat.hears(&[line]);
    }
    assert_eq!(chat.model.conversations().len(), 2);
}
