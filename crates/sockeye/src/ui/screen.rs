//! The whole terminal as one picture: raw keys, the alternate screen, and both put back on every way
//! out: the end, an error, a panic, a signal, a stop.

use std::io::{self, IsTerminal, Stdout, stdout};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::event::{
    self, DisableBracketedPaste, EnableBracketedPaste, Event, KeyCode, KeyEvent, KeyEventKind,
    KeyModifiers,
};
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use ratatui::backend::CrosstermBackend;
use ratatui::{Frame, Terminal};
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::exit::usage;
use crate::signals::{Asked, Signals};

/// How long the thread that reads keys waits before it looks whether the screen is still there.
const LOOK: Duration = Duration::from_millis(100);
/// Keys that wait to be taken; more stay in the terminal.
const KEYS: usize = 64;

/// Whether the terminal is ours now. One for the process, because there is one terminal, and because
/// a panic has to find it.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// A terminal that shows one picture. Dropping it puts everything back.
#[derive(Debug)]
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    keys: Receiver<io::Result<Event>>,
    signals: Signals,
}

/// What came from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A key was pressed. Ctrl-C is one of them; Ctrl-Z is not: [`Screen::next`] sees to it.
    Key(KeyEvent),
    /// Text that came all at once, from the terminal's clipboard. It is as it was there: escape it.
    Paste(String),
    /// The terminal has another size now, or its picture is to be drawn anew for another reason.
    Redraw,
    /// A signal with this number asks for the end, or the terminal was closed (SIGHUP).
    End(i32),
}

impl Screen {
    /// Takes the terminal. Keys come from standard input, or where that is none, from /dev/tty.
    pub(crate) fn enter() -> anyhow::Result<Self> {
        if !stdout().is_terminal() {
            return Err(usage!("standard output is no terminal"));
        }
        // Before the terminal changes, so that no signal finds it changed and nobody at home.
        let signals = Signals::listen()?;
        put_back_on_panic();
        ENTERED.store(true, Ordering::SeqCst);
        let entered = take().and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        let terminal = entered.map_err(|error| {
            put_back();
            usage!("cannot take the terminal: {error}")
        })?;
        let (to, keys) = mpsc::channel(KEYS);
        std::thread::Builder::new()
            .name("keys".into())
            .spawn(move || read_keys(&to))
            .inspect_err(|_| put_back())?;
        Ok(Self {
            terminal,
            keys,
            signals,
        })
    }

    /// Draws a picture of the terminal's present size.
    pub(crate) fn draw(&mut self, picture: impl FnOnce(&mut Frame<'_>)) -> anyhow::Result<()> {
        let drawn = self.terminal.draw(picture).map(|_| ());
        drawn.map_err(|error| usage!("cannot draw: {error}"))
    }

    /// Forgets what the terminal shows, so that the next picture is drawn whole.
    pub(crate) fn clear(&mut self) -> anyhow::Result<()> {
        let cleared = self.terminal.clear();
        cleared.map_err(|error| usage!("cannot draw: {error}"))
    }

    /// What comes next. May be dropped and asked again; nothing is lost.
    pub(crate) async fn next(&mut self) -> Input {
        loop {
            let event = tokio::select! {
                event = self.keys.recv() => event,
                asked = self.signals.next() => {
                    return Input::End(match asked {
                        Asked::End(signal) => signal,
                        Asked::Reload => libc::SIGHUP,
                    });
                }
            };
            match event {
                Some(Ok(Event::Key(key))) if is_stop(key) => {
                    self.stop();
                    return Input::Redraw;
                }
                Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => {
                    return Input::Key(key);
                }
                Some(Ok(Event::Paste(text))) => return Input::Paste(text),
                Some(Ok(Event::Resize(..))) => return Input::Redraw,
                Some(Ok(_)) => {}
                // A terminal that cannot be read any more has been closed.
                Some(Err(_)) | None => return Input::End(libc::SIGHUP),
            }
        }
    }

    /// Stops this process as Ctrl-Z does elsewhere, with the terminal as it was; goes on with `fg`.
    fn stop(&mut self) {
        put_back();
        // Everything stops here, with all threads, until somebody sends SIGCONT.
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
        ENTERED.store(true, Ordering::SeqCst);
        let _ = take();
        let _ = self.terminal.clear();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        put_back();
    }
}

fn is_stop(key: KeyEvent) -> bool {
    key.code == KeyCode::Char('z') && key.modifiers.contains(KeyModifiers::CONTROL)
}

/// Reads keys until nobody takes them any more.
fn read_keys(to: &Sender<io::Result<Event>>) {
    while !to.is_closed() {
        let event = match event::poll(LOOK) {
            Ok(false) => continue,
            Ok(true) => event::read(),
            Err(error) => Err(error),
        };
        let is_over = event.is_err();
        if to.blocking_send(event).is_err() || is_over {
            return;
        }
    }
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(
        stdout(),
        EnterAlternateScreen,
        EnableBracketedPaste,
        cursor::Hide
    )
}

/// The terminal as it was. Nothing can be done when that fails: it has been closed.
fn put_back() {
    if ENTERED.swap(false, Ordering::SeqCst) {
        let _ = execute!(
            stdout(),
            DisableBracketedPaste,
            LeaveAlternateScreen,
            cursor::Show
        );
        let _ = disable_raw_mode();
    }
}

/// What a panic says must be readable, and it must leave no raw terminal behind, whichever thread it
/// ends.
fn put_back_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            put_back();
            told(panic);
        }));
    });
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::Read;
    use std::process::{Command, Stdio};

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

    use super::*;

    /// Set for the inner run of the test, which has a terminal of its own.
    const INSIDE: &str = "SOCKEYE_TEST_INSIDE_TERMINAL";

    /// Runs one of these tests again on a terminal; what it showed, and whether lines are lines again.
    fn on_a_terminal(test: &str) -> (String, bool) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, vec![]).unwrap();
        let mut options = OpenOptions::new();
        let line = options
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&line, size).unwrap();
        let side = || Stdio::from(line.try_clone().unwrap());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("ui::screen::tests::{test}")])
            .args(["--nocapture", "--include-ignored"])
            .env(INSIDE, "1")
            .env("TERM", "xterm")
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .unwrap();
        let mut shown = File::from(master);
        let reader = std::thread::spawn(move || {
            let (mut seen, mut buf) = (vec![], [0; 4096]);
            // The end of a terminal whose last program has gone is EIO.
            while let Ok(got @ 1..) = shown.read(&mut buf) {
                seen.extend_from_slice(&buf[..got]);
            }
            String::from_utf8_lossy(&seen).into_owned()
        });
        child.wait().unwrap();
        let modes = tcgetattr(&line).unwrap().local_modes;
        drop(line);
        let is_cooked = modes.contains(LocalModes::ICANON | LocalModes::ECHO);
        (reader.join().unwrap(), is_cooked)
    }

    fn is_inside() -> bool {
        std::env::var_os(INSIDE).is_some()
    }

    #[tokio::test]
    async fn a_panic_leaves_the_terminal_as_it_was() {
        if is_inside() {
            let mut screen = Screen::enter().unwrap();
            screen
                .draw(|frame| frame.render_widget("picture", frame.area()))
                .unwrap();
            panic!("something is wrong");
        }
        let (shown, is_cooked) = on_a_terminal("a_panic_leaves_the_terminal_as_it_was");
        let picture = shown.find("picture").expect("it was drawn");
        let left = shown.find("\x1b[?1049l").expect("the screen was left");
        let said = shown.find("something is wrong").expect("it was said");
        assert!(picture < left && left < said && is_cooked, "{shown:?}");
    }

    #[tokio::test]
    async fn a_signal_is_told_and_a_dropped_screen_is_put_back() {
        if is_inside() {
            let mut screen = Screen::enter().unwrap();
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::TERM).unwrap();
            let input = screen.next().await;
            drop(screen);
            println!("got {input:?}");
            return;
        }
        let (shown, is_cooked) = on_a_terminal("a_signal_is_told_and_a_dropped_screen_is_put_back");
        let left = shown.find("\x1b[?1049l").expect("the screen was left");
        let said = shown.find("got End(15)").expect("it was told");
        assert!(left < said && is_cooked, "{shown:?}");
    }

    #[tokio::test]
    async fn without_a_terminal_there_is_no_screen() {
        if stdout().is_terminal() {
            return;
        }
        let error = Screen::enter().unwrap_err();
        assert_eq!(error.to_string(), "standard output is no terminal");
    }
}
