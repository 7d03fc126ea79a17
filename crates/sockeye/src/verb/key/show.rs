//! `sockeye key` without more: who we are.

use std::path::Path;

use sockeye_net::Identity;

use super::Teller;
use crate::catalogue::key as say;
use crate::exit::Exit;
use crate::ui::{Table, write_stdout};

/// Shows the identity, made on first need, and where everything lies.
pub(super) fn run(teller: &Teller<'_>) -> anyhow::Result<Exit> {
    let trust = &teller.context.net.trust;
    let (key_file, certificate_file) = Identity::files(trust.dir()?);
    let is_new = !key_file.exists();
    let identity = trust.identity()?;
    let lang = teller.context.lang();
    if is_new && !teller.context.global.quiet {
        teller.context.ui.say(say::MADE.get(lang));
    }
    let (known, authorized) = (trust.known_peers()?, trust.authorized()?);
    let (pins, keys) = (known.entries()?.len(), authorized.entries()?.len());
    let (key, curl) = (
        identity.fingerprint().to_string(),
        identity.fingerprint().curl(),
    );
    let certificate = identity.certificate_sha256();
    if teller.json {
        let file = |path: &Path| path.display().to_string();
        teller.tell(
            "identity",
            |line| {
                line.put("key", &key)
                    .put("certificate_sha256", &certificate)
                    .put("curl", &curl)
                    .put("key_file", &file(&key_file))
                    .put("certificate_file", &file(&certificate_file))
                    .put("known_file", &file(known.path()))
                    .number("known", pins as u64)
                    .put("authorized_file", &file(authorized.path()))
                    .number("authorized", keys as u64);
            },
            "",
        )?;
        return Ok(Exit::Done);
    }
    let mut table = Table::default();
    let mut row =
        |name: crate::catalogue::Text, value: String| table.row([name.get(lang).to_owned(), value]);
    row(say::KEY, key.clone());
    row(say::CERTIFICATE, certificate);
    row(say::CURL, curl);
    row(say::KEY_FILE, key_file.display().to_string());
    row(
        say::CERTIFICATE_FILE,
        certificate_file.display().to_string(),
    );
    let counted = |n: usize, path: &Path| format!("{}  ({n})", path.display());
    row(say::KNOWN_FILE, counted(pins, known.path()));
    row(say::AUTHORIZED_FILE, counted(keys, authorized.path()));
    let how = say::LET_IN.fill(lang, &[("key", &key)]);
    write_stdout(format!("{}\n{how}\n", table.render("")).as_bytes())?;
    let mut problems = known.problems()?;
    problems.extend(authorized.problems());
    Ok(teller.complain(problems))
}
