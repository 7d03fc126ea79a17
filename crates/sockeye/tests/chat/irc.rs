//! A member that says and hears lines, as a test tells it to.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use sockeye_testkit::DEADLINE;

/// What a member is connected by.
pub(crate) trait Wire: Read + Write + Send {
    /// Another handle of the same.
    fn again(&self) -> Box<dyn Wire>;
    /// Sends no more.
    fn half_close(&self);
}

impl Wire for TcpStream {
    fn again(&self) -> Box<dyn Wire> {
        Box::new(self.try_clone().unwrap())
    }

    fn half_close(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

impl Wire for UnixStream {
    fn again(&self) -> Box<dyn Wire> {
        Box::new(self.try_clone().unwrap())
    }

    fn half_close(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

/// Somebody who says lines and hears lines. Every wait ends at the deadline of all tests.
pub(crate) struct Irc {
    wire: Box<dyn Wire>,
    heard: BufReader<Box<dyn Wire>>,
    pub(crate) nick: String,
    pings: u32,
}

impl Irc {
    /// Somebody who is connected to this address of a server, and has said nothing yet.
    #[track_caller]
    pub(crate) fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Self::over(Box::new(stream))
    }

    /// The same over a Unix socket.
    #[track_caller]
    pub(crate) fn connect_unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Self::over(Box::new(stream))
    }

    fn over(wire: Box<dyn Wire>) -> Self {
        Self {
            heard: BufReader::new(wire.again()),
            wire,
            nick: String::new(),
            pings: 0,
        }
    }

    /// Somebody who is let in, with these capabilities.
    #[track_caller]
    pub(crate) fn join_in(address: &str, nick: &str, caps: &str) -> Self {
        let mut irc = Self::connect(address);
        irc.registers(nick, caps);
        irc
    }

    /// Says who it is and is let in.
    #[track_caller]
    pub(crate) fn registers(&mut self, nick: &str, caps: &str) {
        nick.clone_into(&mut self.nick);
        if !caps.is_empty() {
            self.says(&format!("CAP REQ :{caps}"));
        }
        self.says(&format!("NICK {nick}"));
        self.says(&format!("USER {nick} 0 * :{nick}"));
        if !caps.is_empty() {
            self.says("CAP END");
            self.hears(" ACK ");
        }
        self.hears(" 001 ");
        self.settles();
    }

    /// Says a line.
    #[track_caller]
    pub(crate) fn says(&mut self, line: &str) {
        self.sends(format!("{line}\r\n").as_bytes());
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub(crate) fn sends(&mut self, bytes: &[u8]) {
        self.wire.write_all(bytes).unwrap();
    }

    /// The same to somebody who may be gone.
    pub(crate) fn tries_to_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.wire.write_all(bytes)
    }

    /// The next line, without its end; none when the server has closed.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<String> {
        let mut line = vec![];
        let got = self.heard.read_until(b'\n', &mut line).unwrap();
        if got == 0 {
            return None;
        }
        let line = String::from_utf8(line).expect("a server says UTF-8");
        let line = line.strip_suffix("\r\n");
        Some(line.expect("lines end with CR LF").to_owned())
    }

    /// The next line that has this in it; those before it are passed over.
    #[track_caller]
    pub(crate) fn hears(&mut self, part: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        let mut passed = vec![];
        while Instant::now() < deadline {
            match self.next() {
                Some(line) if line.contains(part) => return line,
                Some(line) => passed.push(line),
                None => break,
            }
        }
        panic!(
            "{} hears nothing with {part:?} in it, but {passed:#?}",
            self.nick
        );
    }

    /// All that was said to it before the answer to a question that it asks now.
    #[track_caller]
    pub(crate) fn settles(&mut self) -> Vec<String> {
        self.pings += 1;
        let token = format!("settled-{}", self.pings);
        self.says(&format!("PING {token}"));
        let mut heard = vec![];
        loop {
            let line = self.next().expect("the server is there");
            if line.ends_with(&token) {
                return heard;
            }
            heard.push(line);
        }
    }

    /// All lines until the server closes.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).collect()
    }

    /// What it writes to and what it reads from, for whoever outlives the server.
    pub(crate) fn into_parts(self) -> (Box<dyn Wire>, BufReader<Box<dyn Wire>>) {
        (self.wire, self.heard)
    }

    /// Sends no more, and hears on.
    pub(crate) fn half_closes(&self) {
        self.wire.half_close();
    }

    /// Waits until the server has closed or reset the connection, whatever it says before.
    #[track_caller]
    pub(crate) fn is_closed(&mut self) {
        let mut rest = [0; 4096];
        loop {
            match self.heard.read(&mut rest) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return,
                Err(error) => panic!("{} is not closed: {error}", self.nick),
            }
        }
    }
}
