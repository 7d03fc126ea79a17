//! How one speaks in a room of servers that were not made for the same thing.

use std::sync::atomic::{AtomicU32, Ordering};

use clap::ValueEnum;

/// Whose words are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::verb::bench) enum Dialect {
    /// IRC: NICK, USER, JOIN, PRIVMSG
    Irc,
    /// Lines that everybody else hears as they are: a hub
    Bare,
    /// A channel of Redis: SUBSCRIBE, PUBLISH
    Redis,
    /// A subject of NATS: SUB, PUB
    Nats,
}

/// Digits of a number that stands in names.
const DIGITS: usize = 4;

/// A room that nobody is in yet, and the names of those who will be.
#[derive(Clone, Debug)]
pub(in crate::verb::bench) struct Room {
    dialect: Dialect,
    /// Tells this process from others that load the same server.
    process: String,
    name: String,
    /// What stands ahead of a text that is said in it, in IRC.
    said: String,
}

/// Counts rooms and members of this process: a server may still know those of the last round.
static SERIAL: AtomicU32 = AtomicU32::new(0);

/// What a member hears before it has heard all that is needed to be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeting<'a> {
    /// Nothing that matters.
    Other,
    /// It may go on: it is let in, and has to join now.
    LetIn,
    /// It is in the room.
    In,
    /// Its name is taken.
    Taken,
    /// It is asked whether it is there.
    Ping(&'a [u8]),
    /// It is not wanted, with these words.
    Refused(&'a [u8]),
}

impl Room {
    pub(in crate::verb::bench) fn new(dialect: Dialect) -> Self {
        let process = base36(std::process::id());
        let number = base36(SERIAL.fetch_add(1, Ordering::Relaxed));
        let name = match dialect {
            Dialect::Irc | Dialect::Bare => format!("#{process}{number}"),
            Dialect::Redis | Dialect::Nats => format!("{process}{number}"),
        };
        Self {
            dialect,
            said: format!("PRIVMSG {name} :"),
            process,
            name,
        }
    }

    /// What a member says first.
    pub(super) fn hello(&self) -> String {
        match self.dialect {
            Dialect::Irc => {
                // Nine letters, of which some servers let nobody have more.
                let number = base36(SERIAL.fetch_add(1, Ordering::Relaxed));
                let nick = format!("b{}{number}", self.process);
                format!("NICK {nick}\r\nUSER bench 0 * :bench\r\n")
            }
            Dialect::Bare => String::new(),
            Dialect::Redis => format!("SUBSCRIBE {}\r\n", self.name),
            Dialect::Nats => format!(
                "CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\nSUB {} 1\r\nPING\r\n",
                self.name
            ),
        }
    }

    /// The same of the one who speaks, where that differs.
    pub(super) fn hello_of_speaker(&self) -> String {
        match self.dialect {
            Dialect::Irc | Dialect::Bare => self.hello(),
            Dialect::Redis => "PING\r\n".into(),
            Dialect::Nats => {
                "CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false}\r\nPING\r\n".into()
            }
        }
    }

    /// What a member says when it is let in.
    pub(super) fn join(&self) -> String {
        match self.dialect {
            Dialect::Irc => format!("JOIN {}\r\n", self.name),
            _ => String::new(),
        }
    }

    /// Whether members are greeted at all.
    pub(super) fn greets(&self) -> bool {
        self.dialect != Dialect::Bare
    }

    /// What a line means to somebody who wants to come in, given without its end.
    pub(super) fn greeting<'a>(&self, line: &'a [u8]) -> Greeting<'a> {
        if let Some(ping) = ping(line) {
            return Greeting::Ping(ping);
        }
        match self.dialect {
            Dialect::Irc => irc_greeting(line),
            Dialect::Redis if line.starts_with(b"-") => Greeting::Refused(line),
            // The number of channels ends the answer to SUBSCRIBE; `PONG` is the speaker's.
            Dialect::Redis if line == b":1" || line == b"+PONG" => Greeting::In,
            Dialect::Nats if line.starts_with(b"-ERR") => Greeting::Refused(line),
            Dialect::Nats if line == b"PONG" => Greeting::In,
            Dialect::Bare | Dialect::Redis | Dialect::Nats => Greeting::Other,
        }
    }

    /// Appends what is said to a room for a text of `size` bytes, up to the text.
    pub(super) fn append_head(&self, size: usize, out: &mut Vec<u8>) {
        let head = match self.dialect {
            Dialect::Irc | Dialect::Bare => self.said.clone(),
            Dialect::Redis => format!("PUBLISH {} ", self.name),
            Dialect::Nats => format!("PUB {} {size}\r\n", self.name),
        };
        out.extend_from_slice(head.as_bytes());
    }

    /// What stands ahead of the text of what is heard, where that is the same for every server.
    pub(super) fn heard_head(&self, size: usize) -> Option<Vec<u8>> {
        let name = &self.name;
        let head = match self.dialect {
            Dialect::Irc => return None,
            Dialect::Bare => self.said.clone(),
            Dialect::Redis => {
                let len = name.len();
                format!("*3\r\n$7\r\nmessage\r\n${len}\r\n{name}\r\n${size}\r\n")
            }
            Dialect::Nats => format!("MSG {name} 1 {size}\r\n"),
        };
        Some(head.into_bytes())
    }

    /// The text of a line, given without its end, that was said in the room; of IRC also what stands
    /// ahead of it in the line.
    pub(super) fn text<'a>(&self, line: &'a [u8], size: usize) -> Option<(&'a [u8], &'a [u8])> {
        let split = match self.dialect {
            Dialect::Irc | Dialect::Bare => {
                memchr::memmem::find(line, self.said.as_bytes())? + self.said.len()
            }
            // Lengths, names and numbers are shorter than any text.
            Dialect::Redis | Dialect::Nats if line.len() == size => 0,
            Dialect::Redis | Dialect::Nats => return None,
        };
        Some(line.split_at(split))
    }
}

/// Bytes of a line of IRC that are not its text: command, room, and what stands around them.
pub(in crate::verb::bench) const AROUND_TEXT: usize =
    "PRIVMSG #".len() + 2 * DIGITS + " :\r\n".len();

/// What is said by somebody who asks whether one is there.
pub(super) fn ping(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"PING")?;
    (rest.is_empty() || rest.starts_with(b" ")).then_some(rest)
}

/// The answer to it.
pub(super) fn pong(ping: &[u8]) -> Vec<u8> {
    [b"PONG", ping, b"\r\n"].concat()
}

fn irc_greeting(line: &[u8]) -> Greeting<'_> {
    if line.starts_with(b"ERROR") {
        return Greeting::Refused(line);
    }
    // `:server 001 nick …`, and nothing else here needs a server's word.
    let mut words = line.split(|byte| *byte == b' ');
    let source = words.next().filter(|word| word.starts_with(b":"));
    let number = words
        .next()
        .filter(|word| word.len() == 3 && source.is_some());
    match number {
        // The message of the day is the last that a server says of itself; there may be none.
        Some(b"376" | b"422") => Greeting::LetIn,
        Some(b"366") => Greeting::In,
        Some(b"433" | b"436" | b"437") => Greeting::Taken,
        Some(number) if matches!(number[0], b'4' | b'5' | b'9') => Greeting::Refused(line),
        _ => Greeting::Other,
    }
}

/// The last digits of a number in letters and digits.
fn base36(number: u32) -> String {
    let digit = |place: u32| {
        let digit = number / 36_u32.pow(place) % 36;
        char::from_digit(digit, 36).expect("less than the base")
    };
    (0..DIGITS as u32).rev().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_of_servers_are_understood() {
        let irc = Room::new(Dialect::Irc);
        for (line, greeting) in [
            (&b":irc.x 001 tom :Welcome"[..], Greeting::Other),
            (b":irc.x 376 tom :End of MOTD", Greeting::LetIn),
            (b":irc.x 422 tom :No MOTD", Greeting::LetIn),
            (b":irc.x 366 tom #r :End", Greeting::In),
            (b":irc.x 433 * tom :in use", Greeting::Taken),
            (b"PING :x", Greeting::Ping(b" :x")),
            (b"PINGU", Greeting::Other),
            (b"ERROR :Too many", Greeting::Refused(b"ERROR :Too many")),
            (
                b":irc.x 471 tom #r :full",
                Greeting::Refused(b":irc.x 471 tom #r :full"),
            ),
            (b":tom!t@h 433", Greeting::Taken),
            (b"422", Greeting::Other),
            (b"", Greeting::Other),
        ] {
            assert_eq!(irc.greeting(line), greeting, "{}", line.escape_ascii());
        }
        assert_eq!(Room::new(Dialect::Redis).greeting(b":1"), Greeting::In);
        assert_eq!(Room::new(Dialect::Nats).greeting(b"PONG"), Greeting::In);
        assert_eq!(pong(b" :x"), b"PONG :x\r\n");
    }

    #[test]
    fn what_is_heard_is_found_in_its_line() {
        let room = Room::new(Dialect::Irc);
        let mut said = vec![];
        room.append_head(3, &mut said);
        assert_eq!(said.len() + "\r\n".len(), AROUND_TEXT);
        let heard = [b":b!bench@host ", &said[..], b"abc"].concat();
        let (head, text) = room.text(&heard, 3).unwrap();
        assert_eq!((text, head.len()), (&b"abc"[..], heard.len() - 3));
        assert_eq!(room.text(b":x NOTICE y :abc", 3), None);
        let hello = room.hello();
        assert_eq!(hello.find("\r\n"), Some("NICK ".len() + 9), "{hello}");
        assert_ne!(room.hello(), hello);
        assert_ne!(Room::new(Dialect::Irc).name, room.name);
    }
}
