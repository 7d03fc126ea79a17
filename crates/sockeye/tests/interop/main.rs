//! The binary against peers that know nothing of it: Python's plain `socket` module, ncat, socat.
//!
//! Tests carry the number of the behaviour that they check, `m1` to `m28`, as docs/tutorial.md
//! lists them; where both ways exist, `…_with_their_client` has our server, `…_with_their_server`
//! our client.

mod backlog;
mod bench_chat;
mod clients;
mod connect;
mod encodings;
mod endings;
mod exec;
mod exec_server;
mod families;
mod files;
mod files_server;
mod framings;
mod meetings;
mod netcats;
mod partial;
mod quic;
mod replies;
mod sockets;
mod sticky;
mod tls;
mod udp;
mod watch;
mod websocket;

/// Starting our own side.
mod ours {
    use std::fs;
    use std::ops::Deref;
    use std::process::Command;

    use serde_json::Value;
    use sockeye_testkit::{Exit, Process, Signal};

    /// The binary, with nothing of the caller's settings.
    pub(crate) fn sockeye(args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sockeye"));
        command
            .args(args)
            .env("LC_ALL", "C.UTF-8")
            .env("NO_COLOR", "1");
        for name in [
            "SOCKEYE_CONFIG",
            "LISTEN_FDS",
            "LISTEN_PID",
            "NOTIFY_SOCKET",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// A running `sockeye serve … --json` that listens.
    pub(crate) struct Server(Process);

    #[track_caller]
    pub(crate) fn serve(args: &[&str]) -> Server {
        Server::started(sockeye(&["serve", "--json"]).args(args))
    }

    impl Server {
        /// A server that was started by a command of the caller's own.
        #[track_caller]
        pub(crate) fn started(command: &mut Command) -> Self {
            let process = Process::start(command);
            process.event("ready");
            Self(process)
        }

        /// The real endpoint of the first socket.
        pub(crate) fn endpoint(&self) -> String {
            self.endpoints().swap_remove(0)
        }

        /// The real endpoints, in the order in which they listen.
        pub(crate) fn endpoints(&self) -> Vec<String> {
            let text = |event: &Value| Some(event["endpoint"].as_str()?.to_owned());
            self.events("listening").iter().filter_map(text).collect()
        }

        /// The port of the first endpoint.
        #[track_caller]
        pub(crate) fn port(&self) -> String {
            let endpoint = self.endpoint();
            let place = endpoint.split('?').next().unwrap_or_default();
            let port = place
                .rsplit(':')
                .next()
                .and_then(|port| port.split('/').next())
                .expect("an endpoint with a port has a colon");
            port.parse::<u16>()
                .expect("what follows the last colon is the port")
                .to_string()
        }

        /// Waits until `count` connections are over and returns the events that say so.
        #[track_caller]
        pub(crate) fn closed(&self, count: usize) -> Vec<Value> {
            self.wait_events("closed", count)
        }

        /// Ctrl-C: it must end in order.
        #[track_caller]
        pub(crate) fn stop(mut self) -> Exit {
            self.0.signal(Signal::INT);
            let exit = self.0.exit();
            assert_eq!(
                exit.code,
                Some(0),
                "{}{}",
                exit.stdout_text(),
                exit.stderr_text()
            );
            exit
        }

        /// It was told to end: it must do so in order.
        #[track_caller]
        pub(crate) fn ends(mut self) {
            let exit = self.0.exit();
            assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
        }

        /// `kill -9`: it has no time for anything.
        #[track_caller]
        pub(crate) fn kill(mut self) {
            self.0.signal(Signal::KILL);
            self.0.exit();
        }

        /// How many descriptors it has open.
        pub(crate) fn descriptors(&self) -> usize {
            fs::read_dir(format!("/proc/{}/fd", self.id())).map_or(0, Iterator::count)
        }
    }

    impl Deref for Server {
        type Target = Process;

        fn deref(&self) -> &Process {
            &self.0
        }
    }

    /// `sockeye dial …` with `input` as its standard input, until it ends.
    #[track_caller]
    pub(crate) fn dial(args: &[&str], input: &[u8]) -> Exit {
        let mut process = start_dial(args);
        process.write_stdin(input);
        process.exit()
    }

    /// `sockeye dial …`, started.
    #[track_caller]
    pub(crate) fn start_dial(args: &[&str]) -> Process {
        Process::start(sockeye(&["dial"]).args(args))
    }

    /// That `exit` is a success and printed exactly `text`.
    #[track_caller]
    pub(crate) fn assert_prints(exit: &Exit, text: &str) {
        assert_eq!(
            (exit.code, &*exit.stdout_text()),
            (Some(0), text),
            "{}",
            exit.stderr_text()
        );
    }
}

/// Starting the other side.
mod theirs {
    use sockeye_testkit::{Process, python};

    /// What every server of a tutorial begins with.
    const ACCEPTS_ONE: &str = "\
import select, socket
listener = socket.socket()
listener.bind(('127.0.0.1', 0))
listener.listen(1)
print('port', listener.getsockname()[1])
connection, _ = listener.accept()
";

    /// A Python server for one client, which does `script` with its `connection`.
    #[track_caller]
    pub(crate) fn one_client_server(script: &str) -> Option<Process> {
        python(&[ACCEPTS_ONE, script].concat(), &[])
    }
}
