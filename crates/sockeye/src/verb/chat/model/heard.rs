//! What a server says: state, and every line to whoever understands it.

use sockeye_chat::irc::{Message as Line, time_of};

use super::conversation::ServerId;
use super::event::{FromServer, News, Order};
use super::message::{Delivery, Kind};
use super::server::{Batch, State};
use super::{Model, registration};

/// Batches that are open at once; more are taken as loose lines.
const BATCHES: usize = 64;
/// Lines that a batch holds; what is beyond is dropped.
const BATCH_LINES: usize = 2_000;

impl Model {
    pub(super) fn on_server(&mut self, id: ServerId, event: FromServer) {
        match event {
            FromServer::Dialling => self.server_mut(id).state = State::Dialling,
            FromServer::Connected {
                is_private,
                is_secure,
            } => {
                let began = self.server_mut(id).begin(is_private, is_secure);
                self.unless_refused(id, began);
            }
            FromServer::Line(line) => return self.on_line(id, &line),
            FromServer::Lost { why, again_in_ms } => self.on_lost(id, &why, again_in_ms),
        }
        self.news.push(News::Server(id));
    }

    /// Stays away from a server where trying again would bring the same.
    fn unless_refused(&mut self, id: ServerId, result: Result<(), registration::Refused>) {
        if let Err(why) = result {
            self.server_mut(id).out.clear();
            self.orders.push(Order::Disconnect(id));
            self.on_lost(id, &why, None);
        }
    }

    fn on_lost(&mut self, id: ServerId, why: &str, again_in_ms: Option<u64>) {
        let until_ms = self.now_ms;
        let server = self.server_mut(id);
        if matches!(server.state, State::Up) {
            server.lost_ms = server.last_ms;
        }
        // Every attempt in vain says the same: once is enough.
        let is_news = server.trouble.as_deref() != Some(why);
        server.trouble = Some(why.to_owned());
        server.state = match again_in_ms {
            Some(after) => State::Waiting {
                until_ms: until_ms + after,
            },
            None => State::Off,
        };
        server.out.clear();
        server.batches.clear();
        server.asked.clear();
        server.barrier = None;
        let pending = std::mem::take(&mut server.pending);
        for one in pending {
            self.settle(one.conversation, one.seq, Delivery::Failed);
            let typed = &mut self.conversation_mut(one.conversation).typed;
            typed.keep(&one.text);
        }
        self.leave_all_rooms(id);
        if is_news {
            let status = self.status(id);
            self.tell(status, Kind::Error, why);
        }
    }

    fn on_line(&mut self, id: ServerId, text: &str) {
        let Ok(line) = Line::parse(text.as_bytes()) else {
            return;
        };
        if let Some(time) = line.tags.get("time").and_then(|time| time_of(&time)) {
            let server = self.server_mut(id);
            server.last_ms = server.last_ms.max(time);
        }
        if let Some(name) = line.tags.get("batch")
            && let Some(batch) = self.server_mut(id).batches.get_mut(&*name)
            && batch.is_kept()
        {
            if batch.lines.len() < BATCH_LINES {
                batch.lines.push(text.to_owned());
            }
            return;
        }
        if line.is("BATCH") {
            return self.on_batch(id, &line);
        }
        self.on_command(id, &line);
    }

    fn on_batch(&mut self, id: ServerId, line: &Line<'_>) {
        let Some(name) = line.param(0) else { return };
        let server = self.server_mut(id);
        if let Some(name) = name.strip_prefix('+') {
            if server.batches.len() < BATCHES {
                let batch = Batch {
                    kind: line.param(1).unwrap_or_default().to_owned(),
                    target: server.support.fold(line.param(2).unwrap_or_default()),
                    label: line.tags.get("label").map(Into::into),
                    lines: vec![],
                };
                server.batches.insert(name.to_owned(), batch);
            }
        } else if let Some(name) = name.strip_prefix('-')
            && let Some(batch) = server.batches.remove(name)
            && batch.is_kept()
        {
            self.on_history(id, &batch);
        }
    }

    /// The label of what this answers: its own, or its batch's.
    pub(super) fn label_of(&self, id: ServerId, line: &Line<'_>) -> Option<String> {
        if let Some(label) = line.tags.get("label") {
            return Some(label.into_owned());
        }
        let name = line.tags.get("batch")?;
        self.server(id).batches.get(&*name)?.label.clone()
    }

    fn on_command(&mut self, id: ServerId, line: &Line<'_>) {
        let command = line.command.to_ascii_uppercase();
        match command.as_str() {
            "PING" => {
                let token = line.param(0).unwrap_or_default().to_owned();
                let pong = super::server::line(|l| l.command("PONG").end_with(&token));
                self.server_mut(id).out.push(pong);
            }
            "PONG" => self.on_pong(id, line),
            "CAP" => self.server_mut(id).on_cap(line),
            "AUTHENTICATE" => self.server_mut(id).on_authenticate(line),
            "PRIVMSG" | "NOTICE" => self.on_talk(id, line),
            "JOIN" => self.on_join(id, line),
            "PART" => self.on_part(id, line),
            "QUIT" => self.on_quit(id, line),
            "KICK" => self.on_kick(id, line),
            "NICK" => self.on_nick(id, line),
            "MODE" => self.on_mode(id, line),
            "TOPIC" => self.on_topic(id, line),
            "INVITE" => self.on_invite(id, line),
            "AWAY" => self.on_away(id, line),
            "ACCOUNT" | "SETNAME" | "CHGHOST" | "TAGMSG" | "ACK" | "MARKREAD" => {}
            "FAIL" | "WARN" | "NOTE" => self.on_standard_reply(id, line),
            "ERROR" => {
                let status = self.status(id);
                let text = line.params().last().copied().unwrap_or_default().to_owned();
                self.tell(status, Kind::Error, &text);
            }
            number if number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.on_numeric(id, number, line);
            }
            other => {
                let text = format!("{other} {}", line.params().join(" "));
                let status = self.status(id);
                self.tell(status, Kind::Status, &text);
            }
        }
    }

    /// What registration asks of the numerics; false if it is none of its business.
    pub(super) fn on_registration(&mut self, id: ServerId, number: &str, line: &Line<'_>) -> bool {
        let last = line.params().last().copied().unwrap_or_default().to_owned();
        let server = self.server_mut(id);
        let result = match number {
            "001" => {
                let nick = line.param(0).unwrap_or_default().to_owned();
                server.on_welcome(&nick)
            }
            "432" | "433" | "436" | "437" if server.state == State::Registering => {
                server.next_nick(&last)
            }
            "900" => {
                server.account = line.param(2).map(str::to_owned);
                Ok(())
            }
            "901" => {
                server.account = None;
                Ok(())
            }
            "903" => {
                server.on_logged_in();
                Ok(())
            }
            "902" | "904" | "905" | "906" if server.state == State::Registering => {
                server.on_login_refused(&last)
            }
            // 904 with its text follows 908.
            "908" => Ok(()),
            "464" | "465" => Err(last),
            _ => return false,
        };
        self.unless_refused(id, result);
        self.news.push(News::Server(id));
        true
    }

    /// The message of the day is over: everything can be asked now.
    pub(super) fn on_ready(&mut self, id: ServerId) {
        let server = self.server_mut(id);
        if server.state != State::Registering {
            return;
        }
        server.state = State::Up;
        let mut rooms = server.setup.rooms.clone();
        rooms.extend(std::mem::take(&mut server.was_in));
        let mut seen = std::collections::HashSet::new();
        rooms.retain(|room| seen.insert(server.support.fold(room)));
        for room in rooms {
            // A key may stand behind the name.
            let (room, key) = room.split_once(' ').unwrap_or((&room, ""));
            let join = super::server::line(|l| {
                let l = l.command("JOIN").param(room);
                if key.is_empty() { l } else { l.param(key) }.end();
            });
            server.out.push(join);
        }
        self.ask_for_targets(id);
        self.server_mut(id).was_up = true;
        self.news.push(News::Server(id));
    }
}

impl Batch {
    /// Whether its lines are told together at its end.
    fn is_kept(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "chathistory" | "draft/chathistory-targets" | "soju.im/search" | "draft/search"
        )
    }
}
