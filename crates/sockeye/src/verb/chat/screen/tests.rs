//! What is drawn, and what keys do, over a chat that happens on paper.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, CellWidth};

use super::look::Look;
use super::picture;
use super::state::{Asked, State};
use crate::catalogue::Lang;
use crate::verb::chat::model::{
    Event, FromContact, FromServer, Model, News, Place, Scrollback, ServerId, Setup, Way,
};

/// 2026-11-21, 20:15 UTC.
const NOW: u64 = 1_795_292_100_000;

/// A person before a screen.
struct Seat {
    model: Model,
    state: State,
    terminal: Terminal<TestBackend>,
    server: ServerId,
    now: u64,
}

impl Seat {
    fn new(lang: Lang, columns: u16, rows: u16) -> Self {
        let mut model = Model::new(lang);
        model.at(NOW);
        let server = model.add_server(Setup {
            name: "home".into(),
            endpoint: "tcp://127.0.0.1:6667".parse().unwrap(),
            nick: "ann".into(),
            user: "ann".into(),
            real_name: "Ann".into(),
            rooms: vec!["#tea".into()],
            account: None,
            password: None,
        });
        let nick = |nick: &str| Way::Nick {
            server,
            nick: nick.into(),
        };
        model.add_contact("TOM", nick("tom"));
        model.add_contact("一棵树", nick("一棵树"));
        let plain = Way::Plain {
            endpoint: "udp://127.0.0.1:9999".parse().unwrap(),
            encoding: encoding_rs::UTF_8,
        };
        model.add_contact("desk", plain);
        let look = Look { colours: true };
        Self {
            state: State::new(look, TimeZone::UTC),
            terminal: Terminal::new(TestBackend::new(columns, rows)).unwrap(),
            model,
            server,
            now: NOW,
        }
    }

    /// With a server that has let us in, and a few people in its room.
    fn connected(lang: Lang, columns: u16, rows: u16) -> Self {
        let mut seat = Self::new(lang, columns, rows);
        seat.tell(FromServer::Connected {
            is_private: true,
            is_secure: false,
        });
        seat.hear(":srv CAP * LS :");
        seat.hear(":srv 001 ann :Welcome");
        seat.hear(":srv 422 ann :There is no message of the day");
        seat.hear(":ann!a@h JOIN #tea");
        seat.hear(":srv 353 ann = #tea :@tom +一棵树 ann bob carl");
        seat.hear(":srv 366 ann #tea :End");
        seat.hear(":srv 332 ann #tea :Green tea, and sockets 绿茶");
        seat
    }

    fn tell(&mut self, event: FromServer) {
        let server = self.server;
        self.model.at(self.now).on(Event::Server(server, event));
    }

    fn hear(&mut self, line: &str) {
        self.tell(FromServer::Line(line.into()));
    }

    /// Presses keys and does what the screen asks for, as the loop does.
    fn press(&mut self, code: KeyCode, modifiers: KeyModifiers) -> Asked {
        let asked = self
            .state
            .on_key(KeyEvent::new(code, modifiers), &self.model);
        self.model.at(self.now);
        match &asked {
            Asked::Say(lines) => lines.iter().for_each(|line| self.model.typed(line)),
            Asked::Choose(id) => self.model.choose(*id),
            _ => {}
        }
        let news = self.model.take_news().into_iter();
        let hints = news.filter_map(|news| match news {
            News::Hint(hint) => Some(hint),
            _ => None,
        });
        self.state.hear(hints.collect(), &self.model);
        asked
    }

    fn key(&mut self, code: KeyCode) -> Asked {
        self.press(code, KeyModifiers::NONE)
    }

    fn type_in(&mut self, text: &str) {
        for letter in text.chars() {
            match letter {
                '\n' => self.key(KeyCode::Enter),
                '\t' => self.key(KeyCode::Tab),
                letter => self.key(KeyCode::Char(letter)),
            };
        }
    }

    /// The screen as lines of text.
    fn draw(&mut self) -> String {
        let (model, state, now) = (&self.model, &mut self.state, self.now);
        let drawn = self
            .terminal
            .draw(|frame| picture::draw(frame, model, state, now));
        text(drawn.unwrap().buffer)
    }

    /// The last line that is drawn: the input.
    fn input(&mut self) -> String {
        let drawn = self.draw();
        drawn
            .lines()
            .last()
            .unwrap_or_default()
            .trim_end()
            .to_owned()
    }
}

fn text(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut text = String::new();
    for y in 0..area.height {
        let mut line = String::new();
        let mut x = 0;
        while x < area.width {
            let cell = &buffer[(x, y)];
            line.push_str(cell.symbol());
            x += cell.cell_width().max(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn talk(seat: &mut Seat) {
    seat.hear(":tom!t@h PRIVMSG #tea :Shall we have some tea? https://example.org/tea/of/the/day?kind=green&leaf=whole&water=80");
    seat.hear(":一棵树!t@h PRIVMSG #tea :好的，我来泡茶。水温八十度，时间两分钟，不要太久，不然会苦。茶叶用去年春天的龙井，味道还是很好的。");
    seat.hear(":dora!d@h JOIN #tea");
    seat.hear(":emil!d@h JOIN #tea");
    seat.hear(":dora!d@h QUIT :gone");
    seat.hear(":tom!t@h PRIVMSG #tea :ann: and you?");
    seat.hear(":tom!t@h PRIVMSG #tea :\x01ACTION fetches cups\x01");
    seat.hear(":bob!b@h NOTICE #tea :the kettle is on");
    seat.hear(":bob!b@h PRIVMSG #tea :\x1b[2J\u{202e}evil");
    seat.hear(":carl!c@h PRIVMSG ann :psst");
}

#[test]
fn the_start_is_the_choice_of_a_contact() {
    let mut seat = Seat::connected(Lang::En, 80, 12);
    talk(&mut seat);
    insta::assert_snapshot!(seat.draw());
}

#[test]
fn a_conversation_on_a_wide_terminal() {
    let mut seat = Seat::connected(Lang::En, 110, 24);
    seat.type_in("#tea\n");
    talk(&mut seat);
    seat.type_in("yes, please\n");
    insta::assert_snapshot!(seat.draw());
}

#[test]
fn a_conversation_on_a_narrow_terminal() {
    let mut seat = Seat::connected(Lang::En, 40, 24);
    seat.type_in("#tea\n");
    talk(&mut seat);
    seat.type_in("a longer line that does not fit the row of the input");
    insta::assert_snapshot!(seat.draw());
}

#[test]
fn a_conversation_in_chinese() {
    let mut seat = Seat::connected(Lang::Zh, 100, 20);
    seat.type_in("#tea\n");
    talk(&mut seat);
    seat.tell(FromServer::Lost {
        why: "connection reset".into(),
        again_in_ms: Some(3000),
    });
    insta::assert_snapshot!(seat.draw());
}

#[test]
fn help_in_both_languages() {
    for (lang, name) in [(Lang::En, "help_en"), (Lang::Zh, "help_zh")] {
        let mut seat = Seat::connected(lang, 90, 32);
        seat.key(KeyCode::F(1));
        insta::assert_snapshot!(name, seat.draw());
        seat.key(KeyCode::Esc);
        assert!(!seat.draw().contains("PageDown"));
    }
}

#[test]
fn every_key_is_in_the_guide() {
    let guide = include_str!("../../../../../../docs/chat.md");
    for (key, _) in super::over::KEYS {
        assert!(guide.contains(&format!("| `{key}` |")), "{key}");
    }
}

#[test]
fn a_plain_peers_answer_stands_below_where_it_came_from() {
    let mut seat = Seat::connected(Lang::Zh, 90, 12);
    seat.type_in("desk\nhello\n");
    let Some(&Place::Contact(id)) = seat.model.current().map(|one| &one.place) else {
        panic!("it is a contact");
    };
    let from = "127.0.0.1:9999".to_owned();
    let said = FromContact::Said {
        from,
        text: "Server received hello\nand more".into(),
    };
    seat.model.on(Event::Contact(id, said));
    let drawn = seat.draw();
    assert!(drawn.contains("来自[127.0.0.1:9999]的一条消息:"), "{drawn}");
    let heads: Vec<_> = drawn
        .lines()
        .filter(|line| line.contains("│ Server received hello"))
        .collect();
    assert_eq!(heads.len(), 1, "{drawn}");
    assert!(drawn.contains("│ and more"), "{drawn}");
}

#[test]
fn every_size_is_drawn() {
    for columns in (1..140).step_by(7) {
        for rows in 1..20 {
            let mut seat = Seat::connected(Lang::Zh, columns, rows);
            talk(&mut seat);
            seat.draw();
            seat.type_in("#tea\n");
            seat.type_in("一棵树一棵树一棵树");
            seat.draw();
            seat.press(KeyCode::PageUp, KeyModifiers::NONE);
            seat.draw();
            seat.key(KeyCode::F(1));
            seat.draw();
        }
    }
}

#[test]
fn nothing_that_a_peer_says_steers_the_terminal() {
    let mut seat = Seat::connected(Lang::En, 100, 30);
    seat.type_in("#tea\n");
    let evil = "\x1b]0;x\x07\u{9b}2J\u{202e}\u{2066}\x7f";
    seat.hear(&format!(":tom!t@h PRIVMSG #tea :{evil}"));
    seat.hear(&format!(":tom!t@h TOPIC #tea :{evil}"));
    seat.hear(&format!(":{evil}!t@h JOIN #tea"));
    seat.hear(&format!(":ev\x1bil!t@h PRIVMSG ann :{evil}"));
    let drawn = seat.draw();
    assert!(
        drawn.contains("\\x1b]0;x\\x07\\u{9b}2J\\u{202e}"),
        "{drawn}"
    );
    let is_control =
        |c: &char| c.is_control() && *c != '\n' || ('\u{202a}'..'\u{2070}').contains(c);
    assert_eq!(drawn.chars().find(is_control), None);
}

#[test]
fn an_unknown_name_is_said_and_asked_for_again() {
    let mut seat = Seat::connected(Lang::En, 80, 14);
    seat.type_in("nobody\n");
    let drawn = seat.draw();
    assert!(
        drawn.contains("nobody") && drawn.contains("一棵树"),
        "{drawn}"
    );
    assert!(seat.model.current().is_none());
    seat.type_in("一棵树\n");
    assert_eq!(seat.model.current().unwrap().name, "一棵树");
    seat.type_in("quit\n");
    assert!(seat.model.current().is_none());
}

#[test]
fn the_list_is_walked_and_opened() {
    let mut seat = Seat::connected(Lang::En, 80, 14);
    seat.key(KeyCode::Down);
    seat.key(KeyCode::Enter);
    assert_eq!(seat.model.current().unwrap().name, "一棵树");
    seat.press(KeyCode::Up, KeyModifiers::ALT);
    assert_eq!(seat.model.current().unwrap().name, "TOM");
    seat.press(KeyCode::Up, KeyModifiers::ALT);
    assert_eq!(seat.model.current().unwrap().name, "#tea");
    seat.press(KeyCode::Char('n'), KeyModifiers::CONTROL);
    assert_eq!(seat.model.current().unwrap().name, "TOM");
    seat.press(KeyCode::Char('3'), KeyModifiers::ALT);
    assert_eq!(seat.model.current().unwrap().name, "desk");
    seat.type_in("quit\n");
    assert!(seat.model.current().is_none());
    seat.key(KeyCode::Enter);
    assert_eq!(seat.model.current().unwrap().name, "desk");
    seat.hear(":carl!c@h PRIVMSG #tea :hi");
    seat.hear(":bob!b@h PRIVMSG ann :you!");
    seat.press(KeyCode::Char('a'), KeyModifiers::ALT);
    assert_eq!(seat.model.current().unwrap().name, "bob");
    seat.press(KeyCode::Char('a'), KeyModifiers::ALT);
    assert_eq!(seat.model.current().unwrap().name, "#tea");
}

#[test]
fn what_the_client_says_in_many_lines_stands_in_a_box() {
    let mut seat = Seat::connected(Lang::En, 80, 14);
    seat.type_in("#tea\n/help\n");
    let drawn = seat.draw();
    assert!(
        drawn.contains("Esc closes ─") && drawn.contains("/away"),
        "{drawn}"
    );
    seat.key(KeyCode::End);
    assert!(seat.draw().contains("/whois"));
    // A key that is none of the box's is not lost.
    seat.type_in("x");
    assert_eq!(seat.input(), "ann> x");
    assert!(!seat.draw().contains("/whois"));
}

#[test]
fn names_are_completed_in_turn() {
    let mut seat = Seat::connected(Lang::En, 80, 14);
    seat.type_in("#tea\n");
    talk(&mut seat);
    seat.type_in("t\t");
    assert_eq!(seat.input(), "ann> tom:");
    seat.type_in("一\t");
    assert_eq!(seat.input(), "ann> tom: 一棵树");
    seat.press(KeyCode::Char('u'), KeyModifiers::CONTROL);
    seat.type_in("/to\t");
    assert_eq!(seat.input(), "ann> /topic");
}

#[test]
fn what_was_typed_comes_back_and_the_draft_too() {
    let mut seat = Seat::connected(Lang::En, 80, 14);
    seat.type_in("#tea\none\ntwo\ndraft");
    seat.key(KeyCode::Up);
    assert_eq!(seat.input(), "ann> two");
    seat.key(KeyCode::Up);
    seat.key(KeyCode::Up);
    assert_eq!(seat.input(), "ann> one");
    seat.key(KeyCode::Down);
    seat.key(KeyCode::Down);
    assert_eq!(seat.input(), "ann> draft");
    // A draft stays with its conversation.
    seat.press(KeyCode::Char('n'), KeyModifiers::CONTROL);
    assert_eq!(seat.input(), "ann>");
    seat.press(KeyCode::Char('p'), KeyModifiers::CONTROL);
    assert_eq!(seat.input(), "ann> draft");
}

#[test]
fn a_paste_of_several_lines_waits_for_enter_and_is_sent_line_by_line() {
    let mut seat = Seat::connected(Lang::En, 80, 14);
    seat.type_in("#tea\n");
    seat.state
        .on_paste("one\r\ntwo\n\nthree\x1b\n", &seat.model);
    assert!(seat.draw().contains("4 lines"));
    let asked = seat.key(KeyCode::Enter);
    assert_eq!(
        asked,
        Asked::Say(vec!["one".into(), "two".into(), "three".into()])
    );
    seat.state.on_paste(&"x".repeat(1 << 20), &seat.model);
    assert!(seat.state.input(&seat.model).text().len() <= super::input::LONGEST);
}

#[test]
fn one_scrolls_through_what_was_said_and_older_is_fetched() {
    let mut seat = Seat::connected(Lang::En, 80, 14);
    seat.type_in("#tea\n");
    for n in 0..100 {
        seat.hear(&format!(":tom!t@h PRIVMSG #tea :message {n}"));
    }
    assert!(seat.draw().contains("message 99"));
    seat.key(KeyCode::PageUp);
    let drawn = seat.draw();
    assert!(
        !drawn.contains("message 99") && drawn.contains("message 85"),
        "{drawn}"
    );
    for n in 100..112 {
        seat.hear(&format!(":tom!t@h PRIVMSG #tea :message {n}"));
    }
    let held = seat.draw();
    assert!(
        held.contains("message 85") && held.contains("↓ 12 new"),
        "{held}"
    );
    let asked = seat.press(KeyCode::Home, KeyModifiers::CONTROL);
    assert_eq!(asked, Asked::Older);
    assert!(seat.draw().contains("message 0"));
    assert_eq!(seat.key(KeyCode::PageUp), Asked::Older);
    assert!(seat.draw().contains("message 0"));
    seat.key(KeyCode::PageDown);
    seat.press(KeyCode::End, KeyModifiers::CONTROL);
    let end = seat.draw();
    assert!(end.contains("message 111") && !end.contains("new"), "{end}");
}

#[test]
fn ctrl_c_clears_then_asks_then_ends() {
    let mut seat = Seat::connected(Lang::En, 80, 14);
    seat.type_in("#tea\nsome words");
    let ctrl_c = |seat: &mut Seat| seat.press(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(ctrl_c(&mut seat), Asked::Draw);
    assert_eq!(seat.input(), "ann>");
    assert_eq!(ctrl_c(&mut seat), Asked::Draw);
    assert!(seat.draw().contains("once more"));
    seat.type_in("x");
    assert_eq!(ctrl_c(&mut seat), Asked::Draw);
    assert_eq!(ctrl_c(&mut seat), Asked::Draw);
    assert_eq!(ctrl_c(&mut seat), Asked::End);
}

#[test]
fn ten_thousand_members_and_full_scrollback_are_drawn_quickly() {
    let mut seat = Seat::connected(Lang::En, 140, 50);
    seat.type_in("#tea\n");
    for n in 0..100 {
        let nicks: Vec<_> = (0..100).map(|m| format!("member{n}-{m}")).collect();
        seat.hear(&format!(":srv 353 ann = #tea :{}", nicks.join(" ")));
    }
    seat.hear(":srv 366 ann #tea :End");
    for n in 0..5000 {
        seat.hear(&format!(
            ":tom!t@h PRIVMSG #tea :message {n} {}",
            "words ".repeat(20)
        ));
    }
    let drawn = seat.draw();
    assert!(drawn.contains("10000 people"), "{drawn}");
    // Debug builds draw in milliseconds; a layout of everything would take seconds.
    let began = std::time::Instant::now();
    for _ in 0..20 {
        seat.key(KeyCode::PageUp);
        seat.draw();
    }
    assert!(began.elapsed().as_secs() < 4, "{:?}", began.elapsed());
    assert_eq!(
        seat.model.current().unwrap().scrollback,
        Scrollback::Unknown
    );
}
