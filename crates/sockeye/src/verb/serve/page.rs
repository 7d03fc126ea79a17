//! What the exchange tells people once it listens: what it serves, and what to try.

use sockeye_net::{Name, UnixKind, UnixName};

use super::Service;
use crate::catalogue::{self as say, Lang};
use crate::config::Config;
use crate::ui::Table;

/// One socket that listens.
#[derive(Clone, Debug)]
pub(super) struct Listening {
    /// The name of its service.
    pub(super) name: String,
    pub(super) service: Service,
    pub(super) local: Name,
}

/// The page for people.
pub(super) fn render(config: &Config, sockets: &[Listening], lang: Lang) -> String {
    let mut served = Table::default();
    let mut last = "";
    for socket in sockets {
        let first = socket.name != last;
        last = &socket.name;
        let (name, does) = if first {
            (last, about(socket.service, lang))
        } else {
            ("", "")
        };
        served.row([name, &socket.local.to_string(), does]);
    }
    let served = served.render("  ");
    let tries: Vec<String> = examples(sockets, lang)
        .into_iter()
        .map(|(line, does)| format!("  # {does}\n  {line}\n"))
        .collect();
    let tries = tries.concat();
    let config = match &config.path {
        Some(path) => say::FROM_CONFIG.fill(lang, &[("path", &path.display())]),
        None => say::BUILT_IN.get(lang).to_owned(),
    };
    let tries = if tries.is_empty() {
        tries
    } else {
        format!("{}\n\n{tries}\n", say::TRY.get(lang))
    };
    format!("{}\n\n{served}\n{tries}{config}", say::SERVES.get(lang))
}

fn about(service: Service, lang: Lang) -> &'static str {
    match service {
        Service::Echo => say::DOES_ECHO,
        Service::Upper => say::DOES_UPPER,
        Service::Reply => say::DOES_REPLY,
        Service::Discard => say::DOES_DISCARD,
        Service::Print => say::DOES_PRINT,
        Service::Chargen => say::DOES_CHARGEN,
        Service::Daytime => say::DOES_DAYTIME,
        Service::Hub => say::DOES_HUB,
        Service::Relay => say::DOES_RELAY,
        Service::Exec => say::DOES_EXEC,
        Service::Files => say::DOES_FILES,
        Service::Chat => say::DOES_CHAT,
    }
    .get(lang)
}

/// How the shell that started us found us: `target/release/sockeye` is not on its path.
fn program() -> String {
    let typed = std::env::args().next().filter(|typed| typed.contains('/'));
    typed.unwrap_or_else(|| "sockeye".into())
}

/// Command lines that work as they stand, for the sockets that are there.
fn examples(sockets: &[Listening], lang: Lang) -> Vec<(String, &'static str)> {
    let answers = |socket: &&Listening| matches!(socket.service, Service::Echo | Service::Upper);
    // Upper-case is the better proof: what comes back is not what the terminal echoed.
    let mut answering: Vec<_> = sockets.iter().filter(answers).collect();
    answering.sort_by_key(|socket| socket.service != Service::Upper);
    let find = |fits: fn(&Name) -> bool| {
        answering
            .iter()
            .map(|socket| &socket.local)
            .find(|name| fits(name))
    };
    let mut lines = vec![];
    if let Some(Name::Tcp(address)) = find(|name| matches!(name, Name::Tcp(_))) {
        let (host, port) = (address.ip(), address.port());
        lines.push((
            format!("{} dial {address}", program()),
            say::TRY_DIAL.get(lang),
        ));
        let connect = format!(
            "python3 -c 'import socket; s = socket.create_connection((\"{host}\", {port})); \
             s.sendall(b\"hello\"); print(s.recv(1024))'"
        );
        lines.push((connect, say::TRY_PYTHON.get(lang)));
        lines.push((
            format!("echo hello | ncat {host} {port}"),
            say::TRY_NCAT.get(lang),
        ));
    }
    if let Some(Name::Udp(address)) = find(|name| matches!(name, Name::Udp(_))) {
        let family = if address.is_ipv6() { "UDP6" } else { "UDP4" };
        let line = format!("echo hello | socat -t1 - {family}:{address}");
        lines.push((line, say::TRY_SOCAT_UDP.get(lang)));
    }
    let chat = sockets
        .iter()
        .find(|socket| socket.service == Service::Chat);
    if let Some(Name::Tcp(address)) = chat.map(|socket| &socket.local) {
        lines.push((
            format!("{} chat {address}", program()),
            say::TRY_CHAT.get(lang),
        ));
        let joins = format!(
            "(printf 'NICK me\\nUSER me 0 * :me\\nJOIN #lobby\\n'; cat) | ncat {} {}",
            address.ip(),
            address.port()
        );
        lines.push((joins, say::TRY_CHAT_NCAT.get(lang)));
    }
    let stream = |name: &Name| {
        matches!(
            name,
            Name::Unix {
                kind: UnixKind::Stream,
                name: Some(UnixName::Path(_))
            }
        )
    };
    if let Some(Name::Unix {
        name: Some(UnixName::Path(path)),
        ..
    }) = find(stream)
    {
        let line = format!("echo hello | socat - UNIX-CONNECT:{}", path.display());
        lines.push((line, say::TRY_SOCAT_UNIX.get(lang)));
    }
    lines
}
