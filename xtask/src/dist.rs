//! `cargo xtask dist`: what is handed out, as one archive with a check sum beside it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::step::{cargo, output, root, step, timed};

/// The texts that belong beside the binary.
const TEXTS: [&str; 6] = [
    "README.md",
    "README.zh-CN.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
];

/// The verbs that have a manual page; the program itself has one, too.
const VERBS: [&str; 3] = ["serve", "dial", "bench"];

/// The languages of the manual pages, and the folders where man looks for them.
const LANGUAGES: [(&str, &str); 2] = [("en", "man/man1"), ("zh", "man/zh_CN/man1")];

/// Where each shell's completions go, under the names that the shells look for.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "sockeye.bash"),
    ("zsh", "_sockeye"),
    ("fish", "sockeye.fish"),
];

#[derive(Args)]
pub(crate) struct Dist {}

impl Dist {
    pub(crate) fn run(self) -> Result<()> {
        let Self {} = self;
        let mut build = cargo(["build", "--locked", "--profile", "dist", "-p", "sockeye"]);
        step("build", &mut build)?;
        let name = format!(
            "sockeye-{}-{}-linux",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::ARCH
        );
        let folder = root().join("target/dist-archive").join(&name);
        timed("gather", || gather(&folder))?;
        let above = folder
            .parent()
            .context("the archive's folder has one above it")?;
        let archive = format!("{name}.tar.gz");
        step(
            "archive",
            Command::new("tar")
                .args(["-czf", &archive, &name])
                .current_dir(above),
        )?;
        let sums = output(Command::new("sha256sum").arg(&archive).current_dir(above))?;
        write(&above.join(format!("{archive}.sha256")), &sums)?;
        println!("{}", above.join(archive).display());
        Ok(())
    }
}

fn gather(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot clear {}", folder.display()))?;
    }
    let binary = folder.join("sockeye");
    copy(&root().join("target/dist/sockeye"), &binary)?;
    for text in TEXTS {
        copy(&root().join(text), &folder.join(text))?;
    }
    for entry in fs::read_dir(root().join("docs"))? {
        let page = entry?;
        copy(&page.path(), &folder.join("docs").join(page.file_name()))?;
    }
    for (shell, file) in COMPLETIONS {
        let script = output(Command::new(&binary).args(["completions", shell]))?;
        write(&folder.join("completions").join(file), &script)?;
    }
    for (lang, part) in LANGUAGES {
        let man = |verb: Option<&str>| {
            output(
                Command::new(&binary)
                    .args(["man", "--lang", lang])
                    .args(verb),
            )
        };
        write(&folder.join(part).join("sockeye.1"), &man(None)?)?;
        for verb in VERBS {
            write(
                &folder.join(part).join(format!("sockeye-{verb}.1")),
                &man(Some(verb))?,
            )?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    make_folder_of(to)?;
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

fn write(to: &Path, bytes: &[u8]) -> Result<()> {
    make_folder_of(to)?;
    fs::write(to, bytes).with_context(|| format!("cannot write {}", to.display()))
}

fn make_folder_of(file: &Path) -> Result<()> {
    let folder = file.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}
