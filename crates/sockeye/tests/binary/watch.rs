//! `watch` on a terminal.

use rustix::termios::{Winsize, tcsetwinsize};
use sockeye_testkit::tool;

use crate::harness::sockeye;
use crate::terminal::Terminal;

/// Two connections of one program, one after the other.
const TALK: &str = "\
import socket
listener = socket.create_server(('127.0.0.1', 0))
for word in (b'first', b'second'):
    s = socket.create_connection(listener.getsockname())
    c, _ = listener.accept()
    s.send(word)
    c.recv(10)
    s.close()
    c.close()
print('spoken')
";

fn watch(script: &str) -> Option<Terminal> {
    let python = tool("python3")?;
    let python = python.to_str().unwrap();
    let args = ["watch", "--", python, "-u", "-c", script];
    let terminal = Terminal::start(&mut sockeye(&args));
    // Room for all panes; the picture follows the size of its terminal.
    let size = Winsize {
        ws_row: 50,
        ws_col: 110,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&terminal.line, size).unwrap();
    Some(terminal)
}

/// The screen shows the lanes while the program runs, another connection when asked, and goes when the
/// end was asked for; what was found stays on the terminal.
#[test]
fn a_running_program_fills_the_screen_until_its_end_is_asked_for() {
    let Some(mut terminal) = watch(&format!("{TALK}import signal\nsignal.pause()")) else {
        return;
    };
    terminal.wait_for("\x1b[?1049h");
    terminal.wait_for("live");
    terminal.wait_for("second");
    terminal.type_in("p");
    terminal.wait_for("first");
    terminal.type_in(" ");
    terminal.wait_for("paused");
    terminal.type_in(" ");
    terminal.wait_for("live");
    terminal.type_in("q");
    terminal.wait_for("\x1b[?1049l");
    terminal.wait_for("1 write (6 bytes)");
    assert_eq!(terminal.end(), Some(0));
}

/// When all is over the picture stays until the person leaves.
#[test]
fn what_is_over_stays_on_the_screen() {
    let Some(mut terminal) = watch(TALK) else {
        return;
    };
    terminal.wait_for("ended");
    terminal.type_in("x");
    // `second`, as hexadecimal numbers.
    terminal.wait_for("73 65 63");
    terminal.type_in("\x03");
    terminal.wait_for("\x1b[?1049l");
    assert_eq!(terminal.end(), Some(0));
}
