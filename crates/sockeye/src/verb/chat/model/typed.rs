//! What a person types: text for whom he talks with, or a command.
#![allow(
    clippy::unnecessary_wraps,
    reason = "commands share one signature, and some always succeed"
)]

use sockeye_net::Endpoint;

use super::conversation::{ConversationId, Place, ServerId};
use super::event::{News, Order};
use super::message::Kind;
use super::server::{State, end, line};
use super::{Model, Way};
use crate::catalogue::{Text, chat as words};

/// Messages that `/history` fetches if it is not told how many.
const HISTORY: usize = 50;

/// A command, for `/help` and for completion.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// How it is written.
    pub(crate) usage: &'static str,
    pub(crate) does: Text,
    run: fn(&mut Model, &str) -> Done,
}

/// What came of it: the usage is told where a command makes no sense.
type Done = Result<(), Wrong>;

/// A command that cannot be done as it stands.
#[derive(Debug)]
enum Wrong {
    Usage,
    Why(String),
}

macro_rules! commands {
    ($($name:literal, $usage:literal, $en:literal, $zh:literal, $run:expr;)*) => {
        /// Every command.
        pub(crate) const COMMANDS: &[Command] = &[$(Command {
            name: $name,
            usage: $usage,
            does: Text { en: $en, zh: $zh },
            run: $run,
        }),*];
    };
}

commands! {
    "address", "/address [NICK]", "the other end's address", "对方的地址", Model::address;
    "away", "/away [TEXT]", "say that you are away; without TEXT: that you are back", "声明暂离；不带 TEXT 表示回来", Model::away;
    "connect", "/connect [SERVER]", "dial a server again", "重新连接服务器", Model::connect;
    "contacts", "/contacts", "go back to the choice of contact", "回到联系人选择", Model::contacts_again;
    "disconnect", "/disconnect [SERVER]", "hang up and stay away", "断开且不再连接", Model::disconnect;
    "help", "/help", "this list", "此列表", Model::help;
    "history", "/history [N]", "fetch older messages", "取更早的消息", Model::history;
    "invite", "/invite NICK [#ROOM]", "invite somebody", "邀请某人", Model::invite;
    "join", "/join #ROOM [KEY]", "go into a room", "进入房间", Model::join;
    "kick", "/kick NICK [WHY]", "put somebody out of the room", "把某人请出房间", Model::kick;
    "list", "/list [PATTERN]", "list the server's rooms", "列出服务器上的房间", Model::list;
    "me", "/me TEXT", "say what you do", "描述动作", Model::action;
    "mode", "/mode MODES…", "change modes of the room, or of yourself", "修改房间或自己的模式", Model::mode;
    "msg", "/msg NAME TEXT", "say something to a nick, a room or a contact", "对某昵称、房间或联系人说话", Model::msg;
    "names", "/names", "who is in the room", "房间里有谁", Model::names_here;
    "nick", "/nick NICK", "be called otherwise", "改昵称", Model::nick;
    "notice", "/notice NAME TEXT", "say something that programs must not answer", "发送程序不得应答的消息", Model::notice;
    "oper", "/oper NAME PASSWORD", "become an operator of the server", "成为服务器管理员", Model::oper;
    "part", "/part [#ROOM] [WHY]", "leave a room", "离开房间", Model::part;
    "query", "/query NAME [TEXT]", "talk with a nick or a contact", "与某昵称或联系人交谈", Model::query;
    "quit", "/quit [WHY]", "end the program", "结束程序", Model::quit;
    "raw", "/raw LINE", "send the server a line as it is", "原样发送一行给服务器", Model::raw;
    "search", "/search TEXT", "look for words in what was said", "在历史消息中搜索", Model::search_for;
    "topic", "/topic [TEXT]", "the room's topic; with TEXT: set it", "房间的话题；带 TEXT 则设置", Model::topic;
    "whois", "/whois [NICK]", "what the server knows of somebody", "服务器所知的某人信息", Model::whois;
}

impl Model {
    /// Takes a line that was typed.
    pub(crate) fn typed(&mut self, text: &str) {
        let text = text.trim_end_matches(['\r', '\n']);
        if let Some(current) = self.current {
            self.conversation_mut(current).typed.push(text);
        }
        match text.strip_prefix('/') {
            // Two of them stand for one that belongs to the text.
            Some(rest) if !rest.starts_with('/') => self.command(rest),
            rest => match self.current {
                Some(_) if text == "quit" => self.choose(None),
                Some(id) => self.said(id, rest.unwrap_or(text)),
                None if text == "quit" => self.leave(""),
                None => self.choose_by_name(text),
            },
        }
        self.collect();
    }

    fn said(&mut self, id: ConversationId, text: &str) {
        // To a plain peer an empty message is a message (an empty datagram arrives).
        if !text.is_empty() || matches!(self.conversation(id).place, Place::Contact(_)) {
            self.say(id, Kind::Said, text);
        }
    }

    fn command(&mut self, text: &str) {
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        let lower = name.to_lowercase();
        let lower = match &*lower {
            "j" => "join",
            "q" => "query",
            "leave" => "part",
            "quote" => "raw",
            other => other,
        };
        let Some(command) = COMMANDS.iter().find(|one| one.name == lower) else {
            let known: Vec<_> = COMMANDS
                .iter()
                .map(|one| format!("/{}", one.name))
                .collect();
            let known = known.join(" ");
            let values: [(&str, &dyn std::fmt::Display); 2] = [("name", &name), ("known", &known)];
            return self.wrong(self.words().fill(words::UNKNOWN_COMMAND, &values));
        };
        match (command.run)(self, rest.trim()) {
            Ok(()) => {}
            Err(Wrong::Usage) => {
                self.wrong(
                    self.words()
                        .fill(words::USAGE, &[("usage", &command.usage)]),
                );
            }
            Err(Wrong::Why(why)) => self.wrong(why),
        }
    }

    /// Somebody to talk with, by the name that is listed.
    fn choose_by_name(&mut self, name: &str) {
        let name = name.trim();
        if name.is_empty() {
            return;
        }
        if let Some(id) = self.named(name) {
            self.choose(Some(id));
            return;
        }
        let known = self.choices();
        let values: [(&str, &dyn std::fmt::Display); 2] = [("name", &name), ("known", &known)];
        self.wrong(self.words().fill(words::UNKNOWN_CONTACT, &values));
    }

    /// The names that can be chosen.
    pub(crate) fn choices(&self) -> String {
        let listed = self.conversations.iter();
        let listed = listed.filter(|one| !matches!(one.place, Place::Server(_)));
        let names: Vec<_> = listed.map(|one| &*one.name).collect();
        names.join(" ")
    }

    /// The conversation that is listed under this name: exactly so, else without regard to case.
    pub(crate) fn named(&self, name: &str) -> Option<ConversationId> {
        let all = || self.conversations.iter();
        let lower = name.to_lowercase();
        let exactly = all().find(|one| one.name == name);
        let found = exactly.or_else(|| all().find(|one| one.name.to_lowercase() == lower));
        found.map(|one| one.id)
    }

    /// Whom to talk with from the beginning: who is listed, a room, which will be joined, or a nick on
    /// the only server.
    pub(crate) fn meet(&mut self, name: &str) -> Option<ConversationId> {
        if let Some(id) = self.named(name) {
            return Some(id);
        }
        let [server] = &mut self.servers[..] else {
            return None;
        };
        let id = server.id;
        if server.support.is_room(name) {
            server.setup.rooms.push(name.to_owned());
            return self.open(Place::Room(id, name.to_owned()), name.to_owned());
        }
        Some(self.person(id, name))
    }

    /// The server that a command is for: the one where the person is, or the only one.
    fn server_here(&self) -> Result<ServerId, Wrong> {
        let here = self.current().and_then(|one| one.place.server());
        let only = match &self.servers[..] {
            [only] => Some(only.id),
            _ => None,
        };
        here.or(only)
            .ok_or_else(|| Wrong::Why(self.words().get(words::NO_SERVER)))
    }

    /// The same, if it is connected.
    fn server_up(&self) -> Result<ServerId, Wrong> {
        let id = self.server_here()?;
        let server = self.server(id);
        if server.state == State::Up {
            return Ok(id);
        }
        let name = &server.setup.name;
        Err(Wrong::Why(
            self.words().fill(words::NOT_CONNECTED, &[("server", name)]),
        ))
    }

    /// The room where the person is.
    fn room_here(&self) -> Result<(ServerId, ConversationId, String), Wrong> {
        match self.current().map(|one| (one.id, &one.place)) {
            Some((id, Place::Room(server, name))) => Ok((*server, id, name.clone())),
            _ => Err(Wrong::Why(self.words().get(words::NO_ROOM))),
        }
    }

    fn tell_server(&mut self, id: ServerId, said: Vec<u8>) {
        self.server_mut(id).out.push(said);
    }

    fn address(&mut self, nick: &str) -> Done {
        if let (Some(Place::Contact(contact)), "") = (self.current().map(|one| &one.place), nick) {
            let contact = self.contact(*contact);
            let known = match (&contact.peer, &contact.way) {
                (Some(peer), _) => peer.clone(),
                (None, Way::Plain { endpoint, .. }) => endpoint.to_string(),
                (None, Way::Nick { nick, .. }) => nick.clone(),
            };
            let values: [(&str, &dyn std::fmt::Display); 2] =
                [("who", &contact.name), ("what", &known)];
            self.hint(self.words().fill(words::ADDRESS_OF, &values));
            return Ok(());
        }
        self.whois(nick)
    }

    fn whois(&mut self, nick: &str) -> Done {
        let id = self.server_up()?;
        let other = match self.current().map(|one| &one.place) {
            Some(Place::Person(_, other)) if nick.is_empty() => other.clone(),
            _ if nick.is_empty() => self.server(id).nick.clone(),
            _ => nick.to_owned(),
        };
        let said = line(|l| l.command("WHOIS").param(&other).end());
        self.tell_server(id, said);
        Ok(())
    }

    fn away(&mut self, text: &str) -> Done {
        let id = self.server_up()?;
        let said = match text {
            "" => b"AWAY".to_vec(),
            text => line(|l| l.command("AWAY").end_with(text)),
        };
        self.tell_server(id, said);
        Ok(())
    }

    fn server_named(&self, name: &str) -> Result<ServerId, Wrong> {
        if name.is_empty() {
            return self.server_here();
        }
        let mut servers = self.servers.iter();
        let found = servers.find(|one| one.setup.name == name);
        found.map(|one| one.id).ok_or(Wrong::Usage)
    }

    fn connect(&mut self, name: &str) -> Done {
        let id = match self.server_named(name) {
            Ok(id) => id,
            Err(wrong) => {
                let endpoint: Endpoint = name.parse().map_err(|_| wrong)?;
                let like = self.servers.first().map(|one| one.setup.clone());
                let like = like.ok_or_else(|| Wrong::Why(self.words().get(words::NO_SERVER)))?;
                // A password is for the server that it was given for.
                let setup = super::Setup {
                    name: endpoint.to_string(),
                    endpoint,
                    rooms: vec![],
                    account: None,
                    password: None,
                    ..like
                };
                let id = self.add_server(setup);
                let status = self.status(id);
                self.choose(Some(status));
                return Ok(());
            }
        };
        if matches!(self.server(id).state, State::Off | State::Waiting { .. }) {
            self.dial(id);
        }
        Ok(())
    }

    fn disconnect(&mut self, name: &str) -> Done {
        let id = self.server_named(name)?;
        if self.server(id).state == State::Up {
            self.orders.push(Order::Send(id, b"QUIT".to_vec()));
        }
        self.orders.push(Order::Disconnect(id));
        Ok(())
    }

    fn contacts_again(&mut self, _: &str) -> Done {
        self.choose(None);
        let known = self.choices();
        self.hint(self.words().fill(words::WHO_IS, &[("known", &known)]));
        Ok(())
    }

    fn help(&mut self, _: &str) -> Done {
        let width = COMMANDS.iter().map(|one| one.usage.len()).max();
        let width = width.unwrap_or_default();
        for command in COMMANDS {
            let does = command.does.get(self.lang);
            self.hint(format!("{:width$}  {does}", command.usage));
        }
        Ok(())
    }

    fn history(&mut self, count: &str) -> Done {
        let count = match count {
            "" => HISTORY,
            count => count.parse().map_err(|_| Wrong::Usage)?,
        };
        let current = self.current.ok_or(Wrong::Usage)?;
        let server = self.server_up()?;
        if !self.server(server).has("draft/chathistory") {
            return Err(Wrong::Why(self.words().get(words::NO_HISTORY)));
        }
        self.older(current, count);
        Ok(())
    }

    fn search_for(&mut self, text: &str) -> Done {
        if text.is_empty() {
            return Err(Wrong::Usage);
        }
        let id = self.server_up()?;
        let at = self.current.unwrap_or_else(|| self.status(id));
        self.search(at, text);
        Ok(())
    }

    fn invite(&mut self, text: &str) -> Done {
        let mut given = text.split_whitespace();
        let nick = given.next().ok_or(Wrong::Usage)?;
        let id = self.server_up()?;
        let room = match given.next() {
            Some(room) => room.to_owned(),
            None => self.room_here()?.2,
        };
        let said = line(|l| l.command("INVITE").param(nick).param(&room).end());
        self.tell_server(id, said);
        Ok(())
    }

    fn join(&mut self, text: &str) -> Done {
        let mut given = text.split_whitespace();
        let name = given.next().ok_or(Wrong::Usage)?;
        let key = given.next();
        let id = self.server_up()?;
        let name = if self.server(id).support.is_room(name) {
            name.to_owned()
        } else {
            format!("#{name}")
        };
        let said = line(|l| {
            let l = l.command("JOIN").param(&name);
            match key {
                Some(key) => l.param(key).end(),
                None => l.end(),
            }
        });
        self.tell_server(id, said);
        if let Some(room) = self.open(Place::Room(id, name.clone()), name) {
            self.conversation_mut(room).refused = None;
            self.choose(Some(room));
        }
        Ok(())
    }

    fn part(&mut self, text: &str) -> Done {
        let id = self.server_up()?;
        let (name, why) = text.split_once(' ').unwrap_or((text, ""));
        let (name, why) = if self.server(id).support.is_room(name) {
            (name.to_owned(), why)
        } else {
            (self.room_here()?.2, text)
        };
        let said = line(|l| {
            let l = l.command("PART").param(&name);
            end(l, why);
        });
        let folded = self.server(id).support.fold(&name);
        let support = self.server(id).support.clone();
        let server = self.server_mut(id);
        // It was left on purpose: the next connection shall not bring it back.
        server
            .setup
            .rooms
            .retain(|room| support.fold(room) != folded);
        server.out.push(said);
        if let Some(room) = self.room(id, &name) {
            self.conversation_mut(room).joined = false;
            if self.current == Some(room) {
                self.choose(None);
            }
        }
        Ok(())
    }

    fn kick(&mut self, text: &str) -> Done {
        let (nick, why) = text.split_once(' ').unwrap_or((text, ""));
        if nick.is_empty() {
            return Err(Wrong::Usage);
        }
        self.server_up()?;
        let (id, _, room) = self.room_here()?;
        let said = line(|l| {
            let l = l.command("KICK").param(&room).param(nick);
            end(l, why);
        });
        self.tell_server(id, said);
        Ok(())
    }

    fn list(&mut self, pattern: &str) -> Done {
        let id = self.server_up()?;
        let said = match pattern {
            "" => b"LIST".to_vec(),
            pattern => line(|l| l.command("LIST").param(pattern).end()),
        };
        self.tell_server(id, said);
        Ok(())
    }

    fn action(&mut self, text: &str) -> Done {
        let current = self.current.filter(|_| !text.is_empty());
        let current = current.ok_or(Wrong::Usage)?;
        self.say(current, Kind::Action, text);
        Ok(())
    }

    fn mode(&mut self, text: &str) -> Done {
        let id = self.server_up()?;
        let target = match self.current().map(|one| &one.place) {
            Some(Place::Room(_, room)) => room.clone(),
            _ => self.server(id).nick.clone(),
        };
        // Whoever is used to it names the target himself.
        let names_it = text.starts_with(|c| self.server(id).support.room_marks.contains(c));
        let said = if names_it {
            format!("MODE {text}")
        } else {
            format!("MODE {target} {text}")
        };
        self.tell_server(id, said.trim_end().as_bytes().to_vec());
        Ok(())
    }

    /// Where a message to this name goes: a conversation that is listed, else a nick.
    fn addressee(&mut self, name: &str) -> Result<ConversationId, Wrong> {
        if let Some(id) = self.named(name) {
            return Ok(id);
        }
        let server = self.server_up()?;
        if self.server(server).support.is_room(name) {
            let place = Place::Room(server, name.to_owned());
            let opened = self.open(place, name.to_owned());
            return opened.ok_or(Wrong::Usage);
        }
        Ok(self.person(server, name))
    }

    fn msg(&mut self, text: &str) -> Done {
        let (name, text) = text.split_once(' ').ok_or(Wrong::Usage)?;
        let id = self.addressee(name)?;
        self.say(id, Kind::Said, text);
        Ok(())
    }

    fn notice(&mut self, text: &str) -> Done {
        let (name, text) = text.split_once(' ').ok_or(Wrong::Usage)?;
        let id = self.addressee(name)?;
        self.say(id, Kind::Notice, text);
        Ok(())
    }

    fn query(&mut self, text: &str) -> Done {
        let (name, text) = text.split_once(' ').unwrap_or((text, ""));
        if name.is_empty() {
            return Err(Wrong::Usage);
        }
        let id = self.addressee(name)?;
        self.choose(Some(id));
        if !text.is_empty() {
            self.say(id, Kind::Said, text);
        }
        Ok(())
    }

    fn names_here(&mut self, _: &str) -> Done {
        let (_, room, _) = self.room_here()?;
        let members = self.conversation(room).members.values();
        let names: Vec<_> = members
            .map(|one| {
                format!(
                    "{}{}",
                    one.prefixes
                        .chars()
                        .next()
                        .map_or(String::new(), String::from),
                    one.nick
                )
            })
            .collect();
        let (n, what) = (names.len(), names.join(" "));
        let text = self
            .words()
            .fill(words::NAMES_ARE, &[("n", &n), ("what", &what)]);
        self.tell(room, Kind::Status, &text);
        Ok(())
    }

    fn nick(&mut self, nick: &str) -> Done {
        if nick.is_empty() || nick.contains(' ') {
            return Err(Wrong::Usage);
        }
        let id = self.server_up()?;
        let said = line(|l| l.command("NICK").param(nick).end());
        self.tell_server(id, said);
        Ok(())
    }

    fn oper(&mut self, text: &str) -> Done {
        let (name, password) = text.split_once(' ').unwrap_or((text, ""));
        if name.is_empty() {
            return Err(Wrong::Usage);
        }
        let id = self.server_up()?;
        if !password.is_empty() && !self.server(id).is_private() {
            return Err(Wrong::Why(self.words().get(words::NOT_PRIVATE)));
        }
        let said = line(|l| {
            let l = l.command("OPER").param(name);
            end(l, password);
        });
        self.tell_server(id, said);
        Ok(())
    }

    fn topic(&mut self, text: &str) -> Done {
        self.server_up()?;
        let (id, room, name) = self.room_here()?;
        if text.is_empty() {
            let topic = self.conversation(room).topic.clone().unwrap_or_default();
            let text = self.words().fill(words::TOPIC_IS, &[("what", &topic)]);
            self.tell(room, Kind::Status, &text);
            return Ok(());
        }
        let said = line(|l| l.command("TOPIC").param(&name).end_with(text));
        self.tell_server(id, said);
        Ok(())
    }

    fn raw(&mut self, text: &str) -> Done {
        if text.is_empty() {
            return Err(Wrong::Usage);
        }
        let id = self.server_here()?;
        self.tell_server(id, text.as_bytes().to_vec());
        Ok(())
    }

    fn quit(&mut self, why: &str) -> Done {
        self.leave(why);
        Ok(())
    }

    /// Says goodbye everywhere, and wants the end.
    pub(crate) fn leave(&mut self, why: &str) {
        let up = self.servers.iter_mut();
        for server in up.filter(|one| matches!(one.state, State::Up | State::Registering)) {
            server.out.push(match why {
                "" => b"QUIT".to_vec(),
                why => line(|l| l.command("QUIT").end_with(why)),
            });
        }
        self.collect();
        self.orders.push(Order::Quit);
    }

    /// Something about what was typed.
    fn wrong(&mut self, text: String) {
        self.news.push(News::Hint(text));
    }
}
