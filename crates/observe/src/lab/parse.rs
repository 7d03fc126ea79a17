//! Reading a scenario's file: what TOML and the types forbid, and what makes no sense all the same.

use std::net::Ipv4Addr;

use serde::Deserialize;
use serde::de::IgnoredAny;
use sockeye_frame::Framing;
use thiserror::Error;
use toml::Spanned;

use super::scenario::{Expect, Run, Scenario, Setting, Step, Test, Value};
use super::script::{Action, Data, Wait, WireAction};
use super::value::{Shape, Subject, What};

/// The longest file.
pub const FILE_LIMIT: usize = 1 << 20;
/// The most steps, and the most expectations.
pub const STEP_LIMIT: usize = 500;
/// The longest pause: as long as anything may be waited for.
pub const PAUSE_LIMIT_MS: u64 = 8_000;
/// The most bytes that one step sends.
pub const SEND_LIMIT: u64 = 256 << 20;

/// Why a file is no scenario: where, what was read, what is allowed; one line.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{file}:{line}: {what}")]
pub struct ScenarioError {
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// Where steps and expectations begin in the text.
#[derive(Deserialize, Default)]
struct Places {
    #[serde(default)]
    step: Vec<Spanned<IgnoredAny>>,
    #[serde(default)]
    expect: Vec<Spanned<IgnoredAny>>,
}

/// What is wrong, and with which part of the file.
type Wrong = (Part, String);

#[derive(Clone, Copy)]
enum Part {
    Head,
    Step(usize),
    Expect(usize),
}

impl Scenario {
    /// Reads a scenario. `file` is the name by which errors speak of it.
    pub fn parse(text: &str, file: &str) -> Result<Self, ScenarioError> {
        let error = |line, what: String| ScenarioError {
            file: file.into(),
            line,
            what,
        };
        if text.len() > FILE_LIMIT {
            return Err(error(1, format!("longer than {FILE_LIMIT} bytes")));
        }
        let scenario: Self = toml::from_str(text).map_err(|why| {
            let at = why.span().map_or(0, |span| span.start);
            let what: Vec<_> = why.message().split_whitespace().collect();
            error(line_of(text, at), what.join(" "))
        })?;
        scenario.check().map_err(|(part, what)| {
            let places: Places = toml::from_str(text).unwrap_or_default();
            let place = match part {
                Part::Head => None,
                Part::Step(index) => places.step.get(index),
                Part::Expect(index) => places.expect.get(index),
            };
            let at = place.map_or(0, |place| place.span().start);
            error(line_of(text, at), what)
        })?;
        Ok(scenario)
    }

    fn check(&self) -> Result<(), Wrong> {
        let head = |what: String| (Part::Head, what);
        is_name(&self.name, "name").map_err(head)?;
        let texts = [
            &self.title.en,
            &self.title.zh,
            &self.about.en,
            &self.about.zh,
        ];
        if texts.iter().any(|text| text.trim().is_empty()) {
            return Err(head(
                "title and about say something in both languages".into(),
            ));
        }
        for (what, count) in [("step", self.steps.len()), ("expect", self.expects.len())] {
            if !(1..=STEP_LIMIT).contains(&count) {
                return Err(head(format!(
                    "there are {count} [[{what}]], from 1 to {STEP_LIMIT} are possible"
                )));
            }
        }
        let differs = self.steps.iter().any(|step| step.only.is_some());
        if self.cure.lab == Setting::default() && !differs {
            return Err(head(
                "the cure changes nothing: give it a [cure.lab], or steps that are `only` in one run"
                    .into(),
            ));
        }
        for host in [&self.lab, &self.cure.lab].map(|lab| [&lab.client, &lab.server]) {
            for name in host.iter().flat_map(|host| host.sysctl.keys()) {
                is_sysctl(name).map_err(head)?;
            }
        }
        for (index, step) in self.steps.iter().enumerate() {
            let wrong = |what| {
                (
                    Part::Step(index),
                    format!("{}: {what}", called(index, step)),
                )
            };
            self.check_step(index, step).map_err(wrong)?;
        }
        for (index, expect) in self.expects.iter().enumerate() {
            let wrong = |what| (Part::Expect(index), format!("expect {}: {what}", index + 1));
            self.check_expect(expect).map_err(wrong)?;
        }
        Ok(())
    }

    fn check_step(&self, index: usize, step: &Step) -> Result<(), String> {
        let parts = [
            step.client.is_some(),
            step.server.is_some(),
            step.wire.is_some(),
        ];
        if parts.iter().filter(|is| **is).count() != 1 {
            return Err("exactly one of client, server and wire belongs in a step".into());
        }
        if let Some(name) = &step.name {
            is_name(name, "as")?;
            let same = |other: &&Step| other.name.as_ref() == Some(name) && meet(other, step);
            if self.steps[..index].iter().any(|other| same(&other)) {
                return Err(format!("a step before is called `{name}` too"));
            }
        }
        match (&step.client, &step.server, &step.wire) {
            (Some(action), ..) | (_, Some(action), _) => self.check_action(index, step, action),
            (_, _, Some(WireAction::Pause(ms))) => is_pause(*ms),
            _ => Ok(()),
        }
    }

    fn check_action(&self, index: usize, step: &Step, action: &Action) -> Result<(), String> {
        match action {
            Action::Look {} if step.name.is_none() => {
                Err("what is looked at needs a name: as = \"NAME\"".into())
            }
            Action::Connect { to, .. } => is_place(to, false),
            Action::Sendto {
                to, data, pause_ms, ..
            } => {
                is_place(to, true)?;
                is_pause(*pause_ms)?;
                is_data(data)
            }
            Action::Send { data, pause_ms, .. } => {
                is_pause(*pause_ms)?;
                is_data(data)
            }
            Action::Sendall { data, .. } => is_data(data),
            Action::Recv { pause_ms, .. } => is_pause(*pause_ms),
            Action::Pause(ms) => is_pause(*ms),
            Action::SendMessages { frame, .. } | Action::RecvMessages { frame, .. } => frame
                .parse::<Framing>()
                .map(drop)
                .map_err(|why| why.to_string()),
            Action::Shutdown { how, .. } if !["read", "write", "both"].contains(&&**how) => {
                Err(format!("how = {how:?} is none of read, write, both"))
            }
            Action::Sysctl { name, .. } => is_sysctl(name),
            Action::Wait(wait) => self.check_wait(index, step, wait),
            _ => Ok(()),
        }
    }

    fn check_wait(&self, index: usize, step: &Step, wait: &Wait) -> Result<(), String> {
        if *wait == Wait::default() {
            return Err("nothing to wait for".into());
        }
        if wait.count.is_some() && wait.state.is_none() {
            return Err("count is how many sockets are in a state: state is missing".into());
        }
        if wait.min.is_some() && wait.counter.is_none() {
            return Err("min is by how much a counter has grown: counter is missing".into());
        }
        let Some(name) = &wait.step else {
            return Ok(());
        };
        let is_it = |other: &&Step| other.name.as_ref() == Some(name) && meet(other, step);
        match self.steps[..index].iter().find(is_it) {
            Some(other) if other.background => Ok(()),
            Some(_) => Err(format!("step `{name}` is over before the next begins")),
            None => Err(format!("no step before is called `{name}`")),
        }
    }

    fn check_expect(&self, expect: &Expect) -> Result<(), String> {
        let subject: Subject = expect.value.parse()?;
        let tests = [(&expect.plain, Run::Plain), (&expect.cure, Run::Cure)];
        let mut runs = vec![];
        if let Some(test) = &expect.both {
            is_test(test, subject.shape())?;
            runs.extend([Run::Plain, Run::Cure]);
        }
        for (test, run) in tests {
            if let Some(test) = test {
                is_test(test, subject.shape())?;
                runs.push(run);
            }
        }
        if runs.is_empty() {
            return Err("nothing is expected: give it both, plain or cure".into());
        }
        for run in runs {
            self.is_told(&subject, run)?;
        }
        Ok(())
    }

    /// Whether the step that is looked at happens in that run.
    fn is_told(&self, subject: &Subject, run: Run) -> Result<(), String> {
        let (name, is_look) = match &subject.what {
            What::Step(name, _) => (name, false),
            What::Look(name, _) => (name, true),
            _ => return Ok(()),
        };
        let is_it = |step: &&Step| {
            step.name.as_ref() == Some(name) && step.only.is_none_or(|only| only == run)
        };
        let word = run.name();
        let Some(step) = self.steps.iter().find(is_it) else {
            return Err(format!("no step of the run `{word}` is called `{name}`"));
        };
        let looks = [&step.client, &step.server]
            .iter()
            .any(|action| matches!(action, Some(Action::Look {})));
        match (is_look, looks) {
            (true, false) => Err(format!("step `{name}` does not look")),
            (false, true) => Err(format!("step `{name}` looks: say look.{name}")),
            _ => Ok(()),
        }
    }
}

/// Whether both happen in one run.
fn meet(one: &Step, other: &Step) -> bool {
    one.only.is_none() || other.only.is_none() || one.only == other.only
}

/// A step as errors call it.
fn called(index: usize, step: &Step) -> String {
    match &step.name {
        Some(name) => format!("step {} (`{name}`)", index + 1),
        None => format!("step {}", index + 1),
    }
}

fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    before.filter(|byte| **byte == b'\n').count() + 1
}

fn is_name(name: &str, key: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || !name.chars().all(fits) {
        return Err(format!(
            "{key} = {name:?}: lower-case letters, digits and hyphens make a name"
        ));
    }
    Ok(())
}

fn is_sysctl(name: &str) -> Result<(), String> {
    if name.starts_with("net.ipv4.") || name.starts_with("net.core.") {
        return Ok(());
    }
    Err(format!(
        "sysctl {name:?}: the settings of a host are below net.ipv4. and net.core."
    ))
}

fn is_place(to: &str, sender: bool) -> Result<(), String> {
    let named = ["client", "server"].contains(&to) || sender && to == "sender";
    if named || to.parse::<Ipv4Addr>().is_ok() {
        return Ok(());
    }
    Err(format!(
        "to = {to:?}: server, client{} or an IPv4 address",
        if sender { ", sender" } else { "" }
    ))
}

fn is_pause(ms: u64) -> Result<(), String> {
    if ms <= PAUSE_LIMIT_MS {
        return Ok(());
    }
    Err(format!(
        "a pause of {ms} ms; the limit is {PAUSE_LIMIT_MS} ms"
    ))
}

fn is_data(data: &Data) -> Result<(), String> {
    let there = [
        data.text.is_some(),
        data.texts.is_some(),
        data.bytes.is_some(),
        data.sizes.is_some(),
    ];
    if there.iter().filter(|is| **is).count() != 1 {
        return Err("data is exactly one of text, texts, bytes, sizes".into());
    }
    let sizes = data.sizes.iter().flatten().chain(&data.bytes);
    let all = sizes.fold(0u64, |all, size| all.saturating_add(*size));
    if all > SEND_LIMIT {
        return Err(format!("{all} bytes to send; the limit is {SEND_LIMIT}"));
    }
    Ok(())
}

/// Whether the test asks something, and nothing that such a value cannot answer.
fn is_test(test: &Test, shape: Shape) -> Result<(), String> {
    if *test == Test::default() {
        return Err("nothing is asked: is, not, min, max, has or lacks".into());
    }
    let (name, list) = (shape.name(), matches!(shape, Shape::Numbers | Shape::Texts));
    if (test.min.is_some() || test.max.is_some()) && shape != Shape::Number {
        return Err(format!(
            "min and max are of numbers, this is {name}{}",
            if list {
                " (.count, .min, .max … make a number of it)"
            } else {
                ""
            }
        ));
    }
    if let (Some(min), Some(max)) = (test.min, test.max)
        && min > max
    {
        return Err(format!("nothing is at least {min} and at most {max}"));
    }
    for whole in [&test.is, &test.not].into_iter().flatten() {
        if !fits(whole, shape) {
            return Err(format!("{whole} is no {}", &name[2..]));
        }
    }
    for inner in [&test.has, &test.lacks].into_iter().flatten() {
        let item = match shape {
            Shape::Number => {
                return Err(format!(
                    "has and lacks are of lists and texts, this is {name}"
                ));
            }
            Shape::Text | Shape::Texts => Shape::Text,
            Shape::Numbers => Shape::Number,
        };
        if !(fits(inner, item) || list && fits(inner, shape)) {
            return Err(format!("{inner} cannot be in {name}"));
        }
    }
    Ok(())
}

fn fits(value: &Value, shape: Shape) -> bool {
    let all = |items: &[Value], shape| items.iter().all(|item| fits(item, shape));
    match (value, shape) {
        (Value::Number(_), Shape::Number) | (Value::Text(_), Shape::Text) => true,
        (Value::List(items), Shape::Numbers) => all(items, Shape::Number),
        (Value::List(items), Shape::Texts) => all(items, Shape::Text),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
name = "x"
group = "calls"
title = { en = "a", zh = "b" }
about = { en = "a", zh = "b" }

[cure]
title = { en = "a", zh = "b" }
about = { en = "a", zh = "b" }

[[step]]
server = { listen = {} }

[[step]]
client = { connect = {} }
as = "join"
background = true

[[step]]
server = { look = {} }
as = "before"
only = "plain"

[[expect]]
value = "to-server.wire"
both = { is = [] }
says = { en = "a", zh = "b" }
"#;

    /// The whole file with one text replaced, and what is wrong then.
    #[track_caller]
    fn check(old: &str, new: &str, expected: &str) {
        assert!(WHOLE.contains(old), "{old}");
        let why = Scenario::parse(&WHOLE.replacen(old, new, 1), "x.toml").unwrap_err();
        let why = why.to_string();
        assert!(why.contains(expected) && !why.contains('\n'), "{why}");
    }

    #[test]
    fn a_whole_file_is_read() {
        let scenario = Scenario::parse(WHOLE, "x.toml").unwrap();
        assert_eq!(scenario.steps.len(), 3);
    }

    #[test]
    fn what_toml_and_types_forbid_has_its_line() {
        check("name = \"x\"", "name = x", "x.toml:2:");
        check(
            "group = \"calls\"",
            "grup = \"calls\"",
            "x.toml:3: unknown field `grup`, expected one of",
        );
        check(
            "\"calls\"",
            "\"others\"",
            "x.toml:3: unknown variant `others`",
        );
        check(
            "{ connect = {} }",
            "{ conect = {} }",
            "x.toml:15: unknown variant `conect`",
        );
        check(
            "{ connect = {} }",
            "{ connect = { prt = 1 } }",
            "x.toml:15: unexpected keys in table: prt, available keys: socket",
        );
    }

    #[test]
    fn what_makes_no_sense_has_its_line() {
        check("name = \"x\"", "name = \"X y\"", "x.toml:1: name = \"X y\"");
        check(
            "about = { en = \"a\"",
            "about = { en = \" \"",
            "both languages",
        );
        check("only = \"plain\"", "", "the cure changes nothing");
        check(
            "client = { connect",
            "server = { accept = {} }\nclient = { connect",
            "x.toml:14: step 2 (`join`): exactly one of client, server and wire",
        );
        check(
            "as = \"before\"",
            "as = \"join\"",
            "x.toml:19: step 3 (`join`): a step before",
        );
        check("as = \"before\"", "as = \"a.b\"", "lower-case letters");
        check("as = \"before\"", "", "needs a name");
        let action = |new| format!("client = {{ {new} }}");
        let act = |new, expected| check("client = { connect = {} }", &action(new), expected);
        act(
            "connect = { to = \"x.y\" }",
            "server, client or an IPv4 address",
        );
        act(
            "sendto = { data = { text = \"\" }, to = \"\" }",
            "sender or an IPv4",
        );
        act("send = { data = {} }", "exactly one of text, texts");
        act(
            "send = { data = { bytes = 999999999 } }",
            "the limit is 268435456",
        );
        act(
            "send = { data = { bytes = 1 }, pause_ms = 8001 }",
            "the limit is 8000 ms",
        );
        act("pause = 9999", "a pause of 9999 ms");
        act("send-messages = { frame = \"u17\", texts = [] }", "u17");
        act("shutdown = { how = \"all\" }", "none of read, write, both");
        act(
            "sysctl = { name = \"kernel.x\", value = \"1\" }",
            "below net.ipv4.",
        );
        act("wait = {}", "nothing to wait for");
        act("wait = { count = 2 }", "state is missing");
        act("wait = { min = 2 }", "counter is missing");
        act(
            "wait = { step = \"later\" }",
            "no step before is called `later`",
        );
        check(
            "server = { look = {} }\nas = \"before\"",
            "server = { wait = { step = \"join\" } }\nas = \"join\"",
            "a step before is called",
        );
        check(
            "background = true\n\n[[step]]\nserver = { look = {} }\nas = \"before\"",
            "\n[[step]]\nserver = { wait = { step = \"join\" } }",
            "is over before the next begins",
        );
    }

    #[test]
    fn expectations_must_be_able_to_hold() {
        let value = |new, expected| {
            check("\"to-server.wire\"\nboth = { is = [] }", new, expected);
        };
        value(
            "\"to-server.wir\"\nboth = { is = [] }",
            "x.toml:24: expect 1: `wir` is none of",
        );
        value("\"to-server.wire\"", "nothing is expected");
        value("\"to-server.wire\"\nboth = {}", "nothing is asked");
        value(
            "\"to-server.wire\"\nplain = { is = [\"a\"] }",
            "[\"a\"] is no list of numbers",
        );
        value(
            "\"to-server.wire\"\nplain = { min = 1 }",
            ".count, .min, .max",
        );
        value(
            "\"flows\"\nplain = { min = 2, max = 1 }",
            "at least 2 and at most 1",
        );
        value("\"flows\"\nplain = { has = 1 }", "of lists and texts");
        value(
            "\"packets\"\nplain = { has = 1 }",
            "1 cannot be in a list of texts",
        );
        value(
            "\"look.before.states\"\nboth = { has = \"ESTAB\" }",
            "no step of the run `cure`",
        );
        value(
            "\"step.before.result\"\nplain = { is = 1 }",
            "say look.before",
        );
        value("\"look.join.count\"\nplain = { is = 1 }", "does not look");
    }

    #[test]
    fn limits_are_kept() {
        let step = "[[step]]\nserver = { pause = 0 }\n";
        let many = WHOLE.to_owned() + &step.repeat(STEP_LIMIT - 2);
        let why = Scenario::parse(&many, "x.toml").unwrap_err().to_string();
        assert!(why.contains("there are 501 [[step]]"), "{why}");
        let fits = WHOLE.to_owned() + &step.repeat(STEP_LIMIT - 3);
        assert!(Scenario::parse(&fits, "x.toml").is_ok());
        let long = WHOLE.to_owned() + &"#".repeat(FILE_LIMIT);
        let why = Scenario::parse(&long, "x.toml").unwrap_err().to_string();
        assert!(why.contains("longer than"), "{why}");
    }
}
