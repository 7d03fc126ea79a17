//! Watches one program and prints a line for each fact: `facts [-q] [-p PID | COMMAND ARGUMENT…]`;
//! with `-q` it only counts them.

use std::io::Write as _;
use std::time::Duration;

use sockeye_observe::watch::{Notice, Options, Program, Tracer, WatchError};
use sockeye_trace::Fact;

fn main() -> Result<(), WatchError> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut out = std::io::stderr().lock();
    let quiet = words.first().is_some_and(|word| word == "-q");
    let words = &words[usize::from(quiet)..];
    let mut facts = 0_u64;
    let mut sink = |fact: &Fact<'_>| {
        facts += 1;
        if quiet {
            return;
        }
        let event = fact.event;
        // A closed standard error ends the printing, not the watch.
        let _ = writeln!(
            out,
            "{:>5} conn {:<3} {:<9} {:<12} result {:<6} asked {:<6} offset {:<6} flags {:#x} {} {} {:?}",
            fact.thread,
            event.conn().number(),
            format!("{:?}", fact.kind()),
            fact.call().name(),
            event.result,
            event.asked,
            event.offset,
            fact.flags,
            fact.state.name(),
            fact.text,
            String::from_utf8_lossy(&fact.data[..fact.data.len().min(40)]),
        );
    };
    let options = Options {
        infer_wire: !quiet,
        ..Options::default()
    };
    let mut tracer = Tracer::new(options)?;
    if let [flag, pid] = words
        && flag == "-p"
    {
        tracer.attach(pid.parse().unwrap_or(0), &mut sink)?;
    } else {
        tracer.start(&Program::new("", words), &mut sink)?;
    }
    while !matches!(tracer.run(&mut sink)?, Notice::Done) {}
    let outcome = tracer.finish(Duration::ZERO, &mut sink);
    println!("{facts} facts, {outcome:?}");
    Ok(())
}
