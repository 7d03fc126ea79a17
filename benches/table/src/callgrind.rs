//! Instructions a message, counted by callgrind: what two builds of `rings` differ by, to the
//! instruction, on a machine that is too busy to time anything.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Connections, each of which has one message out.
const CONNECTIONS: usize = 32;
/// Rounds of one message each that warm up, and that are counted.
const ROUNDS: [usize; 2] = [100, 1100];
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

/// Starting, connecting and ending cost the same in both runs and cancel out.
fn a_message(program: &Path) -> io::Result<f64> {
    let [few, many] = ROUNDS.map(|rounds| instructions(program, rounds));
    let messages = (ROUNDS[1] - ROUNDS[0]) * CONNECTIONS;
    Ok((many? - few?) as f64 / messages as f64)
}

/// All instructions of a server that has answered so many rounds of messages.
fn instructions(program: &Path, rounds: usize) -> io::Result<i64> {
    let out = std::env::temp_dir().join(format!("callgrind-{}.out", std::process::id()));
    let mut server = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .stdout(Stdio::piped())
        .spawn()?;
    let talked = talk(&mut server, rounds);
    end(&mut server)?;
    talked?;
    let text = fs::read_to_string(&out)?;
    fs::remove_file(&out)?;
    let total = text.lines().find_map(|line| {
        line.strip_prefix("summary:")
            .or_else(|| line.strip_prefix("totals:"))
    });
    let total = total.and_then(|total| total.split_ascii_whitespace().next()?.parse().ok());
    total.ok_or_else(|| io::Error::other("callgrind wrote no total"))
}

/// Ends the server in a way that lets callgrind write what it counted.
fn end(server: &mut Child) -> io::Result<()> {
    Command::new("kill")
        .arg("-TERM")
        .arg(server.id().to_string())
        .status()?;
    server.wait().map(drop)
}

fn talk(server: &mut Child, rounds: usize) -> io::Result<()> {
    let stdout = server
        .stdout
        .take()
        .ok_or_else(|| io::Error::other("stdout is a pipe"))?;
    let mut endpoint = String::new();
    BufReader::new(stdout).read_line(&mut endpoint)?;
    let address = endpoint.trim().trim_start_matches("tcp://").to_owned();
    let connect = |_| {
        let stream = TcpStream::connect(&address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    };
    let mut streams: Vec<TcpStream> = (0..CONNECTIONS).map(connect).collect::<io::Result<_>>()?;
    let (message, mut answer) = ([b'x'; SIZE], [0; SIZE]);
    for _ in 0..rounds {
        for stream in &mut streams {
            stream.write_all(&message)?;
        }
        for stream in &mut streams {
            stream.read_exact(&mut answer)?;
        }
    }
    Ok(())
}
