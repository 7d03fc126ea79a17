//! Which scenario is meant: one of ours by any of its names, or a file.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use sockeye_net::Errno;
use sockeye_observe::lab::{FILE_LIMIT, Scenario, builtin};

use crate::exit::usage;

/// The scenario of that name, or in that file.
pub(super) fn choose(name: &str) -> anyhow::Result<Scenario> {
    if let Some(scenario) = builtin::find(name) {
        return Ok(scenario.clone());
    }
    let path = Path::new(name);
    let is_file = path
        .extension()
        .is_some_and(|extension| extension == "toml")
        || name.contains('/')
        || path.is_file();
    if is_file {
        return read(path);
    }
    let near = builtin::near(name);
    let hint = match &near[..] {
        [] => "`sockeye lab list` shows all".to_owned(),
        near => format!("near it: {}", near.join(", ")),
    };
    Err(usage!("no scenario is called '{name}'; {hint}"))
}

fn read(path: &Path) -> anyhow::Result<Scenario> {
    let name = path.display().to_string();
    let failed = |why: std::io::Error| usage!("{name}: {}", Errno::of(&why));
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    // One byte more than is allowed tells that there are more.
    let limit = FILE_LIMIT as u64 + 1;
    file.take(limit)
        .read_to_string(&mut text)
        .map_err(|why| match why.kind() {
            std::io::ErrorKind::InvalidData => usage!("{name}: not UTF-8"),
            _ => failed(why),
        })?;
    Scenario::parse(&text, &name).map_err(|why| usage!("{why}"))
}
