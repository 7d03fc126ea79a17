//! `sockeye list` beside ss(8): 20,000 TCP sockets, held by two processes because a process may have
//! no more than 20,000 descriptors on many machines.

use std::io::{self, BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use remote::beside::Row;
use remote::plan::Plan;

use crate::network;
use crate::run::timed;

const HOLDERS: usize = 2;
/// Connections of each holder; each is two sockets.
const CONNECTIONS: usize = 5_000;
const SOCKETS: usize = HOLDERS * CONNECTIONS * 2;

pub(crate) fn measure(plan: &Plan) -> io::Result<()> {
    network::enter()?;
    let mut holders = (0..HOLDERS)
        .map(|_| start_holder())
        .collect::<io::Result<Vec<_>>>()?;
    let rows = rows(plan);
    for holder in &mut holders {
        holder.kill()?;
        holder.wait()?;
    }
    rows
}

fn rows(plan: &Plan) -> io::Result<()> {
    let list = |flags: &[&str]| {
        let mut command = Command::new(&plan.sockeye);
        timed(command.args(["list", "--tcp"]).args(flags), SOCKETS)
    };
    let ss = |flags: &str| timed(Command::new("ss").arg(flags), SOCKETS);
    let row = Row {
        job: "`list --tcp --no-program` of 20,000 TCP sockets",
        beside: "`ss -tan`",
        target: "time ≤ 0.5",
    };
    row.measure(plan.rounds, 1, || list(&["--no-program"]), || ss("-tan"))?;
    let row = Row {
        job: "`list --tcp` of the same, with programs",
        beside: "`ss -tanp`",
        target: "time ≤ 0.4",
    };
    row.measure(plan.rounds, 1, || list(&[]), || ss("-tanp"))
}

fn start_holder() -> io::Result<Child> {
    let mut holder = Command::new(std::env::current_exe()?)
        .arg("hold-sockets")
        .arg(CONNECTIONS.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = String::new();
    let stdout = holder.stdout.take().expect("it is a pipe");
    BufReader::new(stdout).read_line(&mut said)?;
    if said == "held\n" {
        return Ok(holder);
    }
    Err(io::Error::other("the sockets cannot be held"))
}

/// Holds both ends of so many connections until standard input ends.
pub(crate) fn hold(words: &[String]) -> io::Result<()> {
    let count = words.first().and_then(|word| word.parse().ok());
    let count: usize = count.ok_or(io::ErrorKind::InvalidInput)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let at = listener.local_addr()?;
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        held.push((TcpStream::connect(at)?, listener.accept()?));
    }
    println!("held");
    io::stdin().read_to_end(&mut vec![])?;
    Ok(())
}
