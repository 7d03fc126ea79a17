//! Which commands may be run.

use std::fmt;
use std::str::FromStr;

use sockeye_net::{Endpoint, Place};
use thiserror::Error;

use super::super::{Argument, Exec, Failure};

/// What a server lets its clients run. Without patterns that is everything but a shell's command
/// lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Only these commands, if there are any; then neither a shell nor a folder can be asked for.
    pub allow: Vec<Pattern>,
    /// The only names that a request may add to the environment where this or `allow` has any.
    pub allow_env: Vec<String>,
    /// Command lines for a shell may be asked for.
    pub shell: bool,
}

/// The words of a command that may be run: exactly these, or these and any others if the last one is
/// `…` (or `...`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    words: Vec<String>,
    and_others: bool,
}

/// A text that is no pattern.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("'{text}' is no command: {why}")]
pub struct PatternError {
    text: String,
    why: String,
}

const ELLIPSES: [&str; 2] = ["…", "..."];

impl FromStr for Pattern {
    type Err = PatternError;

    /// Reads a command line, split as a shell would split it.
    fn from_str(text: &str) -> Result<Self, PatternError> {
        let bad = |why: String| PatternError {
            text: text.to_owned(),
            why,
        };
        // A question mark begins an endpoint's options, but no option of a command.
        let quoted = text.replace('?', "\\?");
        let endpoint: Endpoint = format!("exec:{quoted}")
            .parse()
            .map_err(|error: sockeye_net::EndpointError| bad(error.to_string()))?;
        let Place::Exec(line) = endpoint.place else {
            return Err(bad("it is an endpoint of another kind".to_owned()));
        };
        let mut words = vec![line.program().to_owned()];
        words.extend_from_slice(line.args());
        let and_others = words.last().is_some_and(|word| ELLIPSES.contains(&&**word));
        if and_others {
            words.pop();
        }
        if words.is_empty() {
            return Err(bad(
                "it names no program; without --allow all may be run".to_owned()
            ));
        }
        Ok(Self { words, and_others })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words.join(" "))?;
        if self.and_others {
            f.write_str(" …")?;
        }
        Ok(())
    }
}

impl Pattern {
    /// Whether this command may be run.
    fn matches(&self, argv: &[Argument]) -> bool {
        let begins = argv.len() >= self.words.len()
            && self
                .words
                .iter()
                .zip(argv)
                .all(|(word, argument)| word.as_bytes() == argument.as_bytes());
        begins && (self.and_others || argv.len() == self.words.len())
    }
}

/// The longest `TERM`.
const TERM_LIMIT: usize = 64;

impl Policy {
    /// Whether this request may be carried out; if not, the answer that says so.
    pub(super) fn permit(&self, exec: &Exec) -> Result<(), Failure> {
        well_formed(exec).map_err(|message| Failure::new("bad_request", message))?;
        self.allowed(exec)
            .map_err(|message| Failure::new("not_allowed", message))
    }

    fn allowed(&self, exec: &Exec) -> Result<(), String> {
        let narrowed = !self.allow.is_empty();
        if exec.shell && (narrowed || !self.shell) {
            return Err("this server runs no command lines of a shell".to_owned());
        }
        if narrowed && !self.allow.iter().any(|pattern| pattern.matches(&exec.argv)) {
            return Err("this command is not on the server's list".to_owned());
        }
        if narrowed && exec.cwd.is_some() {
            return Err("this server's commands run in a folder of its choice".to_owned());
        }
        if narrowed || !self.allow_env.is_empty() {
            let other = exec.env.keys().find(|name| !self.allow_env.contains(name));
            if let Some(name) = other {
                return Err(format!(
                    "the environment's {name} is not on the server's list"
                ));
            }
        }
        Ok(())
    }
}

/// What no system could run.
fn well_formed(exec: &Exec) -> Result<(), String> {
    if exec
        .argv
        .first()
        .is_none_or(|program| program.as_bytes().is_empty())
    {
        return Err("argv names no program".to_owned());
    }
    if exec.shell && exec.argv.len() != 1 {
        return Err("with shell, argv is one string: the command line".to_owned());
    }
    let all = exec.argv.iter().chain(&exec.cwd).chain(exec.env.values());
    if all.into_iter().any(Argument::has_nul) {
        return Err("an argument, a folder or a value holds a zero byte".to_owned());
    }
    let name = exec
        .env
        .keys()
        .find(|name| name.is_empty() || name.contains(['=', '\0']));
    if let Some(name) = name {
        return Err(format!("{name:?} is no name of the environment"));
    }
    if let Some(terminal) = &exec.tty {
        let term = &terminal.term;
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-+._".contains(&byte);
        if term.is_empty() || term.len() > TERM_LIMIT || !term.bytes().all(good) {
            return Err("tty.term is no name of a terminal".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(argv: &[&str]) -> Exec {
        Exec {
            argv: argv.iter().map(|word| (*word).into()).collect(),
            ..Exec::default()
        }
    }

    #[track_caller]
    fn check(policy: &Policy, exec: &Exec, expected: Result<(), &str>) {
        let found = policy.permit(exec);
        match expected {
            Ok(()) => assert_eq!(found, Ok(())),
            Err(part) => {
                let Failure { code, message, .. } = found.unwrap_err();
                assert!(
                    format!("{code}: {message}").contains(part),
                    "{code}: {message}"
                );
            }
        }
    }

    fn narrowed(patterns: &[&str]) -> Policy {
        Policy {
            allow: patterns.iter().map(|text| text.parse().unwrap()).collect(),
            allow_env: vec!["LANG".to_owned()],
            shell: true,
        }
    }

    #[test]
    fn a_pattern_is_the_whole_command_unless_it_goes_on() {
        let policy = narrowed(&["uptime", "systemctl status …", "echo 'a b' what? ..."]);
        check(&policy, &exec(&["uptime"]), Ok(()));
        check(&policy, &exec(&["uptime", "-p"]), Err("not_allowed"));
        check(&policy, &exec(&["uptime "]), Err("not_allowed"));
        check(&policy, &exec(&["/usr/bin/uptime"]), Err("not_allowed"));
        check(&policy, &exec(&["systemctl"]), Err("not_allowed"));
        check(&policy, &exec(&["systemctl", "status"]), Ok(()));
        check(
            &policy,
            &exec(&["systemctl", "status", "sshd", "-l"]),
            Ok(()),
        );
        check(
            &policy,
            &exec(&["systemctl", "stop", "sshd"]),
            Err("not_allowed"),
        );
        check(&policy, &exec(&["echo", "a b", "what?", "x"]), Ok(()));
        check(
            &policy,
            &exec(&["echo", "a", "b", "what?"]),
            Err("not_allowed"),
        );
        assert_eq!(policy.allow[1].to_string(), "systemctl status …");
        let error = "…".parse::<Pattern>().unwrap_err().to_string();
        assert!(error.contains("names no program"), "{error}");
        assert!("a | b".parse::<Pattern>().is_err());
    }

    #[test]
    fn a_narrowed_server_takes_neither_shell_nor_folder_nor_other_names() {
        let policy = narrowed(&["sh …", "true"]);
        let run = exec(&["true"]);
        let shell = Exec {
            shell: true,
            ..run.clone()
        };
        check(
            &policy,
            &shell,
            Err("not_allowed: this server runs no command lines"),
        );
        let cwd = Some("/".into());
        check(
            &policy,
            &Exec { cwd, ..run.clone() },
            Err("not_allowed: this server's commands"),
        );
        let env = |name: &str| Exec {
            env: [(name.to_owned(), "x".into())].into(),
            ..run.clone()
        };
        check(&policy, &env("LANG"), Ok(()));
        check(
            &policy,
            &env("LD_PRELOAD"),
            Err("not_allowed: the environment's LD_PRELOAD"),
        );
        check(&Policy::default(), &env("LD_PRELOAD"), Ok(()));
    }

    #[test]
    fn a_shell_has_to_be_opened_and_takes_one_line() {
        let shell = |argv: &[&str]| Exec {
            shell: true,
            ..exec(argv)
        };
        let open = Policy {
            shell: true,
            ..Policy::default()
        };
        check(&Policy::default(), &shell(&["ls | wc"]), Err("not_allowed"));
        check(&open, &shell(&["ls | wc"]), Ok(()));
        check(
            &open,
            &shell(&["ls", "|", "wc"]),
            Err("bad_request: with shell"),
        );
    }

    #[test]
    fn what_no_system_could_run_is_a_bad_request() {
        let policy = Policy::default();
        check(
            &policy,
            &exec(&[]),
            Err("bad_request: argv names no program"),
        );
        check(
            &policy,
            &exec(&[""]),
            Err("bad_request: argv names no program"),
        );
        check(&policy, &exec(&["a", "b\0"]), Err("zero byte"));
        for name in ["", "A=B", "A\0"] {
            let env = [(name.to_owned(), "x".into())].into();
            check(
                &policy,
                &Exec {
                    env,
                    ..exec(&["a"])
                },
                Err("no name of the environment"),
            );
        }
        for term in ["", "../../etc", "x\n"] {
            let request = format!(r#"{{"argv":["a"],"tty":{{"term":{term:?},"rows":1}}}}"#);
            let exec: Exec = serde_json::from_str(&request).unwrap();
            check(&policy, &exec, Err("tty.term"));
        }
    }
}
