//! Uploads as the tutorials make them, to receivers of theirs.

use std::fs;

use sockeye_testkit::{Process, python};

use super::{assert_says, noise, theirs};
use crate::ours::sockeye;

/// The receiver of the tutorial: struct, json, hashlib; it answers nothing and closes.
const RECEIVER: &str = "\
import hashlib, json, socket, struct
listener = socket.socket()
listener.bind(('127.0.0.1', 0))
listener.listen(1)
print('port', listener.getsockname()[1])
while True:
    connection, _ = listener.accept()
    length = struct.unpack('<i', connection.recv(4))[0]
    header = json.loads(connection.recv(length, socket.MSG_WAITALL))
    got, md5 = 0, hashlib.md5()
    while got < header['file_size']:
        data = connection.recv(min(8192, header['file_size'] - got))
        if not data:
            break
        got += len(data)
        md5.update(data)
    print(header['file_name'], got, md5.hexdigest() == header['md5'])
    connection.close()
";

#[test]
fn m18_plain_uploads_to_a_receiver_that_answers_nothing() {
    let Some(receiver) = python(RECEIVER, &[]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("照片.jpg"), noise(1_000_000)).unwrap();
    fs::write(folder.path().join("none"), "").unwrap();
    let endpoint = format!("127.0.0.1:{}", receiver.port());
    let words = ["put", "--plain", "照片.jpg", "none", &endpoint];
    let exit = Process::run(sockeye(&words).current_dir(folder.path()));
    assert_says(
        &exit,
        0,
        &["none: sent, not confirmed", "照片.jpg: sent, not confirmed"],
    );
    receiver.wait_stdout("照片.jpg 1000000 True\n");
    receiver.wait_stdout("none 0 True\n");
}

#[test]
fn m18_plain_uploads_to_a_server_that_answers_are_confirmed() {
    let Some(theirs) = theirs("") else { return };
    fs::write(theirs.here("f"), noise(300_000)).unwrap();
    let words = ["put", "--plain", "f", "--name", "g", &theirs.endpoint];
    let exit = Process::run(sockeye(&words).current_dir(theirs.here("")));
    assert_says(&exit, 0, &[]);
    theirs.process.wait_stdout("plain g 300000 good 300000\n");
}

#[test]
fn m18_an_answer_in_words_is_shown() {
    let script = RECEIVER.replace(
        "    connection.close()",
        "    connection.sendall(b'thanks\\x1b[2J')\n    connection.close()",
    );
    let Some(receiver) = python(&script, &[]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("f"), "x").unwrap();
    let endpoint = format!("127.0.0.1:{}", receiver.port());
    let words = ["put", "--plain", "f", &endpoint];
    let exit = Process::run(sockeye(&words).current_dir(folder.path()));
    assert_says(&exit, 0, &["f: sent; the peer answered thanks\\x1b[2J"]);
}

#[test]
fn m18_what_plain_cannot_say_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |words: &[&str], why: &str| {
        let words = [&["put", "--plain"], words, &["127.0.0.1:9"]].concat();
        let exit = Process::run(sockeye(&words).current_dir(folder.path()));
        assert_says(&exit, 2, &[&format!("sockeye: {why}")]);
    };
    refused(
        &["-", "--name", "x"],
        "--plain says the length first: standard input has none",
    );
    refused(&["."], ".: --plain sends regular files only");
    refused(&["missing"], "missing: --plain sends regular files only");
}
