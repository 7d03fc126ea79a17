//! Servers that lie: nothing is written but what was asked for, and each lie has its line and code.

use std::fs;
use std::path::Path;

use super::{assert_says, names, noise, theirs};

/// What `get` says to a server with this lie, and that it leaves nothing.
#[track_caller]
fn get_from(lie: &str, code: i32, says: &str) {
    let Some(theirs) = theirs(lie) else { return };
    fs::write(theirs.there("f"), noise(200_000)).unwrap();
    let exit = theirs.get(&["-q", "f"]);
    assert_says(&exit, code, &[&format!("sockeye: {says}")]);
    let left = names(&theirs.here(""));
    let harmless = left.iter().all(|name| name.starts_with(".sockeye-"));
    assert!(harmless, "{lie}: {left:?}");
    if code == 3 && says.starts_with("f: ") {
        assert!(left.is_empty(), "{lie}: {left:?}");
    }
}

#[test]
fn m19_content_that_is_not_what_was_announced_leaves_nothing() {
    get_from(
        "shorter",
        3,
        "f: 199999 bytes came where 200000 were announced; nothing was kept",
    );
    get_from(
        "no digest",
        3,
        "f: no sha256 digest came to check it by; nothing was kept (--digest none asks for none)",
    );
    let Some(theirs) = theirs("wrong digest") else {
        return;
    };
    fs::write(theirs.there("f"), noise(200_000)).unwrap();
    let exit = theirs.get(&["-q", "f"]);
    let said = exit.stderr_text();
    assert_eq!(exit.code, Some(3), "{said}");
    assert!(
        said.starts_with("sockeye: f: the digest of what came is "),
        "{said}"
    );
    assert!(
        said.trim_end()
            .ends_with(&format!(", {} was announced", "0".repeat(64))),
        "{said}"
    );
    assert!(names(&theirs.here("")).is_empty());
    // Into a pipe it has gone already; the code tells.
    assert_eq!(theirs.get(&["-q", "f", "-o", "-"]).code, Some(3));
}

#[test]
fn m19_what_breaks_the_protocol_ends_the_transfer() {
    get_from(
        "longer",
        3,
        "the server sent what nobody asked for: 8 bytes more than were announced",
    );
    get_from(
        "other name",
        3,
        "the server sent what nobody asked for: \"../f\" instead of f",
    );
    get_from(
        "offset",
        3,
        "the server sent what nobody asked for: f from byte 7 on",
    );
    get_from(
        "huge body",
        3,
        "the server sent what nobody asked for: content of no file, asked for was f",
    );
    get_from("denied", 5, "the server says: this key may not do that");
}

#[test]
fn m19_what_is_no_frame_ends_the_transfer() {
    for (lie, word) in [("huge header", "2147483647"), ("no json", "JSON")] {
        let Some(theirs) = theirs(lie) else { return };
        fs::write(theirs.there("f"), "x").unwrap();
        let exit = theirs.get(&["-q", "f"]);
        let said = exit.stderr_text();
        assert_eq!((exit.code, said.lines().count()), (Some(3), 1), "{said}");
        assert!(said.contains(word), "{said}");
        assert!(names(&theirs.here("")).is_empty());
    }
}

#[test]
fn m19_listed_names_that_lead_elsewhere_are_refused() {
    let long = "d/".to_owned() + &"x".repeat(300);
    for name in [
        "d/../../f",
        "../f",
        "/etc/passwd",
        "d//f",
        "d/",
        "d/.",
        "e/f",
        "d",
        "",
        "d/a\0b",
        &long,
    ] {
        // NUL cannot be an argument of a program: the server makes it of this.
        let lie = format!("lists {}", name.replace('\0', "\\0"));
        let Some(theirs) = theirs(&lie) else { return };
        fs::create_dir(theirs.there("d")).unwrap();
        let exit = theirs.get(&["-q", "d"]);
        let said = exit.stderr_text();
        assert_eq!(
            (exit.code, said.lines().count()),
            (Some(3), 1),
            "{name}: {said}"
        );
        assert!(
            names(&theirs.here("")).iter().all(|name| name == "d"),
            "{name}"
        );
        assert!(!Path::new(&theirs.folder.path().join("f")).exists());
    }
}

#[test]
fn m19_servers_that_refuse_or_lie_about_what_they_stored() {
    let put_to = |lie: &str, code: i32, says: &str| {
        let Some(theirs) = theirs(lie) else { return };
        fs::write(theirs.here("f"), noise(2_000_000)).unwrap();
        let exit = theirs.put(&["-q", "f"]);
        assert_says(&exit, code, &[&format!("sockeye: {says}")]);
    };
    put_to("refuse digest", 3, "f: other bytes came");
    put_to("refuses at once", 2, "f: it is there");
    put_to("denied", 5, "the server says: this key may not do that");
    let Some(theirs) = theirs("stored another") else {
        return;
    };
    fs::write(theirs.here("f"), "x").unwrap();
    let exit = theirs.put(&["-q", "f"]);
    assert_eq!(exit.code, Some(3), "{}", exit.stderr_text());
}

#[test]
fn m19_a_server_that_dies_in_the_middle_is_a_failure_of_the_network() {
    let Some(mut theirs) = theirs("dies") else {
        return;
    };
    fs::write(theirs.here("f"), noise(20_000_000)).unwrap();
    let exit = theirs.put(&["-q", "f"]);
    assert_eq!(
        (exit.code, exit.stderr_text().lines().count()),
        (Some(1), 1),
        "{}",
        exit.stderr_text()
    );
    assert_eq!(theirs.process.exit().code, Some(0));
    // Nobody is there any more.
    let exit = theirs.put(&["-q", "f"]);
    assert_eq!(exit.code, Some(1), "{}", exit.stderr_text());
    assert!(exit.stderr_text().contains("ECONNREFUSED"));
}
