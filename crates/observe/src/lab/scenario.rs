//! The file of a scenario.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sockeye_fault::Rule;
use sockeye_trace::Lang;

use super::script::{Action, WireAction};

/// One text in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// English.
    pub en: String,
    /// Chinese.
    pub zh: String,
}

impl Text {
    /// The one in this language.
    pub fn get(&self, lang: Lang) -> &str {
        lang.pick(&self.en, &self.zh)
    }
}

/// A phenomenon: how it is brought about, what must be seen, why it is so, and what helps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, as the file's: lower case with hyphens.
    pub name: String,
    /// Other names by which it is found, Chinese ones too.
    #[serde(default)]
    pub names: Vec<String>,
    /// One line.
    pub title: Text,
    /// Where it stands in the list.
    pub group: Group,
    /// The explanation: paragraphs, an empty line between them.
    pub about: Text,
    /// Scenarios that belong with it, by name.
    #[serde(default)]
    pub see: Vec<String>,
    /// What the hosts and the wire are like.
    #[serde(default)]
    pub lab: Setting,
    /// What helps.
    pub cure: Cure,
    /// What happens, in order: each step begins when the one before it has ended.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
    /// What must be seen.
    #[serde(rename = "expect")]
    pub expects: Vec<Expect>,
}

/// What a scenario is about, in the order of `lab list`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Connections begin.
    Connecting,
    /// Where messages end.
    Messages,
    /// What the calls return.
    Calls,
    /// Buffers and windows.
    Buffers,
    /// Datagrams.
    Datagrams,
    /// Connections end.
    Closing,
    /// What the network does.
    Network,
}

/// What the hosts and the wire are like. What is absent is as the kernel has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Setting {
    /// The MTU of both hosts' interfaces; 1500 unless said.
    pub mtu: Option<u32>,
    /// What the wire does to packets (docs/faults.md); `delay:20ms` is a delay of both ways.
    pub faults: Option<Vec<Rule>>,
    /// The seed of its chance; 1 unless said.
    pub seed: Option<u64>,
    /// Segmentation offload stays on: packets on the wire may stand for several.
    pub fast: Option<bool>,
    /// Whether it can run on the loopback device too, where namespaces are barred; what needs a wire or
    /// counters of its own is not checked there. Unless said: if it sets nothing that only hosts and a
    /// wire of its own can have. True: it does without them there.
    pub loopback: Option<bool>,
    /// The client's host.
    pub client: HostSetting,
    /// The server's host.
    pub server: HostSetting,
}

/// What a host is like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostSetting {
    /// Settings below `net.ipv4` or `net.core` of this host, by their whole names:
    /// `"net.ipv4.tcp_syncookies" = "0"`.
    pub sysctl: BTreeMap<String, String>,
}

impl Setting {
    /// The same, with what `over` says instead; its sysctls are added.
    #[must_use]
    pub fn with(&self, over: &Self) -> Self {
        let host = |own: &HostSetting, over: &HostSetting| {
            let mut sysctl = own.sysctl.clone();
            sysctl.extend(over.sysctl.clone());
            HostSetting { sysctl }
        };
        Self {
            mtu: over.mtu.or(self.mtu),
            faults: over.faults.clone().or_else(|| self.faults.clone()),
            seed: over.seed.or(self.seed),
            fast: over.fast.or(self.fast),
            loopback: over.loopback.or(self.loopback),
            client: host(&self.client, &over.client),
            server: host(&self.server, &over.server),
        }
    }
}

/// What helps, and how the second run differs from the first: by `lab`, and by the steps that are
/// `only = "cure"` or `only = "plain"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cure {
    /// What is done differently, one line.
    pub title: Text,
    /// Why that helps, and what it does not help against.
    pub about: Text,
    /// What is different about the hosts and the wire.
    #[serde(default)]
    pub lab: Setting,
}

/// One thing that happens. Exactly one of `client`, `server` and `wire` is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Step {
    /// What the client's program does, or what is asked of its host.
    pub client: Option<Action>,
    /// What the server's program does.
    pub server: Option<Action>,
    /// What happens to the wire.
    pub wire: Option<WireAction>,
    /// The name by which expectations and waits speak of it.
    #[serde(rename = "as")]
    pub name: Option<String>,
    /// The run that it belongs to; none: both.
    pub only: Option<Run>,
    /// The script goes on without waiting for its end; `wait = { step = "name" }` waits for it, and the
    /// script's end does.
    pub background: bool,
    /// Why, for the reader of the page.
    pub says: Option<Text>,
}

/// One of the two runs of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Run {
    /// The phenomenon.
    Plain,
    /// With the cure.
    Cure,
}

/// Something that must be seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// What is looked at: `to-server.reads` (docs/lab.md lists all there is).
    pub value: String,
    /// What holds in both runs.
    #[serde(default)]
    pub both: Option<Test>,
    /// What holds in the plain run.
    #[serde(default)]
    pub plain: Option<Test>,
    /// What holds in the cured run.
    #[serde(default)]
    pub cure: Option<Test>,
    /// What that means, one line.
    pub says: Text,
}

/// What is asked of a value. All that is there must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Test {
    /// It is this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is: Option<Value>,
    /// It is not this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not: Option<Value>,
    /// It is a number, at least this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// It is a number, at most this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// It is a list or a text with this in it; a list here: with these in this order, others between
    /// them allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has: Option<Value>,
    /// It is a list or a text without this in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lacks: Option<Value>,
}

/// What is seen, or expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
    /// Several.
    List(Vec<Value>),
}

impl std::str::FromStr for Scenario {
    type Err = super::ScenarioError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, "scenario")
    }
}

impl Run {
    /// Its name in files: `plain`, `cure`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Cure => "cure",
        }
    }
}

impl Group {
    /// All of them, in the order of `lab list`.
    pub const ALL: [Self; 7] = [
        Self::Connecting,
        Self::Messages,
        Self::Calls,
        Self::Buffers,
        Self::Datagrams,
        Self::Closing,
        Self::Network,
    ];

    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Messages => "messages",
            Self::Calls => "calls",
            Self::Buffers => "buffers",
            Self::Datagrams => "datagrams",
            Self::Closing => "closing",
            Self::Network => "network",
        }
    }
}
