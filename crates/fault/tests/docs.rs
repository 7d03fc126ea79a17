//! docs/faults.md says what is true: its rules are rules, it names every kind and key, its verdicts are
//! those that are given.

use sockeye_fault::{Rule, RuleProblem};
use sockeye_trace::{Act, Lang};

const PAGE: &str = include_str!("../../../docs/faults.md");

#[test]
fn rules_on_the_page_are_rules() {
    let mut seen = 0;
    let blocks = PAGE.split("```faults\n").skip(1);
    for line in blocks.flat_map(|block| block.split("```").next().unwrap_or_default().lines()) {
        let rule: Rule = line.parse().unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(rule.to_string(), line);
        seen += 1;
    }
    assert!(seen >= 9);
}

#[test]
fn every_kind_and_key_is_on_the_page() {
    let error = "x".parse::<Rule>().unwrap_err().to_string();
    let (_, names) = error.split_once("known are ").unwrap();
    for name in names.split(", ") {
        let row = [':', '[', '`'].map(|end| format!("| `{name}{end}"));
        assert!(row.iter().any(|row| PAGE.contains(row)), "{name}");
        // A duration is a value for every kind that takes one, and refused with what is allowed by the rest.
        let error = format!("{name}:1ms,x=1").parse::<Rule>().unwrap_err();
        let RuleProblem::UnknownKey { allowed, .. } = *error.problem else {
            panic!("{error}");
        };
        for key in allowed {
            let key = key.split('=').next().unwrap();
            let shown = [
                format!("`{key}="),
                " `".to_owned() + key + "`",
                format!("`{key}"),
                format!("{key}`"),
                format!(":{key}"),
                format!(",{key}="),
            ];
            assert!(
                shown.iter().any(|shown| PAGE.contains(shown)),
                "{name}: {key}"
            );
        }
    }
}

#[test]
fn verdicts_on_the_page_are_verdicts() {
    let (_, table) = PAGE
        .split_once("| verdict | 中文 | by |\n|---|---|---|\n")
        .unwrap();
    let rows: Vec<_> = table
        .lines()
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert_eq!(rows.len(), 16);
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let act = Act::parse(cells[1].trim_matches('`'));
        assert!(!matches!(act, Act::Other(_)), "{row}");
        assert_eq!(act.words(Lang::Zh), cells[2]);
    }
}
