//! The options of one endpoint.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use sockeye_frame::Framing;

use super::OptionError;
use super::address::{BindAddress, Group, Proxy};
use super::registry::{Moment, OptionKey, Spec};
use super::secure::Authorities;
use super::table::OPTIONS;
use super::value::Value;
use crate::endpoint::{Interface, Scheme, shown};
use crate::trust::Fingerprint;

/// The options of one endpoint with their values: each at most once but for `mcast-join` and `via`, in
/// the order of the table. Every value is of its option's kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    list: Vec<Setting>,
}

/// One option with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    key: OptionKey,
    value: Value,
}

impl Setting {
    /// `value` must be of the option's kind.
    pub(super) fn new(key: OptionKey, value: Value) -> Self {
        Self { key, value }
    }

    /// Which option.
    pub fn key(&self) -> OptionKey {
        self.key
    }

    /// Its value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Reads `NAME`, or `NAME=VALUE` with percent escapes in the value.
    fn read(text: &str, scheme: Scheme) -> Result<Self, OptionError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let spec = OPTIONS
            .iter()
            .find(|spec| spec.name == name)
            .ok_or_else(|| unknown(name, scheme))?;
        if !spec.fits.has(scheme) {
            return Err(OptionError::DoesNotFit {
                name: spec.name,
                scheme: scheme.name(),
                fits: spec.fits.to_string(),
            });
        }
        let value = spec
            .kind
            .read(value, scheme)
            .map_err(|why| OptionError::BadValue {
                name: spec.name,
                value: shown(without_password(spec.key, value.unwrap_or_default())),
                why,
            })?;
        Ok(Self {
            key: spec.key,
            value,
        })
    }
}

impl fmt::Display for Setting {
    /// As it stands in an endpoint.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.key.name())?;
        if self.value == Value::Flag(true) {
            return Ok(());
        }
        out.write_str("=")?;
        self.value.write_escaped(out)
    }
}

impl Settings {
    /// Reads what follows the question mark of an endpoint.
    pub(crate) fn from_query(query: Option<&str>, scheme: Scheme) -> Result<Self, OptionError> {
        Self::from_pairs(query.unwrap_or_default().split('&'), scheme)
    }

    /// Reads options one by one; empty ones, as in `?a&&b`, are passed over.
    pub(crate) fn from_pairs<'a>(
        pairs: impl Iterator<Item = &'a str>,
        scheme: Scheme,
    ) -> Result<Self, OptionError> {
        let mut settings = Self::default();
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let setting = Setting::read(pair, scheme)?;
            let key = setting.key;
            if !key.is_repeatable() && settings.has(key) {
                return Err(OptionError::Repeated { name: key.name() });
            }
            settings.insert(setting);
        }
        Ok(settings)
    }

    /// Reads one more option, `NAME` or `NAME=VALUE`, in place of an earlier one of that name.
    pub fn set(&mut self, text: &str, scheme: Scheme) -> Result<(), OptionError> {
        let setting = Setting::read(text, scheme)?;
        if !setting.key.is_repeatable() {
            self.list.retain(|old| old.key != setting.key);
        }
        self.insert(setting);
        Ok(())
    }

    /// Sets how bytes are cut into messages, in the place of what the endpoint says.
    pub fn set_framing(&mut self, framing: Framing) {
        self.list.retain(|old| old.key != OptionKey::Frame);
        self.insert(Setting::new(OptionKey::Frame, Value::Frame(framing)));
    }

    /// Keeps the order of the table.
    fn insert(&mut self, setting: Setting) {
        let at = self.list.partition_point(|old| old.key <= setting.key);
        self.list.insert(at, setting);
    }

    /// The options that were written, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.list.iter()
    }

    /// Whether the option was written.
    pub fn has(&self, key: OptionKey) -> bool {
        self.value(key).is_some()
    }

    /// The value of an option that was written.
    pub fn value(&self, key: OptionKey) -> Option<&Value> {
        self.list
            .iter()
            .find(|setting| setting.key == key)
            .map(|setting| &setting.value)
    }

    /// The value of a flag that was written.
    pub fn flag(&self, key: OptionKey) -> Option<bool> {
        match self.value(key)? {
            Value::Flag(on) => Some(*on),
            _ => None,
        }
    }

    /// The value of a number that was written.
    pub fn number(&self, key: OptionKey) -> Option<u32> {
        match self.value(key)? {
            Value::Number(number) | Value::Size(number) => Some(*number),
            _ => None,
        }
    }

    /// The value of a duration that was written.
    pub fn duration(&self, key: OptionKey) -> Option<Duration> {
        match self.value(key)? {
            Value::Duration(duration) => Some(*duration),
            _ => None,
        }
    }

    /// Our own address for dialling.
    pub fn bind(&self) -> Option<&BindAddress> {
        match self.value(OptionKey::Bind)? {
            Value::Address(address) => Some(address),
            _ => None,
        }
    }

    /// How the byte stream is cut into messages.
    pub fn framing(&self) -> Option<&Framing> {
        match self.value(OptionKey::Frame)? {
            Value::Frame(framing) => Some(framing),
            _ => None,
        }
    }

    /// The proxies to dial through, the nearest first.
    pub fn via(&self) -> impl Iterator<Item = &Proxy> {
        self.list.iter().filter_map(|setting| match &setting.value {
            Value::Proxy(proxy) => Some(proxy),
            _ => None,
        })
    }

    /// The interface of `interface` or `mcast-if`.
    pub fn interface(&self, key: OptionKey) -> Option<&Interface> {
        match self.value(key)? {
            Value::Interface(interface) => Some(interface),
            _ => None,
        }
    }

    /// The groups of `mcast-join`.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.list.iter().filter_map(|setting| match &setting.value {
            Value::Group(group) => Some(group),
            _ => None,
        })
    }

    /// The file of `cert` or `key`.
    pub fn file(&self, key: OptionKey) -> Option<&Path> {
        match self.value(key)? {
            Value::File(path) => Some(path),
            _ => None,
        }
    }

    /// Whom to trust to vouch for others.
    pub fn authorities(&self) -> Option<&Authorities> {
        match self.value(OptionKey::Ca)? {
            Value::Authorities(from) => Some(from),
            _ => None,
        }
    }

    /// The one key to trust.
    pub fn pin(&self) -> Option<Fingerprint> {
        match self.value(OptionKey::Pin)? {
            Value::Pin(key) => Some(*key),
            _ => None,
        }
    }

    /// The text of `sni`.
    pub fn text(&self, key: OptionKey) -> Option<&str> {
        match self.value(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The protocols to offer, the best first.
    pub fn protocols(&self) -> impl Iterator<Item = &str> {
        let all = self.text(OptionKey::Alpn);
        all.into_iter().flat_map(|all| all.split(','))
    }

    /// The sub-protocols of `subprotocol`, the best first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        let all = self.text(OptionKey::Subprotocol);
        all.into_iter().flat_map(|all| all.split(','))
    }

    /// The origins of `origin`.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        let origins = self
            .list
            .iter()
            .filter(|setting| setting.key == OptionKey::Origin);
        origins.filter_map(|setting| match &setting.value {
            Value::Text(text) => Some(&**text),
            _ => None,
        })
    }

    /// Refuses what is only for dialling when listening ([`Moment::Listen`]), and the other way
    /// round.
    pub fn check(&self, moment: Moment) -> Result<(), OptionError> {
        let (other, needs, used) = match moment {
            Moment::Listen | Moment::Accepted => (Moment::Dial, "dialling", "listened on"),
            Moment::Dial | Moment::Connected => (Moment::Listen, "listening", "dialled"),
            Moment::Adopted => return Ok(()),
        };
        let wrong = self
            .list
            .iter()
            .map(|setting| setting.key.spec())
            .find(|spec: &&Spec| spec.when.has(other) && !spec.when.has(moment));
        match wrong {
            Some(spec) => Err(OptionError::WrongRole {
                name: spec.name,
                needs,
                used,
            }),
            None => Ok(()),
        }
    }

    /// Writes `?a&b=c`, with `mark` for the question mark.
    pub(crate) fn write_query(&self, out: &mut fmt::Formatter<'_>, mark: char) -> fmt::Result {
        let marks = std::iter::once(mark).chain(std::iter::repeat('&'));
        self.list
            .iter()
            .zip(marks)
            .try_for_each(|(setting, mark)| write!(out, "{mark}{setting}"))
    }
}

/// What an error may repeat of a value: of a proxy's nothing before the host, for there somebody
/// may have written a password.
fn without_password(key: OptionKey, value: &str) -> &str {
    match (key, value.rfind('@')) {
        (OptionKey::Via, Some(at)) => &value[at..],
        (OptionKey::Via, None) if value.contains("%40") => "",
        _ => value,
    }
}

fn unknown(name: &str, scheme: Scheme) -> OptionError {
    let fitting = OPTIONS
        .iter()
        .filter(|spec| spec.fits.has(scheme))
        .map(|spec| spec.name);
    let mut known: Vec<_> = fitting.collect();
    if scheme == Scheme::Ip {
        known.insert(0, "proto");
    }
    OptionError::Unknown {
        name: shown(name),
        nearest: nearest(name, &known),
        scheme: scheme.name(),
        known: known.join(", "),
    }
}

/// The name that was probably meant: the constant of a man page (`TCP_NODELAY`), or one typing
/// mistake in three letters.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let name: String = name
        .chars()
        .take(32)
        .collect::<String>()
        .to_lowercase()
        .replace('_', "-");
    let prefixes = ["so-", "tcp-", "ip-", "ipv6-"];
    let name = prefixes
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(&name);
    let best = known
        .iter()
        .map(|known| (distance(name, known), *known))
        .min()?;
    (best.0 <= best.1.len().max(3) / 3).then_some(best.1)
}

/// Letters to insert, drop or exchange (Levenshtein 1966).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.chars().enumerate() {
            let exchanged = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = exchanged.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[row.len() - 1]
}
