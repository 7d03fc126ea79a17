//! The scenarios that come with the program: the files of labs/.

use std::sync::LazyLock;

use super::scenario::Scenario;

// The build script lists them: `const FILES: &[(&str, &str)]`, file name and text, by name.
include!(concat!(env!("OUT_DIR"), "/labs.rs"));

/// Names that are suggested for one that is wrong, at most.
const SUGGESTIONS: usize = 3;

/// Every scenario, by group, then by name.
///
/// # Panics
/// If one of the files is wrong, which a test forbids.
pub fn all() -> &'static [Scenario] {
    static ALL: LazyLock<Vec<Scenario>> = LazyLock::new(|| {
        let read = |(file, text): &(&str, &str)| {
            Scenario::parse(text, file).expect("a test reads every scenario that comes with us")
        };
        let mut all: Vec<_> = FILES.iter().map(read).collect();
        all.sort_by(|a, b| (a.group, &a.name).cmp(&(b.group, &b.name)));
        all
    });
    &ALL
}

/// The scenario with this name, or with this among its other names; ASCII letters in either case.
pub fn find(name: &str) -> Option<&'static Scenario> {
    let is_it = |own: &str| own.eq_ignore_ascii_case(name);
    let mut all = all().iter();
    all.clone()
        .find(|scenario| is_it(&scenario.name))
        .or_else(|| all.find(|scenario| scenario.names.iter().any(|name| is_it(name))))
}

/// Names like this one, the most similar first: those with it inside, and those that a slip or two
/// turn into it.
pub fn near(name: &str) -> Vec<&'static str> {
    let name = name.to_lowercase();
    let names = all().iter().flat_map(|scenario| {
        std::iter::once(&*scenario.name).chain(scenario.names.iter().map(String::as_str))
    });
    let mut near: Vec<(usize, &'static str)> = names
        .filter_map(|known| Some((unlike(&name, &known.to_lowercase())?, known)))
        .collect();
    near.sort_unstable();
    near.dedup_by_key(|(_, known)| *known);
    near.truncate(SUGGESTIONS);
    near.into_iter().map(|(_, known)| known).collect()
}

/// How little two names have in common; none: nothing that a slip explains.
fn unlike(typed: &str, known: &str) -> Option<usize> {
    let (length, own) = (typed.chars().count(), known.chars().count());
    if typed.is_empty() {
        return None;
    }
    if known.contains(typed) || typed.contains(known) {
        return Some(own.abs_diff(length).min(2));
    }
    let slips = distance(typed, known);
    (slips <= length.max(own) / 3).then_some(slips)
}

/// How many letters have to be put in, taken out or replaced to get from one to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, letter) in a.chars().enumerate() {
        let mut before = std::mem::replace(&mut row[0], line + 1);
        for (column, other) in b.iter().enumerate() {
            let replaced = before + usize::from(letter != *other);
            before = row[column + 1];
            row[column + 1] = replaced.min(before + 1).min(row[column] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_labs_is_here_and_is_named_as_it_is() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../labs");
        let mut there: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "toml")
            })
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        there.sort();
        let here: Vec<_> = FILES.iter().map(|(file, _)| *file).collect();
        assert_eq!(there, here);
        for (file, text) in FILES {
            let scenario = match Scenario::parse(text, file) {
                Ok(scenario) => scenario,
                Err(why) => panic!("labs/{why}"),
            };
            assert_eq!(format!("{}.toml", scenario.name), *file);
        }
    }

    #[test]
    fn names_are_given_once() {
        let mut owners: HashMap<&str, &str> = HashMap::new();
        for scenario in all() {
            for name in std::iter::once(&scenario.name).chain(&scenario.names) {
                let other = owners.insert(name, &scenario.name);
                assert_eq!(other, None, "{name} is {} too", scenario.name);
                let found = find(name).map(|found| &found.name);
                assert_eq!(found, Some(&scenario.name), "{name}");
            }
        }
    }

    #[test]
    fn what_belongs_together_is_there() {
        for scenario in all() {
            for other in &scenario.see {
                let there = find(other).is_some_and(|found| found.name == *other);
                assert!(there, "{} sees {other}, which is not there", scenario.name);
            }
        }
    }

    #[test]
    fn a_wrong_name_has_suggestions() {
        assert_eq!(find("STICKY-nagle").unwrap().name, "sticky-nagle");
        assert_eq!(find("粘包").unwrap().name, "sticky-nagle");
        assert!(near("sticky-nagel").contains(&"sticky-nagle"));
        assert!(near("粘").contains(&"粘包"));
        assert!(near("quite-something-else-altogether").is_empty());
        assert!(near("").is_empty());
    }

    #[test]
    fn slips_are_counted() {
        let check = |a, b, slips| assert_eq!(distance(a, b), slips, "{a} {b}");
        check("", "abc", 3);
        check("abc", "", 3);
        check("kitten", "sitting", 3);
        check("粘包", "拆包", 1);
    }
}
