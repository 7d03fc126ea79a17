//! Instructions a message, counted by callgrind: what two builds of sockeye differ by, to the
//! instruction, on a machine that is too busy to time anything.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Messages that are counted; each run is preceded by one without them.
const MESSAGES: u32 = 20_000;
const SIZE: usize = 64;
/// Everything is some fifty times slower there.
const PATIENCE: Duration = Duration::from_mins(1);

/// Prints what both programs need for one message of an echo.
pub(crate) fn compare(first: &Path, second: &Path) -> io::Result<()> {
    let (first, second) = (a_message(first)?, a_message(second)?);
    println!(
        "instructions a message: {first:.1} against {second:.1}: {:+.2} %",
        { 100.0 * (first - second) / second }
    );
    Ok(())
}

/// Starting and ending cost the same in both runs and cancel out.
fn a_message(program: &Path) -> io::Result<f64> {
    let (few, many) = (
        instructions(program, 1000)?,
        instructions(program, 1000 + MESSAGES)?,
    );
    Ok((many - few) as f64 / f64::from(MESSAGES))
}

/// All instructions of a server that answers so many messages on one connection.
fn instructions(program: &Path, messages: u32) -> io::Result<i64> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let out = std::env::temp_dir().join(format!("callgrind-{}.out", std::process::id()));
    let mut server = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["serve", "echo", "--once", "-q"])
        .arg(address.to_string())
        .spawn()?;
    let talked = talk(address, messages);
    if talked.is_err() {
        let _ = server.kill();
    }
    server.wait()?;
    talked?;
    let text = fs::read_to_string(&out)?;
    let _ = fs::remove_file(&out);
    let total = text.lines().find_map(|line| {
        line.strip_prefix("summary:")
            .or_else(|| line.strip_prefix("totals:"))
    });
    let total = total.and_then(|total| total.split_ascii_whitespace().next()?.parse().ok());
    total.ok_or_else(|| io::Error::other("callgrind wrote no total"))
}

fn talk(address: SocketAddr, messages: u32) -> io::Result<()> {
    let end = Instant::now() + PATIENCE;
    let mut stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(error) if Instant::now() > end => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (message, mut answer) = ([b'x'; SIZE], [0; SIZE]);
    for _ in 0..messages {
        stream.write_all(&message)?;
        stream.read_exact(&mut answer)?;
    }
    Ok(())
}
