//! The page of a scenario: what its file says, and what a run of it showed.

use std::fmt::Write as _;
use std::fs;

use sockeye_observe::lab::{Expect, Run, Scenario, Step, Test, Value};
use sockeye_trace::render::text::{self, TextOptions};
use sockeye_trace::{Lang, Timeline, finding};

use crate::lanes::lanes;
use crate::mask;
use crate::run::Ran;

/// Entries of a picture.
const ENTRIES: usize = 40;
/// Conversations in a picture.
const FLOWS: usize = 2;

/// `sticky-nagle.md`, `sticky-nagle.zh-CN.md`.
pub(crate) fn file_name(name: &str, lang: Lang) -> String {
    format!("{name}{}", lang.pick(".md", ".zh-CN.md"))
}

pub(crate) struct Page<'a> {
    scenario: &'a Scenario,
    runs: [&'a Ran; 2],
    lang: Lang,
}

impl<'a> Page<'a> {
    pub(crate) const fn new(scenario: &'a Scenario, runs: [&'a Ran; 2], lang: Lang) -> Self {
        Self {
            scenario,
            runs,
            lang,
        }
    }

    fn pick(&self, english: &'static str, chinese: &'static str) -> &'static str {
        self.lang.pick(english, chinese)
    }

    pub(crate) fn write(&self) -> String {
        let scenario = self.scenario;
        let mut text = format!("# {}\n\n", scenario.title.get(self.lang));
        text += &self.names();
        let _ = write!(text, "\n{}\n", scenario.about.get(self.lang).trim());
        let _ = write!(text, "\n## {}\n\n", self.pick("What happens", "经过"));
        text += &self.script();
        for (run, ran) in [Run::Plain, Run::Cure].into_iter().zip(self.runs) {
            text += &self.run(run, ran);
        }
        text += &self.difference();
        if !scenario.see.is_empty() {
            let link = |name: &String| format!("[{name}]({})", file_name(name, self.lang));
            let links: Vec<String> = scenario.see.iter().map(link).collect();
            let also = self.pick("See also", "另见");
            let _ = write!(text, "\n{also}: {}\n", links.join(", "));
        }
        text
    }

    fn names(&self) -> String {
        let names = self.scenario.names.iter().map(|name| format!("`{name}`"));
        let names: Vec<String> = names.collect();
        let mut parts = vec![format!("`sockeye lab {}`", self.scenario.name)];
        if !names.is_empty() {
            parts.push(format!(
                "{} {}",
                self.pick("also", "又名"),
                names.join(", ")
            ));
        }
        let other = self.lang.pick(Lang::Zh, Lang::En);
        let label = self.pick("中文", "English");
        parts.push(format!(
            "[{label}]({})",
            file_name(&self.scenario.name, other)
        ));
        parts.push(format!(
            "[{}]({})",
            self.pick("all labs", "全部实验"),
            file_name("README", self.lang)
        ));
        format!("{}\n", parts.join(" · "))
    }

    /// The steps as the file has them.
    fn script(&self) -> String {
        let file = crate::project().join(format!("labs/{}.toml", self.scenario.name));
        let file: toml::Table = fs::read_to_string(file).unwrap().parse().unwrap();
        let steps = file["step"].as_array().unwrap();
        let mut text = self.setting(&file);
        for (number, (step, raw)) in self.scenario.steps.iter().zip(steps).enumerate() {
            let _ = write!(text, "{}. {}", number + 1, self.step(step, raw));
            if let Some(says) = &step.says {
                let _ = write!(text, " — {}", says.get(self.lang).trim());
            }
            text.push('\n');
        }
        text
    }

    /// What the hosts and the wire are like, where the file says so.
    fn setting(&self, file: &toml::Table) -> String {
        let mut lines = vec![];
        if let Some(lab) = file.get("lab") {
            lines.push(format!("`[lab] {}`", inline(lab)));
        }
        if let Some(lab) = file["cure"].get("lab") {
            lines.push(format!("`[cure.lab] {}`", inline(lab)));
        }
        if lines.is_empty() {
            return String::new();
        }
        let setting = self.pick("Hosts and wire", "主机和线路");
        format!("{setting}: {}\n\n", lines.join(self.pick("; ", "；")))
    }

    fn step(&self, step: &Step, raw: &toml::Value) -> String {
        let who = ["client", "server", "wire"]
            .into_iter()
            .find(|who| raw.get(who).is_some());
        let who = who.unwrap();
        let (name, value) = raw[who].as_table().unwrap().iter().next().unwrap();
        let host = match who {
            "client" => self.pick("client", "客户端"),
            "server" => self.pick("server", "服务器"),
            _ => self.pick("wire", "线路"),
        };
        let mut text = format!("{host}: `{name}");
        match value {
            toml::Value::Table(table) if table.is_empty() => {}
            value => {
                let _ = write!(text, " {}", inline(value));
            }
        }
        text.push('`');
        if let Some(name) = &step.name {
            let _ = write!(text, " (`{name}`)");
        }
        if step.background {
            text += self.pick(", in the background", "，在后台");
        }
        match step.only {
            Some(Run::Plain) => {
                text += self.pick(" *(only without the cure)*", " *（仅无对策时）*");
            }
            Some(Run::Cure) => {
                text += self.pick(" *(only with the cure)*", " *（仅有对策时）*");
            }
            None => {}
        }
        text
    }

    fn run(&self, run: Run, ran: &Ran) -> String {
        let mut text = String::new();
        match run {
            Run::Plain => {
                let _ = write!(text, "\n## {}\n", self.pick("The phenomenon", "现象"));
            }
            Run::Cure => {
                let cure = &self.scenario.cure;
                let head = self.pick("The cure: ", "对策：");
                let _ = write!(text, "\n## {head}{}\n", cure.title.get(self.lang).trim());
                let _ = write!(text, "\n{}\n", cure.about.get(self.lang).trim());
            }
        }
        let timeline = Timeline::build(&ran.session);
        text += &self.picture(&timeline);
        let lanes = lanes(self.scenario, run, &timeline, self.lang);
        if !lanes.is_empty() {
            let lead = self.pick("Lane by lane:", "逐条泳道：");
            let _ = write!(text, "\n{lead}\n\n```text lanes\n{lanes}```\n");
        }
        let rows: Vec<String> = self.rows(run).collect();
        if !rows.is_empty() {
            let head = self.pick(
                "| seen | where |\n|---|---|",
                "| 看到了什么 | 在哪里 |\n|---|---|",
            );
            let _ = write!(text, "\n{head}\n{}", rows.concat());
        }
        text
    }

    /// The three lanes as the run printed them, masked.
    fn picture(&self, timeline: &Timeline<'_>) -> String {
        let options = TextOptions {
            lang: self.lang,
            limit: ENTRIES,
            flows: FLOWS,
            ..TextOptions::default()
        };
        let findings = finding::find(timeline);
        let mut out = vec![];
        text::write(timeline, &findings, &options, &mut out).unwrap();
        let picture = mask::picture(&String::from_utf8(out).unwrap());
        if picture.is_empty() {
            return String::new();
        }
        format!("\n```text picture\n{picture}```\n")
    }

    /// What was seen of each expectation of a run. All hold, or there would be no page.
    fn rows(&self, run: Run) -> impl Iterator<Item = String> {
        self.scenario.expects.iter().filter_map(move |expect| {
            let tests: Vec<String> = tests(expect, run).map(|test| self.asked(test)).collect();
            let says = expect.says.get(self.lang).trim();
            (!tests.is_empty()).then(|| {
                format!(
                    "| {says} | `{}` {} |\n",
                    expect.value,
                    cell(&tests.join(", "))
                )
            })
        })
    }

    /// What a test says of a value that passed it: what it is, or between what it lies.
    fn asked(&self, test: &Test) -> String {
        let code = |value: &Value| format!("`{value}`");
        let mut parts = vec![];
        parts.extend(test.is.as_ref().map(|is| format!("= {}", code(is))));
        parts.extend(test.not.as_ref().map(|not| format!("≠ {}", code(not))));
        parts.extend(test.min.map(|min| format!("≥ {min}")));
        parts.extend(test.max.map(|max| format!("≤ {max}")));
        let (has, lacks) = (self.pick("with", "含有"), self.pick("without", "不含"));
        parts.extend(
            test.has
                .as_ref()
                .map(|value| format!("{has} {}", code(value))),
        );
        parts.extend(
            test.lacks
                .as_ref()
                .map(|value| format!("{lacks} {}", code(value))),
        );
        parts.join(", ")
    }

    /// What both runs are asked, where that differs.
    fn difference(&self) -> String {
        let mut rows = String::new();
        for expect in &self.scenario.expects {
            let of = |run| {
                let all: Vec<String> = tests(expect, run).map(|test| self.asked(test)).collect();
                if all.is_empty() {
                    "–".to_owned()
                } else {
                    cell(&all.join(", "))
                }
            };
            let (plain, cure) = (of(Run::Plain), of(Run::Cure));
            if plain != cure && plain != "–" && cure != "–" {
                let _ = writeln!(rows, "| `{}` | {plain} | {cure} |", expect.value);
            }
        }
        if rows.is_empty() {
            return rows;
        }
        let title = self.pick("The difference", "差别");
        let head = self.pick("| | phenomenon | cure |", "| | 现象 | 对策 |");
        format!("\n## {title}\n\n{head}\n|---|---|---|\n{rows}")
    }
}

/// What is asked of a value in one run.
pub(crate) fn tests(expect: &Expect, run: Run) -> impl Iterator<Item = &Test> {
    let own = match run {
        Run::Plain => &expect.plain,
        Run::Cure => &expect.cure,
    };
    [&expect.both, own].into_iter().flatten()
}

/// A text inside of a table's cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// A value of TOML on one line.
fn inline(value: &toml::Value) -> String {
    match value {
        toml::Value::Table(table) => {
            let pairs = table.iter().map(|(key, value)| match value {
                toml::Value::Table(_) => format!("{key} = {{ {} }}", inline(value)),
                _ => format!("{key} = {}", inline(value)),
            });
            pairs.collect::<Vec<_>>().join(", ")
        }
        toml::Value::Array(items) => {
            let items = items.iter().map(|item| match item {
                toml::Value::Table(_) => format!("{{ {} }}", inline(item)),
                _ => inline(item),
            });
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        toml::Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}
