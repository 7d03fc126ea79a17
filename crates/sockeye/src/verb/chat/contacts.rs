//! The contacts: a file that says who is where.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use sockeye_net::{Endpoint, Errno};
use toml::Spanned;

use crate::exit::{Usage, usage};
use crate::values::{Charset, from_text};

/// Bytes of the file at most: far more than anybody writes, far less than would hurt.
const LIMIT: u64 = 1 << 20;

/// Who is where.
#[derive(Clone, Debug, Default)]
pub(super) struct Contacts {
    pub(super) servers: Vec<(String, Server)>,
    /// In the order of the file.
    pub(super) people: Vec<(String, Where)>,
}

/// A server of the contacts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Server {
    #[serde(deserialize_with = "endpoint")]
    pub(super) endpoint: Endpoint,
    pub(super) nick: Option<String>,
    pub(super) user: Option<String>,
    pub(super) real_name: Option<String>,
    #[serde(default)]
    pub(super) rooms: Vec<String>,
    pub(super) account: Option<String>,
    /// Beside the contacts' file, unless it is written otherwise.
    pub(super) password_file: Option<PathBuf>,
}

/// Where somebody is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Where {
    Nick {
        server: String,
        nick: String,
    },
    Plain {
        endpoint: Endpoint,
        charset: Option<Charset>,
    },
}

/// The file as TOML has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    servers: BTreeMap<Spanned<String>, Spanned<Server>>,
    #[serde(default)]
    contacts: BTreeMap<Spanned<String>, Spanned<Value>>,
}

/// A contact: a text, or a table with more.
struct Value {
    at: String,
    charset: Option<Charset>,
}

/// The table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    at: String,
    #[serde(default, deserialize_with = "from_text")]
    encoding: Option<Charset>,
}

fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Endpoint, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "\"udp://HOST:PORT\", \"SERVER/NICK\", or { at = \"…\", encoding = \"…\" }",
                )
            }

            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                let at = text.to_owned();
                Ok(Value { at, charset: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Value {
                    at: table.at,
                    charset: table.encoding,
                })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Contacts {
    /// Reads the file that was asked for, else the usual one if it exists.
    pub(super) fn load(asked: Option<&Path>) -> anyhow::Result<Self> {
        let found = match asked {
            Some(path) => Some(path.to_owned()),
            None => usual_place().filter(|path| path.exists()),
        };
        found.map_or_else(|| Ok(Self::default()), |path| Self::read(&path))
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let unread = |error| usage!("contacts {shown}: {}", Errno::of(&error));
        let size = std::fs::metadata(path).map_err(unread)?.len();
        if size > LIMIT {
            return Err(usage!(
                "contacts {shown} have {size} bytes, the limit is {LIMIT}"
            ));
        }
        let text = std::fs::read_to_string(path).map_err(unread)?;
        let mut contacts =
            parse(&text).map_err(|error| Usage(format!("contacts {shown}: {error}")))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for (_, server) in &mut contacts.servers {
            if let Some(file) = &mut server.password_file {
                *file = folder.join(&file);
            }
        }
        Ok(contacts)
    }
}

/// `$XDG_CONFIG_HOME/sockeye/contacts.toml`.
fn usual_place() -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let config = std::env::var_os("XDG_CONFIG_HOME").filter(|dir| !dir.is_empty());
    let config = config.map(PathBuf::from).or_else(home)?;
    Some(config.join("sockeye/contacts.toml"))
}

/// Reads the text of the file. The error says where: a line and a caret, or at least the line.
fn parse(text: &str) -> Result<Contacts, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    let line_of = |at: usize| text[..at].matches('\n').count() + 1;
    let mut servers: Vec<_> = file.servers.into_iter().collect();
    servers.sort_by_key(|(name, _)| name.span().start);
    let servers: Vec<_> = servers
        .into_iter()
        .map(|(name, server)| (name.into_inner(), server.into_inner()))
        .collect();
    let mut people: Vec<_> = file.contacts.into_iter().collect();
    people.sort_by_key(|(name, _)| name.span().start);
    let mut known = vec![];
    for (name, value) in people {
        let line = line_of(name.span().start);
        let name = name.into_inner();
        let place = place(&value.into_inner(), &servers);
        let place = place.map_err(|why| format!("contact {name} at line {line}: {why}"))?;
        if name.trim() != name || name.is_empty() || name == "quit" || name.starts_with('/') {
            return Err(format!(
                "contact {name:?} at line {line}: nobody can be chosen by such a name"
            ));
        }
        known.push((name, place));
    }
    Ok(Contacts {
        servers,
        people: known,
    })
}

/// What has a colon is an endpoint, for no nick has one; else it is a nick on a server.
fn place(value: &Value, servers: &[(String, Server)]) -> Result<Where, String> {
    if value.at.contains(':') {
        let endpoint: Endpoint = value.at.parse().map_err(|error| format!("{error}"))?;
        let charset = value.charset;
        return Ok(Where::Plain { endpoint, charset });
    }
    let Some((server, nick)) = value.at.split_once('/') else {
        return Err(format!(
            "'{}' is neither an endpoint (udp://HOST:PORT) nor SERVER/NICK",
            value.at
        ));
    };
    if value.charset.is_some() {
        return Err("servers speak UTF-8; `encoding` is for plain peers".into());
    }
    if !servers.iter().any(|(name, _)| name == server) {
        return Err(format!("there is no [servers.{server}]"));
    }
    Ok(Where::Nick {
        server: server.to_owned(),
        nick: nick.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORK: &str = "[servers.work]\nendpoint = \"tls://irc.example:6697\"\n";

    #[test]
    fn names_stand_for_nicks_and_plain_peers_in_the_order_of_the_file() {
        let text = format!(
            "{WORK}rooms = [\"#lobby\"]\nnick = \"tom\"\npassword-file = \"p\"\n\n[contacts]\n\
             TOM = \"udp://127.0.0.1:9999\"\n\"一棵树\" = \"work/yikeshu\"\n\
             Anna = {{ at = \"udp://127.0.0.1:8888?bind=:8889\", encoding = \"gbk\" }}\n"
        );
        let contacts = parse(&text).unwrap();
        assert_eq!(contacts.servers[0].0, "work");
        assert_eq!(contacts.servers[0].1.rooms, ["#lobby"]);
        let names: Vec<_> = contacts.people.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["TOM", "一棵树", "Anna"]);
        let yikeshu = Where::Nick {
            server: "work".into(),
            nick: "yikeshu".into(),
        };
        assert_eq!(contacts.people[1].1, yikeshu);
        let Where::Plain { endpoint, charset } = &contacts.people[2].1 else {
            panic!("{contacts:?}");
        };
        assert_eq!(endpoint.to_string(), "udp://127.0.0.1:8888?bind=:8889");
        assert_eq!(charset.unwrap().0, encoding_rs::GBK);
    }

    #[test]
    fn errors_say_where() {
        let check = |text: &str, parts: &[&str]| {
            let error = parse(text).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "{part} in {error}");
            }
        };
        check(
            &format!("{WORK}nik = \"tom\"\n"),
            &[
                "line 3",
                "unknown field `nik`",
                "expected one of `endpoint`",
            ],
        );
        check(
            "[contact]\nA = \"x:1\"\n",
            &["line 1", "unknown field `contact`"],
        );
        check("[servers.a]\nnick = \"b\"\n", &["missing field `endpoint`"]);
        check(
            "[servers.a]\nendpoint = \"x\"\n",
            &["line 2", "has no port"],
        );
        check(
            "[contacts]\n\nA = \"here\"\n",
            &["contact A at line 3", "'here' is neither an endpoint"],
        );
        check(
            "[contacts]\nA = \"home/a\"\n",
            &["line 2", "there is no [servers.home]"],
        );
        check("[contacts]\nA = 7\n", &["line 2", "udp://HOST:PORT"]);
        check(
            "[contacts]\nA = { at = \"udp://h:1\", coding = \"gbk\" }\n",
            &["line 2", "unknown field `coding`"],
        );
        check(
            "[contacts]\nA = { at = \"udp://h:1\", encoding = \"klingon\" }\n",
            &["line 2", "'klingon' is no encoding"],
        );
        check(
            &format!("{WORK}[contacts]\nA = {{ at = \"work/a\", encoding = \"gbk\" }}\n"),
            &["line 4", "servers speak UTF-8"],
        );
        check(
            "[contacts]\nquit = \"udp://h:1\"\n",
            &["nobody can be chosen"],
        );
    }
}
