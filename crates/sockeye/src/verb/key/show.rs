//! `sockeye key` without more: who we are.

use std::path::{Path, PathBuf};

use sockeye_net::{Fingerprint, Identity};

use super::Teller;
use crate::catalogue::{Text, key as say};
use crate::exit::Exit;
use crate::ui::{Table, write_stdout};

/// What is shown.
struct Shown {
    key: Fingerprint,
    certificate: String,
    key_file: PathBuf,
    certificate_file: PathBuf,
    /// The two lists, and how many lines they have.
    known: (PathBuf, usize),
    authorized: (PathBuf, usize),
}

/// Shows the identity, made on first need, and where everything lies.
pub(super) fn run(teller: &Teller<'_>) -> anyhow::Result<Exit> {
    let trust = &teller.context.net.trust;
    let (key_file, certificate_file) = Identity::files(trust.dir()?);
    let is_new = !key_file.exists();
    let identity = trust.identity()?;
    if is_new && !teller.context.global.quiet {
        teller.context.ui.say(say::MADE.get(teller.context.lang()));
    }
    let (known, authorized) = (trust.known_peers()?, trust.authorized()?);
    let shown = Shown {
        key: identity.fingerprint(),
        certificate: identity.certificate_sha256(),
        key_file,
        certificate_file,
        known: (known.path().to_owned(), known.entries()?.len()),
        authorized: (authorized.path().to_owned(), authorized.entries()?.len()),
    };
    if teller.json {
        shown.as_json(teller)?;
    } else {
        shown.as_text(teller)?;
    }
    let mut problems = known.problems()?;
    problems.extend(authorized.problems());
    Ok(teller.complain(problems))
}

impl Shown {
    fn as_json(&self, teller: &Teller<'_>) -> anyhow::Result<()> {
        let file = |path: &Path| path.display().to_string();
        let fields = |line: &mut crate::journal::Line| {
            line.put("key", &self.key.to_string())
                .put("certificate_sha256", &self.certificate)
                .put("curl", &self.key.curl())
                .put("key_file", &file(&self.key_file))
                .put("certificate_file", &file(&self.certificate_file))
                .put("known_file", &file(&self.known.0))
                .number("known", self.known.1 as u64)
                .put("authorized_file", &file(&self.authorized.0))
                .number("authorized", self.authorized.1 as u64);
        };
        teller.tell("identity", fields, "")
    }

    fn as_text(&self, teller: &Teller<'_>) -> anyhow::Result<()> {
        let lang = teller.context.lang();
        let file = |path: &Path| path.display().to_string();
        let list = |(path, lines): &(PathBuf, usize)| format!("{}  ({lines})", path.display());
        let rows: [(Text, String); 7] = [
            (say::KEY, self.key.to_string()),
            (say::CERTIFICATE, self.certificate.clone()),
            (say::CURL, self.key.curl()),
            (say::KEY_FILE, file(&self.key_file)),
            (say::CERTIFICATE_FILE, file(&self.certificate_file)),
            (say::KNOWN_FILE, list(&self.known)),
            (say::AUTHORIZED_FILE, list(&self.authorized)),
        ];
        let mut table = Table::default();
        for (name, value) in rows {
            table.row([name.get(lang).to_owned(), value]);
        }
        let how = say::LET_IN.fill(lang, &[("key", &self.key)]);
        write_stdout(format!("{}\n{how}\n", table.render("")).as_bytes())
    }
}
