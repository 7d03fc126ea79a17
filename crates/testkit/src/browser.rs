//! Chromium without a window, for pages that we write.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use crate::{DEADLINE, tool};

/// A browser with one page. Killed, by its id, when dropped.
///
/// It is spoken to over its own pipe (the DevTools protocol, a message ends with a NUL), so that no
/// port is opened.
pub struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    next: u64,
    session: Option<String>,
    seen: Vec<Value>,
    // Removed after the browser has gone.
    _profile: Profile,
}

/// The folder where it keeps what it likes.
struct Profile(std::path::PathBuf);

impl Drop for Profile {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Browser {
    /// Starts it; `None` without chromium, as [`tool`].
    ///
    /// # Panics
    /// When it does not answer.
    #[track_caller]
    pub fn start() -> Option<Self> {
        let chromium = tool("chromium")?;
        let profile = std::env::temp_dir().join(format!(
            "sockeye-browser-{}-{:?}",
            std::process::id(),
            thread::current().id()
        ));
        // The pipe of the protocol is descriptors 3 and 4: the shell puts our pipes there.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null", "sh"])
            .arg(chromium)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--remote-debugging-pipe",
            ])
            .args([
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--window-size=1400,900",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh starts");
        let input = child.stdin.take().expect("it was piped");
        let output = child.stdout.take().expect("it was piped");
        let mut browser = Self {
            child,
            input,
            messages: read_messages(output),
            next: 0,
            session: None,
            seen: Vec::new(),
            _profile: Profile(profile),
        };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attached = browser.call(
            "Target.attachToTarget",
            &json!({"targetId": target["targetId"], "flatten": true}),
        );
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        Some(browser)
    }

    /// Opens a file and waits until all of it was read and its scripts ran.
    #[track_caller]
    pub fn open(&mut self, file: &Path) {
        self.seen.clear();
        let url = format!("file://{}", file.display());
        self.call("Page.navigate", &json!({ "url": url }));
        self.wait("Page.loadEventFired");
    }

    /// The value of an expression in the page; promises are waited for.
    ///
    /// # Panics
    /// When it throws.
    #[track_caller]
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let answer = self.call(
            "Runtime.evaluate",
            &json!({"expression": expression, "returnByValue": true, "awaitPromise": true}),
        );
        let thrown = &answer["exceptionDetails"];
        assert!(thrown.is_null(), "{expression}\nthrew {thrown:#}");
        answer["result"]["value"].clone()
    }

    /// Moves the pointer, presses or releases a button, or turns the wheel there; `more` are fields of
    /// the protocol's `Input.dispatchMouseEvent`.
    #[track_caller]
    pub fn mouse(&mut self, kind: &str, (x, y): (f64, f64), more: &Value) {
        let mut event = json!({"type": kind, "x": x, "y": y});
        for (name, value) in more.as_object().into_iter().flatten() {
            event[name] = value.clone();
        }
        self.call("Input.dispatchMouseEvent", &event);
    }

    /// Presses and releases a key, by its name (`ArrowRight`, `Escape`, `+`).
    #[track_caller]
    pub fn key(&mut self, key: &str) {
        self.call(
            "Input.dispatchKeyEvent",
            &json!({"type": "keyDown", "key": key}),
        );
        self.call(
            "Input.dispatchKeyEvent",
            &json!({"type": "keyUp", "key": key}),
        );
    }

    /// A picture of the page, as PNG in base64.
    #[track_caller]
    pub fn screenshot(&mut self) -> String {
        let answer = self.call("Page.captureScreenshot", &json!({}));
        answer["data"].as_str().unwrap_or_default().to_owned()
    }

    /// Any other call of the protocol.
    #[track_caller]
    pub fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.input
            .write_all(&bytes)
            .expect("the browser takes messages");
        let answer = self.until(method, |message| message["id"] == id);
        let error = &answer["error"];
        assert!(error.is_null(), "{method}: {error}");
        answer["result"].clone()
    }

    /// What the page asked for, as URLs; and what went wrong, in the browser's words.
    pub fn complaints(&self) -> (Vec<String>, Vec<String>) {
        let (mut asked, mut wrong) = (Vec::new(), Vec::new());
        for message in &self.seen {
            let parameters = &message["params"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            match message["method"].as_str() {
                Some("Network.requestWillBeSent") => {
                    asked.push(text(&parameters["request"]["url"]));
                }
                Some("Runtime.exceptionThrown") => wrong.push(parameters.to_string()),
                Some("Log.entryAdded") => wrong.push(parameters["entry"].to_string()),
                Some("Runtime.consoleAPICalled") => wrong.push(parameters["args"].to_string()),
                _ => {}
            }
        }
        (asked, wrong)
    }

    #[track_caller]
    fn wait(&mut self, event: &str) {
        if !self.seen.iter().any(|message| message["method"] == event) {
            self.until(event, |message| message["method"] == event);
        }
    }

    /// The first message that is `wanted`; all others are kept.
    #[track_caller]
    fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(left) {
                Ok(message) => {
                    let found = wanted(&message);
                    if message.get("id").is_none() {
                        self.seen.push(message.clone());
                    }
                    if found {
                        return message;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no answer to {what} in {DEADLINE:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("the browser ended during {what}"),
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // With the processes that it started: they are a group of their own.
        if let Some(group) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// Messages as they come, read by a thread that ends with the browser.
fn read_messages(output: ChildStdout) -> Receiver<Value> {
    let (send, receive) = channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut bytes = Vec::new();
        while output
            .read_until(0, &mut bytes)
            .is_ok_and(|length| length > 0)
        {
            bytes.pop();
            let message = serde_json::from_slice(&bytes).unwrap_or_default();
            bytes.clear();
            if send.send(message).is_err() {
                break;
            }
        }
    });
    receive
}
