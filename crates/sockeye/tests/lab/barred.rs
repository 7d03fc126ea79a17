//! Where namespaces are barred: what is left is done, and said to be no more than that.

use std::process::Command;

use sockeye_testkit::{Process, not_run, tool};

use super::stage::{CLIENT, SERVER, Stage, User, within};

/// The same command in a user namespace in which there may be no networks: the kernel's own setting
/// (`user.max_net_namespaces`, namespaces(7)) bars them there, for root as well.
fn barred(command: &Command) -> Option<Command> {
    within(
        command,
        "echo 0 > /proc/sys/user/max_net_namespaces && exec \"$@\"",
    )
}

const WHY: &str = "this system allows none: root may set user.max_user_namespaces";

#[test]
fn two_programs_run_on_loopback_and_the_report_says_why() {
    let Some(stage) = Stage::new() else { return };
    let server = SERVER.replace("('', 9000)", "(os.environ['SOCKEYE_SERVER'], 0)");
    // No fixed port: the loopback device is everybody's.
    let server = server.replace(
        "conn, _",
        "open('port', 'w').write(str(listener.getsockname()[1]))\nconn, _",
    );
    let server = format!("import os\n{server}");
    let client = CLIENT.replace(
        "('server', 9000)",
        "(os.environ['SOCKEYE_SERVER'], wait_for_port())",
    );
    let client = format!(
        "\
import os
def wait_for_port():
    while not (os.path.exists('port') and os.path.getsize('port')):
        os.sched_yield()
    return int(open('port').read())
{client}"
    );
    let command = stage.run(User::Ourselves, &server, &client).unwrap();
    let Some(mut command) = barred(&command) else {
        return;
    };
    let (exit, session) = stage.seen(&mut command);
    let drawn = exit.stdout_text().replace('\n', " ");
    assert!(drawn.contains("wire: inferred"), "{drawn}");
    assert!(drawn.contains("cannot make namespaces"), "{drawn}");
    let note = session.facts().find_map(|(_, fact)| {
        let is_note = fact.kind() == sockeye_trace::Kind::Note;
        is_note.then(|| fact.text.to_owned())
    });
    let note = note.unwrap();
    assert!(note.contains("\"place\":\"loopback\""), "{note}");
    assert!(note.contains(WHY), "{note}");
    let said = exit.stderr_text();
    assert!(said.contains("client | heard WORLD"), "{said}");
    assert!(
        said.contains("both programs ran on the loopback device"),
        "{said}"
    );
}

#[test]
fn what_loopback_cannot_do_is_refused_with_the_reason() {
    let Some(stage) = Stage::new() else { return };
    for (flag, value, what) in [
        ("--delay", "20ms", "a wire with faults"),
        ("--mtu", "600", "links with an MTU of their own"),
    ] {
        let mut command = stage.run(User::Ourselves, SERVER, CLIENT).unwrap();
        let Some(mut command) = barred(command.args([flag, value])) else {
            return;
        };
        let exit = Process::run(&mut command);
        let said = exit.stderr_text();
        assert_eq!(exit.code, Some(2), "{said}");
        assert!(said.contains(what) && said.contains(WHY), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

/// That the trick with the setting works here at all.
#[test]
fn the_bar_bars() {
    let Some(stage) = Stage::new() else { return };
    let Some(unshare) = tool("unshare") else {
        return;
    };
    let mut command = Command::new(unshare);
    command.args(["--net", "true"]).current_dir(stage.path("."));
    let Some(mut command) = barred(&command) else {
        return;
    };
    let exit = Process::run(&mut command);
    if exit.code == Some(0) {
        not_run("a network was made although the kernel's setting allows none");
    }
    assert_ne!(exit.code, Some(0));
}
