//! Programs, threads and descendants come and go, and every one is followed to its end.

use std::time::Duration;

use sockeye_observe::watch::{Notice, Options, Program, Tracer, WatchError};
use sockeye_trace::{Call, Kind};

use super::records::{python, watch};

#[test]
fn a_program_runs_to_its_end_with_its_descendants() {
    let mut sink = |_: &sockeye_trace::Fact<'_>| {};
    let mut tracer = Tracer::new(Options::default()).unwrap();
    let script = "(exit 3); (sh -c 'exit 4'; echo x >/dev/null) | cat >/dev/null; exit 7";
    let pid = tracer
        .start(&Program::new("shell", ["sh", "-c", script]), &mut sink)
        .unwrap();
    let Notice::Exited(exit) = tracer.run(&mut sink).unwrap() else {
        panic!("an end was expected")
    };
    assert_eq!((exit.pid, exit.code, exit.signal), (pid, Some(7), None));
    assert_eq!(tracer.run(&mut sink).unwrap(), Notice::Done);
    let outcome = tracer.finish(Duration::from_secs(1), &mut sink);
    assert_eq!(outcome.exits, [exit]);
}

#[test]
fn what_cannot_run_is_an_error_that_names_it() {
    let mut tracer = Tracer::new(Options::default()).unwrap();
    let missing = Program::new("", ["no-such-program-anywhere"]);
    let error = tracer.start(&missing, &mut |_| {}).unwrap_err();
    assert!(
        matches!(&error, WatchError::Exec { source, .. } if source.raw_os_error() == Some(2)),
        "{error:?}"
    );
    let none = Program::new("", [""; 0]);
    let error = tracer.start(&none, &mut |_| {}).unwrap_err();
    assert!(matches!(error, WatchError::NoProgram), "{error:?}");
    assert_eq!(tracer.run(&mut |_| {}).unwrap(), Notice::Done);
}

#[test]
fn a_waiting_tracer_can_be_woken() {
    let mut tracer = Tracer::new(Options::default()).unwrap();
    let sleep = Program::new("", ["sleep", "60"]);
    tracer.start(&sleep, &mut |_| {}).unwrap();
    let waker = tracer.waker();
    let thread = std::thread::spawn(move || waker.wake());
    assert_eq!(tracer.run(&mut |_| {}).unwrap(), Notice::Woken);
    thread.join().unwrap();
    tracer.finish(Duration::ZERO, &mut |_| {});
}

/// Fifty children, each with a message for the parent's socket; every one is heard and ends.
#[test]
fn fifty_children_are_followed() {
    let script = "\
import os, socket
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
for number in range(50):
    if os.fork() == 0:
        a.send(b'child %d' % number)
        os._exit(number)
for _ in range(50):
    b.recv(100)
    os.wait()
";
    let Some(program) = python("", script, &[]) else {
        return;
    };
    let record = watch(&program, vec![]);
    assert_eq!(record.outcome.exits[0].code, Some(0));
    let processes = record.processes();
    assert_eq!(processes.len(), 51);
    let mut ends: Vec<_> = processes
        .values()
        .map(|process| process.ended.clone())
        .collect();
    let mut expected: Vec<_> = (0..50).map(|code| format!("exit {code}")).collect();
    expected.push("exit 0".to_owned());
    ends.sort();
    expected.sort();
    assert_eq!(ends, expected);
    let mut sent: Vec<_> = record
        .of(Kind::Write)
        .iter()
        .map(|fact| fact.data.to_vec())
        .collect();
    sent.sort();
    sent.dedup();
    assert_eq!(sent.len(), 50);
}

/// A thread that is not the first becomes another program, again and again; sockets go or stay as their
/// flags say.
#[test]
fn a_chain_of_execs_is_followed() {
    let script = "\
import os, socket, sys, threading
left = int(sys.argv[1])
if left == 3:
    a, b = socket.socketpair()
    a.set_inheritable(True)
    a.send(b'kept')
    keep = a.fileno()
else:
    keep = int(sys.argv[2])
    try:
        os.write(keep, b'%d' % left)
    except BrokenPipeError:
        pass
if left:
    again = [sys.executable, '-c', sys.orig_argv[2], str(left - 1), str(keep)]
    thread = threading.Thread(target=os.execv, args=(sys.executable, again))
    thread.start()
    thread.join()
";
    let Some(mut program) = python("", script, &["3"]) else {
        return;
    };
    // The script hands its own text on: -u would move it.
    program.argv.remove(1);
    let record = watch(&program, vec![]);
    assert_eq!(record.outcome.exits[0].code, Some(0));
    let sent: Vec<_> = record
        .of(Kind::Write)
        .iter()
        .map(|fact| fact.data.to_vec())
        .collect();
    // Its twin is closed by the first exec.
    assert_eq!(sent, [b"kept".to_vec(), vec![], vec![], vec![]]);
    let closed = record
        .facts()
        .filter(|fact| fact.call() == Call::Close && fact.text == "exec");
    assert_eq!(closed.count(), 1);
}

#[test]
fn a_program_that_is_killed_in_the_middle_ends_the_watch() {
    let script = "\
import os, signal, socket, threading, time
a, b = socket.socketpair()
for _ in range(4):
    threading.Thread(target=b.recv, args=(10,), daemon=True).start()
a.send(b'last words')
os.kill(os.getpid(), signal.SIGKILL)
";
    let Some(program) = python("", script, &[]) else {
        return;
    };
    let record = watch(&program, vec![]);
    assert_eq!(record.outcome.exits[0].signal, Some(9));
    let pid = record.outcome.exits[0].pid;
    assert_eq!(record.processes()[&pid].ended, "signal KILL");
    assert_eq!(record.of(Kind::Write)[0].data, b"last words");
    let ends = record
        .facts()
        .filter(|fact| fact.call() == Call::Close && fact.text == "exit");
    assert_eq!(ends.count(), 2);
}

/// Signals reach their handlers, real-time ones too, and a stopped program stays stopped.
#[test]
fn signals_pass() {
    let script = "\
import os, signal, subprocess, sys
got = []
signal.signal(signal.SIGUSR1, lambda *_: got.append('usr1'))
signal.signal(signal.SIGRTMIN + 3, lambda *_: got.append('rt'))
os.kill(os.getpid(), signal.SIGUSR1)
os.kill(os.getpid(), signal.SIGRTMIN + 3)
assert got == ['usr1', 'rt'], got
child = os.fork()
if child == 0:
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(5)
assert os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1])
os.kill(child, signal.SIGCONT)
assert os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 5
";
    let Some(program) = python("", script, &[]) else {
        return;
    };
    assert_eq!(watch(&program, vec![]).outcome.exits[0].code, Some(0));
}

/// What a program leaves behind when the watch ends is ended with it.
#[test]
fn finishing_ends_what_was_started() {
    let mut tracer = Tracer::new(Options::default()).unwrap();
    let script = "\
import os, signal, socket
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
s = socket.create_server(('127.0.0.1', 0))
s.accept()
";
    let Some(program) = python("", script, &[]) else {
        return;
    };
    let pid = tracer.start(&program, &mut |_| {}).unwrap();
    let notice = tracer.run(&mut |_| {}).unwrap();
    assert!(matches!(notice, Notice::Listening { .. }), "{notice:?}");
    let outcome = tracer.finish(Duration::from_millis(50), &mut |_| {});
    let ends: Vec<_> = outcome
        .exits
        .iter()
        .map(|exit| (exit.pid, exit.signal))
        .collect();
    assert_eq!(ends, [(pid, Some(9))]);
}

/// A program without standard streams is none of our business.
#[test]
fn a_program_may_close_its_streams() {
    let script = "\
import os, socket
for fd in range(3):
    os.close(fd)
a, b = socket.socketpair()
assert (a.fileno(), b.fileno()) == (0, 1)
a.send(b'zero')
b.recv(10)
";
    let Some(program) = python("", script, &[]) else {
        return;
    };
    let record = watch(&program, vec![]);
    assert_eq!(record.of(Kind::Read)[0].data, b"zero");
}

/// As many sockets as the limit of descriptors permits, up to 19,000.
#[test]
fn nineteen_thousand_sockets_are_told_apart() {
    let script = "\
import resource, socket
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
count = min(19000, hard - 20)
socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
print(count)
";
    let Some(mut program) = python("", script, &[]) else {
        return;
    };
    let (reader, writer) = std::io::pipe().unwrap();
    program.stdout = Some(writer.into());
    let record = watch(&program, vec![]);
    drop(program);
    let count: usize = std::io::read_to_string(reader)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert_eq!(record.sides().len(), count);
    let closed = record.facts().filter(|fact| fact.call() == Call::Close);
    assert_eq!(closed.count(), count);
}
