//! The model at the beginning: what the flags and the contacts say.

use sockeye_net::{Endpoint, Scheme};

use super::Chat;
use super::contacts::{Contacts, Server, Where};
use super::model::{Model, Setup, Way};
use super::password;
use crate::catalogue::{Lang, chat as say};
use crate::context::Context;
use crate::exit::usage;

/// The server that is dialled when nobody says which (the exchange's own).
const HERE: &str = "tcp://127.0.0.1:6667";
/// What to be called where the user's name is no nick.
const NICK: &str = "sockeye";

/// Whom to talk with at first.
enum Target {
    Servers(Vec<(String, Server)>),
    /// A plain peer.
    Peer(Endpoint),
    Nobody,
}

/// The model, with its servers and contacts, and with the conversation that is to be current.
pub(super) fn model(chat: &Chat, context: &Context, is_screen: bool) -> anyhow::Result<Model> {
    let contacts = Contacts::load(chat.contacts.as_deref())?;
    let target = target(chat, &contacts)?;
    let mut model = Model::new(context.lang());
    model.fetches_latest = is_screen;
    model.peer_lang = peer_lang(context);
    let servers = match &target {
        Target::Servers(servers) => &servers[..],
        _ => &[],
    };
    check(chat, servers)?;
    let mut names = vec![];
    for (place, (name, server)) in servers.iter().enumerate() {
        let setup = setup(chat, context, name, server, place == 0)?;
        names.push((name, model.add_server(setup)));
    }
    for (name, place) in &contacts.people {
        let way = match place {
            Where::Nick { server, nick } => {
                let Some((_, server)) = names.iter().find(|(name, _)| *name == server) else {
                    // Of a server that was not asked for today.
                    continue;
                };
                Way::Nick {
                    server: *server,
                    nick: nick.clone(),
                }
            }
            Where::Plain { endpoint, charset } => Way::Plain {
                endpoint: endpoint.clone(),
                encoding: charset.or(chat.encoding).unwrap_or_default().0,
            },
        };
        model.add_contact(name, way);
    }
    let mut first = None;
    if let Target::Peer(endpoint) = &target {
        let way = Way::Plain {
            endpoint: endpoint.clone(),
            encoding: chat.encoding.unwrap_or_default().0,
        };
        first = Some(model.add_contact(&endpoint.to_string(), way));
    }
    let wanted = chat.to.as_ref().or(chat.rooms.first());
    if let Some(name) = wanted {
        let found = model.meet(name);
        let unknown = || {
            let known = model.choices();
            let values: [(&str, &dyn std::fmt::Display); 2] = [("name", name), ("known", &known)];
            usage!("{}", say::UNKNOWN_CONTACT.fill(context.lang(), &values))
        };
        first = Some(found.ok_or_else(unknown)?);
    }
    model.choose(first);
    Ok(model)
}

/// The line above a plain peer's message is the tutorial's, unless somebody has asked for English:
/// programs are compared with it.
fn peer_lang(context: &Context) -> Lang {
    let names = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter();
    let mut set = names.filter_map(|name| std::env::var(name).ok());
    let locale = set.find(|value| !value.is_empty()).unwrap_or_default();
    match context.global.lang {
        Some(lang) => lang,
        None if locale.starts_with("en") => Lang::En,
        None => Lang::Zh,
    }
}

/// What makes no sense together.
fn check(chat: &Chat, servers: &[(String, Server)]) -> anyhow::Result<()> {
    if servers.is_empty() && !chat.rooms.is_empty() {
        return Err(usage!("--room is for a server, and none is dialled"));
    }
    let login = chat.account.is_some() || chat.password_file.is_some();
    if servers.len() != 1 && login {
        return Err(usage!(
            "--account and --password-file are for one server, and {} are dialled; name it, or write them into the contacts",
            servers.len()
        ));
    }
    Ok(())
}

fn target(chat: &Chat, contacts: &Contacts) -> anyhow::Result<Target> {
    let Some(word) = &chat.endpoint else {
        let plain = |(_, place): &(String, Where)| matches!(place, Where::Plain { .. });
        return Ok(if !contacts.servers.is_empty() {
            Target::Servers(contacts.servers.clone())
        } else if contacts.people.iter().any(plain) {
            // Whoever has only plain peers wants no server.
            Target::Nobody
        } else {
            Target::Servers(vec![bare(HERE.parse()?)])
        });
    };
    let mut servers = contacts.servers.iter();
    if let Some(server) = servers.find(|(name, _)| name == word) {
        return Ok(Target::Servers(vec![server.clone()]));
    }
    let endpoint: Endpoint = word.parse()?;
    let is_plain = endpoint.settings.framing().is_some()
        || !matches!(
            endpoint.place.scheme(),
            Scheme::Tcp
                | Scheme::Tls
                | Scheme::Quic
                | Scheme::Ws
                | Scheme::Wss
                | Scheme::Unix
                | Scheme::UnixSeqpacket
        );
    Ok(if is_plain {
        Target::Peer(endpoint)
    } else {
        Target::Servers(vec![bare(endpoint)])
    })
}

/// A server of which nothing is known but where it is.
fn bare(endpoint: Endpoint) -> (String, Server) {
    let name = endpoint.to_string();
    let server = Server {
        endpoint,
        nick: None,
        user: None,
        real_name: None,
        rooms: vec![],
        account: None,
        password_file: None,
    };
    (name, server)
}

fn setup(
    chat: &Chat,
    context: &Context,
    name: &str,
    server: &Server,
    is_first: bool,
) -> anyhow::Result<Setup> {
    let nick = chat.nick.clone().or_else(|| server.nick.clone());
    let nick = nick.unwrap_or_else(users_name);
    if nick.is_empty() || nick.contains(char::is_whitespace) || nick.starts_with([':', '#']) {
        return Err(usage!("'{nick}' is no nick"));
    }
    let user = chat.user.clone().or_else(|| server.user.clone());
    let account = chat.account.clone().or_else(|| server.account.clone());
    let file = chat
        .password_file
        .as_ref()
        .or(server.password_file.as_ref());
    let of = account.as_deref().unwrap_or(name);
    let password = file
        .map(|file| password::read(file, of, context))
        .transpose()?;
    let mut rooms = server.rooms.clone();
    if is_first {
        rooms.extend(chat.rooms.iter().cloned());
    }
    let mut seen = std::collections::HashSet::new();
    rooms.retain(|room| seen.insert(room.clone()));
    Ok(Setup {
        name: name.to_owned(),
        endpoint: server.endpoint.clone(),
        user: user.unwrap_or_else(|| nick.clone()),
        real_name: server.real_name.clone().unwrap_or_else(|| nick.clone()),
        nick,
        rooms,
        account,
        password,
    })
}

/// The user's name, if one can be called so.
fn users_name() -> String {
    let names = ["USER", "LOGNAME"].into_iter();
    let mut names = names.filter_map(|name| std::env::var(name).ok());
    let fits = |name: &String| sockeye_chat::irc::is_nick(name) && !name.starts_with("guest-");
    names.find(fits).unwrap_or_else(|| NICK.to_owned())
}
