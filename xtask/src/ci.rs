//! `cargo xtask ci`: everything that a change must pass besides its tests.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};

use crate::step::{cargo, need, output, root, step};

/// The workspaces that neither a build nor a test run compiles, so that only this checks them.
const SIDE_WORKSPACES: [&str; 2] = ["benches", "fuzz"];

#[derive(Args)]
pub(crate) struct Ci {
    /// Only these steps, in this order [default: all of them]
    #[arg(value_enum)]
    steps: Vec<Step>,
    /// How long each fuzz target runs, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    fuzz_seconds: u32,
}

#[derive(Clone, Copy, ValueEnum)]
enum Step {
    Fmt,
    Clippy,
    Deny,
    Docs,
    Fuzz,
}

impl Ci {
    pub(crate) fn run(self) -> Result<()> {
        let steps = match &self.steps[..] {
            [] => Step::value_variants(),
            some => some,
        };
        for step in steps {
            match step {
                Step::Fmt => fmt()?,
                Step::Clippy => clippy()?,
                Step::Deny => deny()?,
                Step::Docs => docs()?,
                Step::Fuzz => fuzz_smoke(self.fuzz_seconds)?,
            }
        }
        Ok(())
    }
}

fn fmt() -> Result<()> {
    step("fmt", &mut cargo(["fmt", "--all", "--check"]))?;
    for side in SIDE_WORKSPACES {
        let manifest = format!("{side}/Cargo.toml");
        let mut fmt = cargo(["fmt", "--manifest-path", &manifest, "--all", "--check"]);
        step(&format!("fmt {side}"), &mut fmt)?;
    }
    Ok(())
}

fn clippy() -> Result<()> {
    let strict = ["--all-targets", "--", "-D", "warnings"];
    step(
        "clippy",
        cargo(["clippy", "--locked", "--workspace"]).args(strict),
    )?;
    for side in SIDE_WORKSPACES {
        let manifest = format!("{side}/Cargo.toml");
        let mut clippy = cargo([
            "clippy",
            "--locked",
            "--manifest-path",
            &manifest,
            "--workspace",
        ]);
        step(&format!("clippy {side}"), clippy.args(strict))?;
    }
    Ok(())
}

/// Licences, bans and sources come from Cargo.lock and deny.toml. Advisories are left out: they
/// need a database from the network, so the same commit could pass today and fail tomorrow.
fn deny() -> Result<()> {
    need(
        "cargo-deny",
        &mut cargo(["deny", "--version"]),
        "cargo install --locked cargo-deny",
    )?;
    step(
        "deny",
        &mut cargo(["deny", "--locked", "check", "licenses", "bans", "sources"]),
    )
}

fn docs() -> Result<()> {
    let mut doc = cargo(["doc", "--locked", "--no-deps", "--workspace"]);
    step("docs", doc.env("RUSTDOCFLAGS", "-D warnings"))
}

fn fuzz_smoke(seconds: u32) -> Result<()> {
    for target in fuzz_targets()? {
        let mut fuzz = fuzz(&target, "smoke", seconds)?;
        // A find is told all the same; what is left out are hundreds of lines of progress.
        fuzz.arg("-verbosity=0");
        step(&format!("fuzz {target} for {seconds} s"), &mut fuzz)?;
    }
    Ok(())
}

/// The names of all fuzz targets.
pub(crate) fn fuzz_targets() -> Result<Vec<String>> {
    need(
        "cargo-fuzz",
        &mut cargo(["fuzz", "--version"]),
        "cargo install --locked cargo-fuzz",
    )?;
    need(
        "g++",
        Command::new("g++").arg("--version"),
        "apt-get install g++",
    )?;
    let list = output(&mut cargo(["fuzz", "list", "--fuzz-dir", "fuzz"]))?;
    let list = String::from_utf8(list).context("cargo fuzz list printed no text")?;
    let targets: Vec<_> = list.split_whitespace().map(str::to_owned).collect();
    if targets.is_empty() {
        bail!("fuzz/ has no targets");
    }
    Ok(targets)
}

/// A fuzz run that starts from the committed corpus and puts what it finds under `target/`, so
/// that a run never changes the working tree.
pub(crate) fn fuzz(target: &str, campaign: &str, seconds: u32) -> Result<Command> {
    let found = root()
        .join("target/fuzz-corpus")
        .join(campaign)
        .join(target);
    fs::create_dir_all(&found).with_context(|| format!("cannot make {}", found.display()))?;
    let mut fuzz = cargo(["fuzz", "run", "--fuzz-dir", "fuzz", target]);
    // libFuzzer writes to the first folder and only reads the others.
    fuzz.arg(found);
    let committed = root().join("fuzz/corpus").join(target);
    if committed.is_dir() {
        fuzz.arg(committed);
    }
    if campaign == "smoke" {
        // A gate asks the same question every time; new ones are the campaigns' (`cargo xtask soak`).
        fuzz.args(["--", "-seed=1"]);
    } else {
        fuzz.arg("--");
    }
    fuzz.args([
        &format!("-max_total_time={seconds}"),
        "-timeout=10",
        "-print_final_stats=1",
    ]);
    // The sanitizers are behind a flag of the nightly compiler; this opens it on a stable one.
    fuzz.env("RUSTC_BOOTSTRAP", "1");
    Ok(fuzz)
}
