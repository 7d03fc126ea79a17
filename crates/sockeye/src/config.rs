//! The config of the exchange: where it is found, how it is read, what stands in for it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use encoding_rs::Encoding;
use serde::Deserialize;
use sockeye_net::Errno;
use toml::Spanned;

use crate::exit::{Usage, usage};
use crate::verb::serve::{Entry, Service};

/// Bytes of a config at most: far more than anybody writes, far less than would hurt.
const LIMIT: u64 = 1 << 20;

/// What the exchange serves.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Config {
    /// The file it was read from; none for the built-in defaults.
    pub(crate) path: Option<PathBuf>,
    /// Each with a name of its own and a service.
    pub(crate) entries: Vec<Entry>,
}

/// The file as TOML has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    service: Vec<Spanned<Entry>>,
}

impl Config {
    /// Reads the file that was asked for, else the first that exists of the usual places, else takes
    /// the built-in defaults.
    pub(crate) fn load(asked: Option<&Path>) -> anyhow::Result<Self> {
        let found = match asked {
            Some(path) => Some(path.to_owned()),
            None => usual_places().into_iter().find(|path| path.exists()),
        };
        match found {
            Some(path) => Self::read(&path),
            None => Ok(Self {
                path: None,
                entries: built_in()?,
            }),
        }
    }

    /// How the peers' bytes are text, if all services agree on that; else UTF-8.
    pub(crate) fn charset(&self) -> &'static Encoding {
        let mut charsets = self.entries.iter().map(Entry::charset);
        let first = charsets.next().unwrap_or(encoding_rs::UTF_8);
        if charsets.all(|other| other == first) {
            first
        } else {
            encoding_rs::UTF_8
        }
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let unread = |error| usage!("config {shown}: {}", Errno::of(&error));
        let size = std::fs::metadata(path).map_err(unread)?.len();
        if size > LIMIT {
            return Err(usage!(
                "config {shown} has {size} bytes, the limit is {LIMIT}"
            ));
        }
        let text = std::fs::read_to_string(path).map_err(unread)?;
        let entries = parse(&text).map_err(|error| Usage(format!("config {shown}: {error}")))?;
        Ok(Self {
            path: Some(path.to_owned()),
            entries,
        })
    }
}

/// The files that are looked for when none was asked for.
fn usual_places() -> Vec<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let config = std::env::var_os("XDG_CONFIG_HOME").filter(|dir| !dir.is_empty());
    let config = config.map(PathBuf::from).or_else(home);
    let here = PathBuf::from("sockeye.toml");
    std::iter::once(here)
        .chain(config.map(|dir| dir.join("sockeye/sockeye.toml")))
        .collect()
}

/// Reads the text of a config. The error says where: a line and a caret, or at least the line.
fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    if file.service.is_empty() {
        return Err("there is no [[service]] in it".into());
    }
    let mut names = HashSet::new();
    let mut entries = vec![];
    for spanned in file.service {
        let line = text[..spanned.span().start].matches('\n').count() + 1;
        let at = |why: String| format!("the [[service]] at line {line}: {why}");
        let mut entry = spanned.into_inner();
        let Some(service) = entry.service else {
            return Err(at("the key `service` is missing".into()));
        };
        if entry.endpoints.is_empty() {
            return Err(at("the key `endpoints` is missing or empty".into()));
        }
        entry.check().map_err(|error| at(error.to_string()))?;
        let name = entry.name.get_or_insert_with(|| service.name());
        if !names.insert(name.clone()) {
            return Err(at(format!(
                "the name \"{name}\" is taken; give one of them another `name`"
            )));
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// What the exchange serves when nobody configured it: loopback only, and nothing that could harm.
fn built_in() -> anyhow::Result<Vec<Entry>> {
    let both = |port| {
        vec![
            format!("tcp://127.0.0.1:{port}"),
            format!("udp://127.0.0.1:{port}"),
        ]
    };
    [
        (Service::Echo, both(7007)),
        (Service::Upper, both(7012)),
        // The port that IANA has given IRC in plain text.
        (Service::Chat, vec!["tcp://127.0.0.1:6667".to_owned()]),
    ]
    .into_iter()
    .map(|(service, texts)| {
        let name = service.name();
        let endpoints: Result<Vec<_>, _> = texts.iter().map(|text| text.parse()).collect();
        let mut endpoints = endpoints.map_err(|error| Usage(format!("{error}")))?;
        endpoints.push(crate::runtime_dir::endpoint(&name)?);
        let (name, service) = (Some(name), Some(service));
        Ok(Entry {
            name,
            service,
            endpoints,
            ..Entry::default()
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(text).unwrap_err()
    }

    #[test]
    fn a_table_has_the_keys_of_the_flags() {
        let entries = parse(
            r#"
            [[service]]
            service = "upper"
            endpoints = ["127.0.0.1:0", "udp://127.0.0.1:0"]
            frame = "line,max=64KiB"
            encoding = "gbk"
            max-connections = 10
            idle-timeout = "1m"
            allow-from = ["10.0.0.0/8"]
            read-pause = "0..1s"
            options = ["nodelay=0"]

            [[service]]
            name = "answer"
            service = "reply"
            text = "Server received {}"
            endpoints = ["unix:@answer"]
            "#,
        )
        .unwrap();
        let names: Vec<_> = entries
            .iter()
            .filter_map(|entry| entry.name.as_deref())
            .collect();
        assert_eq!(names, ["upper", "answer"]);
        let upper = &entries[0];
        assert_eq!(upper.endpoints.len(), 2);
        assert_eq!(upper.frame.as_ref().unwrap().to_string(), "line,max=64KiB");
        assert_eq!(upper.encoding.unwrap().0.name(), "GBK");
        assert_eq!(upper.max_connections.unwrap().0.get(), 10);
        assert_eq!(upper.allow_from[0].to_string(), "10.0.0.0/8");
    }

    #[test]
    fn errors_say_where() {
        let served = "[[service]]\nservice = \"echo\"\nendpoints = [\":0\"]\n";
        insta::assert_snapshot!(error(&format!("{served}max-conections = 5\n")));
        insta::assert_snapshot!(error(&format!("{served}frame = \"lines\"\n")));
        insta::assert_snapshot!(error("[[service]]\nservice = \"ecko\"\n"));
        insta::assert_snapshot!(error(
            "[[service]]\nservice = \"echo\"\nendpoints = [\":x\"]\n"
        ));
        insta::assert_snapshot!(error("[service\n"));
        let check = |text: &str, expected| assert_eq!(error(text), expected);
        check("", "there is no [[service]] in it");
        check(
            "\n\n[[service]]\nendpoints = [\":0\"]\n",
            "the [[service]] at line 3: the key `service` is missing",
        );
        check(
            "[[service]]\nservice = \"echo\"\n",
            "the [[service]] at line 1: the key `endpoints` is missing or empty",
        );
        check(
            &format!("{served}\n{served}"),
            "the [[service]] at line 5: the name \"echo\" is taken; give one of them another `name`",
        );
    }

    /// docs/config.md: its example is a config, and its table has the keys that there are.
    #[test]
    fn the_document_is_true() {
        let text = include_str!("../../../docs/config.md");
        let example = text
            .split("```toml\n")
            .nth(1)
            .unwrap()
            .split("```")
            .next()
            .unwrap();
        assert_eq!(parse(example).unwrap().len(), 3);
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
        let mut documented: Vec<_> = rows.filter_map(|row| row.split('`').next()).collect();
        // The parser lists its keys when it meets one that it does not know.
        let error = error("[[service]]\nno-such-key = 1\n");
        let known = error.split("expected one of ").nth(1).unwrap().trim();
        let mut known: Vec<_> = known.split(", ").map(|key| key.trim_matches('`')).collect();
        documented.sort_unstable();
        known.sort_unstable();
        assert_eq!(documented, known);
    }
}
