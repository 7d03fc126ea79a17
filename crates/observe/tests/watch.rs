//! The engine against real programs.

use std::time::Duration;

use sockeye_observe::watch::{Notice, Options, Program, Tracer, WatchError};

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
