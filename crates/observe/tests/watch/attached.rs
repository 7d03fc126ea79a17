//! Programs that ran before they were watched, and run on after it.

use std::time::Duration;

use sockeye_observe::watch::{Notice, Options, Tracer, WatchError};
use sockeye_testkit::python;
use sockeye_trace::{Fact, Kind, Side};

use super::records::Alarm;

/// A connection with bytes behind it goes on at its place, with threads that wait in a call, and the
/// program never notices.
#[test]
fn a_running_program_is_joined_and_left() {
    let script = "\
import socket, sys, threading
s = socket.create_server(('127.0.0.1', 0))
c = socket.create_connection(s.getsockname())
a, _ = s.accept()
c.send(b'before')
a.recv(4)
a.send(b'answer')
blocked, ends = socket.socketpair()
got = []
thread = threading.Thread(target=lambda: got.append(blocked.recv(10)))
thread.start()
print('ready')
for line in sys.stdin:
    c.send(line.encode())
    a.recv(100)
    print('done', line, end='')
ends.send(b'free')
thread.join()
print(got)
";
    let Some(mut program) = python(script, &[]) else {
        return;
    };
    program.wait_stdout("ready");

    let mut tracer = Tracer::new(Options::default()).unwrap();
    let _alarm = Alarm::set(&tracer);
    let (mut sides, mut moves) = (vec![], vec![]);
    let waker = tracer.waker();
    let mut sink = |fact: &Fact<'_>| {
        sides.extend(
            fact.describes::<Side>()
                .filter(|_| fact.kind() == Kind::Side),
        );
        if fact.kind().is_call() {
            moves.push((fact.kind(), fact.event.offset, fact.data.to_vec()));
        }
    };
    tracer.attach(program.id(), &mut sink).unwrap();
    program.write_stdin(b"during\n");
    let watcher = std::thread::spawn(move || {
        program.wait_stdout("done during");
        waker.wake();
        program
    });
    assert_eq!(tracer.run(&mut sink).unwrap(), Notice::Woken);
    let outcome = tracer.finish(Duration::ZERO, &mut sink);
    assert_eq!(outcome.exits, []);
    let mut program = watcher.join().unwrap();

    let expected = [
        (Kind::Write, 6, b"during\n".to_vec()),
        (Kind::Read, 4, b"reduring\n".to_vec()),
    ];
    let ours: Vec<_> = moves
        .into_iter()
        .filter(|(_, offset, _)| *offset > 0)
        .collect();
    // The blocked thread's call may be told too: it moved nothing.
    assert!(ours.starts_with(&expected), "{ours:?}");
    let before: Vec<_> = sides
        .iter()
        .filter(|side| side.transport.has_wire())
        .map(|side| (side.read_before, side.written_before, side.midway))
        .collect();
    assert_eq!(before, [(0, 6, false), (4, 6, false)]);

    program.write_stdin(b"after\n");
    program.wait_stdout("done after");
    program.close_stdin();
    assert_eq!(program.exit().code, Some(0));
    let out = String::from_utf8(program.stdout()).unwrap();
    assert!(out.contains("[b'free']"), "{out}");
}

#[test]
fn a_program_that_ends_is_heard_of() {
    let Some(mut program) = python("print('up'); input()", &[]) else {
        return;
    };
    program.wait_stdout("up");
    let mut tracer = Tracer::new(Options::default()).unwrap();
    let _alarm = Alarm::set(&tracer);
    tracer.attach(program.id(), &mut |_| {}).unwrap();
    program.close_stdin();
    let Notice::Exited(exit) = tracer.run(&mut |_| {}).unwrap() else {
        panic!("an end was expected")
    };
    assert_eq!((exit.pid, exit.code), (program.id(), Some(1)));
}

#[test]
fn what_may_not_be_watched_says_why() {
    let mut tracer = Tracer::new(Options::default()).unwrap();
    let error = tracer.attach(u32::MAX, &mut |_| {}).unwrap_err();
    assert!(
        matches!(error, WatchError::NoProcess(u32::MAX)),
        "{error:?}"
    );

    let Some(program) = python("print('up'); input()", &[]) else {
        return;
    };
    program.wait_stdout("up");
    tracer.attach(program.id(), &mut |_| {}).unwrap();
    let pid = program.id();
    // A process has one tracer, and another thread is another tracer.
    let second = std::thread::spawn(move || {
        let mut tracer = Tracer::new(Options::default()).unwrap();
        tracer.attach(pid, &mut |_| {}).unwrap_err()
    });
    let error = second.join().unwrap();
    let WatchError::Forbidden {
        tracer: Some(by), ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert_ne!(by, 0);
    tracer.finish(Duration::ZERO, &mut |_| {});
}
