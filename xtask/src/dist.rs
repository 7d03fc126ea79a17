//! `cargo xtask dist`: what is handed out, as one archive with a check sum beside it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::step::{cargo, output, root, step, timed};

/// The texts that belong beside the binary.
const TEXTS: [&str; 5] = [
    "README.md",
    "README.zh.md",
    "CHANGELOG.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
];

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
    for part in ["man", "completions"] {
        let part = folder.join(part);
        fs::create_dir_all(&part).with_context(|| format!("cannot make {}", part.display()))?;
    }
    let binary = folder.join("sockeye");
    copy(&root().join("target/dist/sockeye"), &binary)?;
    for text in TEXTS {
        copy(&root().join(text), &folder.join(text))?;
    }
    for (shell, file) in COMPLETIONS {
        let script = output(Command::new(&binary).args(["completions", shell]))?;
        write(&folder.join("completions").join(file), &script)?;
    }
    output(Command::new(&binary).arg("man").arg(folder.join("man")))?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

fn write(to: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(to, bytes).with_context(|| format!("cannot write {}", to.display()))
}
