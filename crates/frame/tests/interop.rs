//! Framings against programs that nobody here wrote: Python's `struct`, `pynetstring`, `sliplib`
//! and `cobs`, and the `logger` of util-linux.

mod stream;

use std::fmt::Write as _;
use std::net::TcpListener;
use std::process::Command;

use sockeye_frame::Framing;
use sockeye_testkit::{Process, python, python_module, tool};

/// Lengths around every edge that a framing here has, and content with every byte value.
fn messages(least: usize) -> Vec<Vec<u8>> {
    let lengths = [
        0, 1, 2, 9, 10, 99, 100, 127, 128, 253, 254, 255, 256, 507, 508, 509, 4096,
    ];
    let mut messages = vec![
        b"\xc0\xdb\xdc\xdd\0\0".to_vec(),
        vec![0; 300],
        vec![0xc0; 300],
    ];
    for length in lengths {
        messages.push((0..length).map(|i| (i % 256) as u8).collect());
        messages.push((0..length).map(|i| (i % 255 + 1) as u8).collect());
    }
    messages.retain(|message| message.len() >= least);
    messages
}

/// Messages travel both ways between us and a script that defines `encode` (a message to its
/// frame) and `decode` (a stream to the list of its messages).
fn check_python(spec: &str, script: &str, messages: &[Vec<u8>]) {
    let framing: Framing = spec.parse().unwrap();
    let mut ours = vec![];
    for message in messages {
        framing.encode(message, &mut ours).unwrap();
    }
    let program = format!(
        "import sys\n{script}\n\
         messages = [bytes.fromhex(line) for line in sys.stdin.readline().split('.')]\n\
         print('frames', b''.join(encode(m) for m in messages).hex())\n\
         print('messages', '.'.join(m.hex() for m in decode(bytes.fromhex(sys.stdin.readline()))))\n"
    );
    let Some(mut peer) = python(&program, &[]) else {
        return;
    };
    let lines: Vec<_> = messages.iter().map(|message| hex(message)).collect();
    peer.write_stdin(format!("{}\n{}\n", lines.join("."), hex(&ours)).as_bytes());
    let frames = peer.wait_line(|line| line.strip_prefix("frames ").map(str::to_owned));
    let decoded = peer.wait_line(|line| line.strip_prefix("messages ").map(str::to_owned));
    assert!(peer.exit().code == Some(0));

    assert_eq!(decoded, lines.join("."), "{spec}: what they read of ours");
    let theirs = unhex(&frames);
    for cut in [1, 7, 1000, theirs.len()] {
        let said = stream::read(&framing, &theirs, cut);
        assert_eq!(said.messages, messages, "{spec}: what we read of theirs");
        assert_eq!(said.errors, [""; 0], "{spec}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes what is written to it");
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}

#[test]
fn lengths_are_those_of_python_struct() {
    let formats = [
        ("u8", "B", 255),
        ("i8", "b", 127),
        ("u16be", ">H", 4096),
        ("u16le", "<H", 4096),
        ("i16be", ">h", 4096),
        ("i16le", "<h", 4096),
        ("u32be", ">I", 4096),
        ("u32le", "<I", 4096),
        ("i32be", ">i", 4096),
        ("i32le", "<i", 4096),
        ("u64be", ">Q", 4096),
        ("u64le", "<Q", 4096),
        ("i64be", ">q", 4096),
        ("i64le", "<q", 4096),
    ];
    for (spec, format, longest) in formats {
        let mut messages = messages(0);
        messages.retain(|message| message.len() <= longest);
        let script = format!(
            "import struct\n\
             size = struct.calcsize('{format}')\n\
             def encode(m): return struct.pack('{format}', len(m)) + m\n\
             def decode(s):\n    \
                 while s:\n        \
                     n, = struct.unpack('{format}', s[:size])\n        \
                     yield s[size:size + n]\n        \
                     s = s[size + n:]\n"
        );
        check_python(spec, &script, &messages);
    }
}

#[test]
fn json_headers_are_those_of_the_tutorials_script() {
    let script = "import json, struct\n\
        def encode(m):\n    \
            head, body = m[:m.index(b'}') + 1], m[m.index(b'}') + 1:]\n    \
            return struct.pack('<i', len(head)) + head + body\n\
        def decode(s):\n    \
            while s:\n        \
                n, = struct.unpack('<i', s[:4])\n        \
                size = json.loads(s[4:4 + n])['file_size']\n        \
                yield s[4:4 + n + size]\n        \
                s = s[4 + n + size:]\n";
    let with_header = |body: Vec<u8>| {
        let name = "一棵树.txt";
        let mut message = format!(
            "{{\"file_name\": \"{name}\", \"file_size\": {}}}",
            body.len()
        )
        .into_bytes();
        message.extend(body);
        message
    };
    let messages: Vec<_> = messages(0).into_iter().map(with_header).collect();
    check_python("json-header", script, &messages);
}

#[test]
fn netstrings_are_those_of_pynetstring() {
    if python_module("pynetstring") {
        let script = "import pynetstring\n\
            encode, decode = pynetstring.encode, pynetstring.decode\n";
        check_python("netstring", script, &messages(0));
    }
}

#[test]
fn slip_is_that_of_sliplib() {
    if python_module("sliplib") {
        // The driver adds an END at the front too, as RFC 1055 advises.
        let script = "import sliplib\n\
            def encode(m): return sliplib.Driver().send(m) or b''\n\
            def decode(s):\n    \
                driver = sliplib.Driver()\n    \
                driver.receive(s)\n    \
                while (m := driver.get(block=False)) is not None: yield m\n";
        check_python("slip", script, &messages(1));
    }
}

#[test]
fn cobs_is_that_of_the_cobs_package() {
    if python_module("cobs") {
        let script = "from cobs import cobs\n\
            def encode(m): return cobs.encode(m) + b'\\0'\n\
            def decode(s): return [cobs.decode(f) for f in s.split(b'\\0')[:-1]]\n";
        check_python("cobs", script, &messages(0));
    }
}

#[test]
fn octet_counts_are_those_of_logger() {
    let Some(logger) = tool("logger") else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let texts = ["first", "with 3 digits: 1 2 3", "一棵树"];
    let mut messages = vec![];
    for text in texts {
        let mut command = Command::new(&logger);
        command.args([
            "--octet-count",
            "--tcp",
            "--server",
            "127.0.0.1",
            "--port",
            &port,
        ]);
        let exit = Process::run(command.args(["--tag", "sockeye", "--rfc5424", "--", text]));
        assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
        // The program has ended, so everything lies ready in the kernel, or never will.
        let (mut stream, _) = listener.accept().unwrap();
        let mut wire = vec![];
        std::io::Read::read_to_end(&mut stream, &mut wire).unwrap();
        let said = stream::read(&"octet-count".parse().unwrap(), &wire, 1);
        assert_eq!(said.errors, [""; 0]);
        messages.extend(said.messages);
    }
    assert_eq!(messages.len(), texts.len());
    for (message, text) in messages.iter().zip(texts) {
        let message = String::from_utf8(message.clone()).unwrap();
        assert!(
            message.starts_with('<') && message.contains(" sockeye "),
            "{message}"
        );
        assert!(message.ends_with(text), "{message}");
    }
}
