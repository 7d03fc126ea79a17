//! An open socket in plain sight: what it is, what was asked of it, what the kernel made of that.

mod facts;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use facts::SocketKind;

use crate::endpoint::Scheme;
use crate::options::{Moment, OPTIONS, Settings};

/// All that can be told of an open descriptor, in lines of a name and a value.
///
/// `Display` prints them aligned, one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketReport {
    lines: Vec<ReportLine>,
}

/// One line of a [`SocketReport`]. Values read as in endpoints: flags are 1 and 0, sizes and
/// times have units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportLine {
    /// What it is, `fd` or `peer`, or an option's name.
    pub name: &'static str,
    /// What was asked of the option, by the endpoint or by our defaults.
    pub asked: Option<String>,
    /// What the kernel says; nothing where it was asked for and cannot be read.
    pub got: Option<String>,
}

/// Describes an open descriptor. Nothing about it changes; an error that it holds stays there.
pub fn describe(socket: impl AsFd) -> io::Result<SocketReport> {
    describe_asked(socket, &Settings::default(), Scheme::Fd, Moment::Adopted)
}

/// Describes an open descriptor, and tells beside each option what was asked of it when it was
/// opened at that moment for an endpoint of this scheme with these settings.
pub fn describe_asked(
    socket: impl AsFd,
    settings: &Settings,
    scheme: Scheme,
    moment: Moment,
) -> io::Result<SocketReport> {
    let fd = socket.as_fd();
    let mut lines = vec![];
    let mut tell = |name, got| {
        lines.push(ReportLine {
            name,
            asked: None,
            got: Some(got),
        });
    };
    tell("fd", facts::descriptor(fd));
    match SocketKind::of(fd)? {
        None => facts::of_file(fd, tell),
        Some(kind) => {
            facts::of_socket(fd, kind, tell);
            if let Some(found) = kind.scheme() {
                lines.extend(options(fd, found, settings, scheme, moment));
            }
        }
    }
    Ok(SocketReport { lines })
}

/// The options that such a socket has, and those that were asked for.
fn options(
    fd: BorrowedFd<'_>,
    found: Scheme,
    settings: &Settings,
    scheme: Scheme,
    moment: Moment,
) -> Vec<ReportLine> {
    let asked = settings.read_back(fd, scheme, moment);
    let mut lines = vec![];
    for spec in OPTIONS {
        let before = lines.len();
        lines.extend(
            asked
                .iter()
                .filter(|one| one.key == spec.key)
                .map(|one| ReportLine {
                    name: spec.name,
                    asked: Some(one.asked.to_string()),
                    got: one.got.as_ref().map(ToString::to_string),
                }),
        );
        if lines.len() == before && spec.fits.has(found) {
            let got = spec
                .key
                .read(fd)
                .ok()
                .flatten()
                .map(|value| value.to_string());
            lines.extend(got.map(|got| ReportLine {
                name: spec.name,
                asked: None,
                got: Some(got),
            }));
        }
    }
    lines
}

impl SocketReport {
    /// The lines, in the order in which they are printed.
    pub fn lines(&self) -> &[ReportLine] {
        &self.lines
    }

    /// What the kernel says of `name`.
    pub fn got(&self, name: &str) -> Option<&str> {
        self.lines
            .iter()
            .find(|line| line.name == name)?
            .got
            .as_deref()
    }
}

impl fmt::Display for SocketReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
        let names = width(&mut self.lines.iter().map(|line| line.name.len()));
        let got = |line: &ReportLine| line.got.clone().unwrap_or_else(|| "not shown".into());
        let asked = self.lines.iter().filter(|line| line.asked.is_some());
        let values = width(&mut asked.map(|line| got(line).len()));
        for (index, line) in self.lines.iter().enumerate() {
            if index > 0 {
                out.write_str("\n")?;
            }
            match &line.asked {
                Some(asked) => {
                    write!(
                        out,
                        "{:names$}  {:values$}  asked {asked}",
                        line.name,
                        got(line)
                    )?;
                }
                None => write!(out, "{:names$}  {}", line.name, got(line))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;
    use crate::endpoint::Endpoint;

    const HERE: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

    #[track_caller]
    fn check(report: &SocketReport, name: &str, got: &str) {
        assert_eq!(report.got(name), Some(got), "{name} in\n{report}");
    }

    #[test]
    fn a_connection_is_described() {
        let listener = TcpListener::bind(HERE).unwrap();
        let address = listener.local_addr().unwrap();
        let mut dialled = TcpStream::connect(address).unwrap();
        let waiting = describe(&listener).unwrap();
        check(&waiting, "state", "LISTEN");
        check(&waiting, "waiting", "1");
        let (accepted, from) = listener.accept().unwrap();
        accepted
            .set_read_timeout(Some(Duration::from_millis(1500)))
            .unwrap();
        accepted.set_nonblocking(true).unwrap();
        dialled.write_all(b"hello").unwrap();
        let report = describe(&accepted).unwrap();
        check(&report, "socket", "AF_INET, SOCK_STREAM, IPPROTO_TCP");
        check(&report, "state", "ESTABLISHED");
        check(&report, "local", &format!("tcp://{address}"));
        check(&report, "peer", &format!("tcp://{from}"));
        check(&report, "blocking", "0");
        check(&report, "receive-timeout", "1500ms");
        check(&report, "send-timeout", "none");
        check(&report, "unread", "5 bytes");
        check(&report, "unsent", "0 bytes");
        check(&report, "error", "none");
        check(&report, "nodelay", "0");
        check(&report, "mptcp", "0");
        assert_eq!(report.got("broadcast"), None);
        assert_eq!(report.got("backlog"), None);
    }

    #[test]
    fn asked_and_got_stand_side_by_side() {
        let endpoint: Endpoint = "udp://:0?sndbuf=64KiB&mcast-join=239.1.1.1%40lo"
            .parse()
            .unwrap();
        let (settings, scheme) = (&endpoint.settings, endpoint.place.scheme());
        let socket = UdpSocket::bind(HERE).unwrap();
        settings.apply(&socket, scheme, Moment::Listen).unwrap();
        let report = describe_asked(&socket, settings, scheme, Moment::Listen).unwrap();
        let text = report.to_string();
        let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap();
        let words = |start| line(start).split_whitespace().collect::<Vec<_>>();
        assert_eq!(words("sndbuf"), ["sndbuf", "128KiB", "asked", "64KiB"]);
        assert_eq!(
            words("mcast-join"),
            ["mcast-join", "not", "shown", "asked", "239.1.1.1@lo"]
        );
        let column = |start| line(start).find("asked").unwrap();
        assert_eq!(column("sndbuf"), column("mcast-join"));
        check(&report, "drops", "0");
    }

    #[test]
    fn describing_leaves_a_pending_error_where_it_is() {
        let gone = UdpSocket::bind(HERE).unwrap().local_addr().unwrap();
        let socket = UdpSocket::bind(HERE).unwrap();
        socket.connect(gone).unwrap();
        socket.send(b"x").unwrap();
        check(&describe(&socket).unwrap(), "error", "pending");
        check(&describe(&socket).unwrap(), "error", "pending");
        let error = socket.send(b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        check(
            &describe(UdpSocket::bind(HERE).unwrap()).unwrap(),
            "error",
            "none",
        );
    }

    #[test]
    fn unix_sockets_show_the_process_behind() {
        let (near, _far) = UnixStream::pair().unwrap();
        let report = describe(&near).unwrap();
        check(&report, "socket", "AF_UNIX, SOCK_STREAM, 0");
        let uid = rustix::process::getuid().as_raw();
        check(
            &report,
            "peer",
            &format!("unix: (pid {}, uid {uid})", std::process::id()),
        );
        check(&report, "passcred", "0");
        assert_eq!(report.got("ttl"), None);
    }

    #[test]
    fn what_is_no_socket_says_what_it_is() {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"abc").unwrap();
        let report = describe(&reader).unwrap();
        check(&report, "socket", "none, a pipe");
        check(&report, "unread", "3 bytes");
        check(&report, "blocking", "1");
        let file = std::fs::File::open("/dev/null").unwrap();
        check(&describe(&file).unwrap(), "socket", "none, a device");
    }
}
