//! What a process brings along or starts: stdio, descriptors, sockets of LISTEN_FDS, programs.

use std::env;
use std::fs;
use std::future::poll_fn;
use std::io::Write;
use std::net::{TcpListener as StdListener, TcpStream as StdStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use sockeye_net::{
    ByteLink, Endpoint, Errno, Inherited, Link, Listener, Net, NetError, connect, listen,
    listen_inherited,
};
use sockeye_testkit::{Process, tool};
use sockeye_trace::Recorder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn net() -> Net {
    Net::new(Recorder::new())
}

async fn dial(text: &str) -> Result<ByteLink, NetError> {
    let endpoint: Endpoint = text
        .parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    match connect(&net(), &endpoint).await? {
        Link::Bytes(link) => Ok(link),
        other => panic!("no byte link: {other:?}"),
    }
}

async fn read_to_end(link: &mut ByteLink) -> String {
    let mut text = String::new();
    link.read_to_string(&mut text).await.unwrap();
    text
}

/// A descriptor such as a child process finds it: open and not close-on-exec.
fn inheritable(fd: impl AsFd) -> i32 {
    rustix::io::dup(fd).unwrap().into_raw_fd()
}

/// Runs this test's program again, for one test, with a variable set that the test looks for.
fn again(test: &str, variable: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture", "--quiet"])
        .env(variable, "1");
    command
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(future)
}

#[tokio::test]
async fn a_program_is_a_stream() {
    let mut link = dial("exec:tr a-z A-Z").await.unwrap();
    assert_eq!(link.peer_name().to_string(), "exec:tr a-z A-Z");
    link.write_all(b"shout").await.unwrap();
    link.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut link).await, "SHOUT");
    assert_eq!(
        link.program_outcome().as_deref(),
        Some("exited with status 0")
    );
    assert_eq!((link.read_bytes(), link.written_bytes()), (5, 5));
    let error = link.write(b"more").await.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(32), "EPIPE");
}

#[tokio::test]
async fn a_program_that_ends_is_reaped_and_says_how_it_came_out() {
    let mut link = dial("exec:sh -c 'echo $$; exit 3'").await.unwrap();
    let pid: i32 = read_to_end(&mut link).await.trim().parse().unwrap();
    assert_eq!(
        link.program_outcome().as_deref(),
        Some("exited with status 3")
    );
    assert!(
        pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).is_err(),
        "a zombie"
    );
    let mut link = dial("exec:sh -c 'kill -9 $$'").await.unwrap();
    assert_eq!(read_to_end(&mut link).await, "");
    assert_eq!(
        link.program_outcome().as_deref(),
        Some("was ended by SIGKILL")
    );
}

#[tokio::test]
async fn a_program_that_closes_its_output_early_does_not_hold_up_the_end() {
    let mut link = dial("exec:sh -c 'echo done; exec >&-; read line'")
        .await
        .unwrap();
    assert_eq!(read_to_end(&mut link).await, "done\n");
    assert_eq!(link.program_outcome(), None, "it still reads");
}

#[tokio::test]
async fn a_program_that_nobody_listens_to_is_ended() {
    let mut link = dial("exec:sh -c 'trap \"\" HUP; echo $$; exec sleep 1000'")
        .await
        .unwrap();
    let mut line = [0; 16];
    let count = link.read(&mut line).await.unwrap();
    let pid: i32 = std::str::from_utf8(&line[..count])
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let pidfd = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap();
    drop(link);
    let ended = tokio::task::spawn_blocking(move || {
        let mut ended = [PollFd::new(&pidfd, PollFlags::IN)];
        let limit = Duration::from_secs(20).try_into().unwrap();
        poll(&mut ended, Some(&limit)).unwrap()
    });
    assert_eq!(ended.await.unwrap(), 1, "it still runs");
}

#[tokio::test]
async fn a_program_that_is_not_there_says_so() {
    let error = dial("exec:/no/such/program").await.unwrap_err();
    assert_eq!(error.to_string(), "cannot run /no/such/program");
    assert_eq!(error.errno().map(Errno::name), Some("ENOENT"));
}

#[tokio::test]
async fn a_descriptor_becomes_what_it_is() {
    let tcp = StdListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let number = inheritable(&tcp);
    drop(tcp);
    let endpoint: Endpoint = format!("fd:{number}").parse().unwrap();
    let mut listeners = listen(&net(), &endpoint).await.unwrap();
    let Listener::Stream(listener) = listeners.remove(0) else {
        panic!("a TCP listener")
    };
    assert_eq!(listener.local().socket_addr(), Some(address));
    let client = StdStream::connect(address).unwrap();
    let accepted = listener.accept().await.unwrap();
    assert_eq!(accepted.peer_name().socket_addr(), client.local_addr().ok());
    assert!(
        matches!(
            dial(&format!("fd:{number}")).await,
            Err(NetError::Unfit { .. })
        ),
        "twice"
    );

    let mut link = dial(&format!("fd:{}", inheritable(&client))).await.unwrap();
    drop((client, accepted));
    assert_eq!(link.peer_name().socket_addr(), Some(address));
    assert_eq!(read_to_end(&mut link).await, "");

    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let endpoint: Endpoint = format!("fd:{}", inheritable(&udp)).parse().unwrap();
    let listeners = listen(&net(), &endpoint).await.unwrap();
    assert!(
        matches!(listeners[..], [Listener::Datagram(_)]),
        "{listeners:?}"
    );
}

#[tokio::test]
async fn a_connected_socket_of_messages_is_a_link_of_messages() {
    for kind in [socket2::Type::SEQPACKET, socket2::Type::DGRAM] {
        let (theirs, ours) = socket2::Socket::pair(socket2::Domain::UNIX, kind, None).unwrap();
        let endpoint: Endpoint = format!("fd:{}", inheritable(&theirs)).parse().unwrap();
        let Link::Messages(mut link) = connect(&net(), &endpoint).await.unwrap() else {
            panic!("a message link")
        };
        link.send(b"a message").await.unwrap();
        assert_eq!(std::io::Read::read(&mut &ours, &mut [0; 16]).unwrap(), 9);
    }
    let listens = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::SEQPACKET, None);
    let listens = listens.unwrap();
    let name = format!("\0sockeye-test-fd-{}", std::process::id());
    listens
        .bind(&socket2::SockAddr::unix(name).unwrap())
        .unwrap();
    listens.listen(1).unwrap();
    let endpoint: Endpoint = format!("fd:{}", inheritable(&listens)).parse().unwrap();
    let listeners = listen(&net(), &endpoint).await.unwrap();
    assert!(
        matches!(listeners[..], [Listener::Seqpacket(_)]),
        "{listeners:?}"
    );
    assert!(matches!(
        connect(&net(), &endpoint).await,
        Err(NetError::Unfit { .. })
    ));
}

#[tokio::test]
async fn pipes_and_files_are_streams_too() {
    let (theirs, mut ours) = std::io::pipe().unwrap();
    let mut link = dial(&format!("fd:{}", inheritable(&theirs))).await.unwrap();
    drop(theirs);
    ours.write_all(b"through a pipe").unwrap();
    drop(ours);
    assert_eq!(read_to_end(&mut link).await, "through a pipe");

    let file = tempfile::NamedTempFile::new().unwrap();
    let mut link = dial(&format!("fd:{}", inheritable(&file))).await.unwrap();
    link.write_all(b"into a file").await.unwrap();
    link.shutdown().await.unwrap();
    assert_eq!(fs::read_to_string(file.path()).unwrap(), "into a file");
}

#[tokio::test]
async fn numbers_that_nobody_handed_over_are_refused() {
    let error = dial("fd:9999").await.unwrap_err();
    assert_eq!(error.errno().map(Errno::name), Some("EBADF"));
    assert!(error.hint().is_some());
    let ours = StdListener::bind("127.0.0.1:0").unwrap();
    let error = dial(&format!("fd:{}", ours.as_raw_fd())).await.unwrap_err();
    assert!(matches!(error, NetError::Unfit { .. }), "{error:?}");
}

#[tokio::test]
async fn handed_sockets_are_taken_instead_of_binding() {
    let handed = StdListener::bind("127.0.0.1:0").unwrap();
    let address = handed.local_addr().unwrap();
    let other = StdListener::bind("127.0.0.2:0").unwrap();
    let third = StdListener::bind("127.0.0.1:0").unwrap();
    let number = third.as_raw_fd();
    let sockets = [handed, other, third].map(OwnedFd::from);
    let inherited = Arc::new(Inherited::of(sockets));
    let net = Net {
        inherited: Arc::clone(&inherited),
        ..net()
    };
    // It would be EADDRINUSE if it were bound.
    let endpoint: Endpoint = format!("tcp://{address}").parse().unwrap();
    let listeners = listen(&net, &endpoint).await.unwrap();
    assert_eq!(listeners.len(), 1);
    // By its number, as sd_listen_fds(3) counts them.
    let endpoint: Endpoint = format!("fd:{number}").parse().unwrap();
    assert!(matches!(
        listen(&net, &endpoint).await.unwrap()[..],
        [Listener::Stream(_)]
    ));
    assert_eq!(inherited.len(), 1);
    let rest = listen_inherited(&net).unwrap();
    assert!(matches!(rest[..], [Listener::Stream(_)]), "{rest:?}");
    assert!(inherited.is_empty());
}

const ACTIVATED: &str = "SOCKEYE_TEST_ACTIVATED";

/// The protocol of sd_listen_fds(3), with a real environment and real descriptors.
#[test]
fn sockets_of_the_environment_are_taken_over() {
    if env::var_os(ACTIVATED).is_some() {
        return block_on(async {
            let net = net().with_environment();
            let listeners = listen_inherited(&net).unwrap();
            let [Listener::Stream(listener)] = &listeners[..] else {
                panic!("{listeners:?}")
            };
            println!("serves {}", listener.local());
            let mut link = listener.accept().await.unwrap();
            link.write_all(b"activated").await.unwrap();
        });
    }
    let socket = StdListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let Some(python) = tool("python3") else {
        return;
    };
    // Puts the socket where the protocol wants it and says for which process it is.
    let script = "import os, sys; os.dup2(int(sys.argv[1]), 3); \
                  os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); \
                  os.execv(sys.argv[2], sys.argv[2:])";
    let mut command = Command::new(python);
    command.args(["-c", script, &inheritable(&socket).to_string()]);
    let inner = again("sockets_of_the_environment_are_taken_over", ACTIVATED);
    command
        .arg(inner.get_program())
        .args(inner.get_args())
        .env(ACTIVATED, "1");
    let mut inner = Process::start(&mut command);
    drop(socket);
    inner.wait_stdout(&format!("serves tcp://{address}"));
    let mut client = StdStream::connect(address).unwrap();
    let mut heard = String::new();
    std::io::Read::read_to_string(&mut client, &mut heard).unwrap();
    assert_eq!(heard, "activated");
    assert_eq!(inner.exit().code, Some(0));
}

const STDIO: &str = "SOCKEYE_TEST_STDIO";

/// What is open as standard input and output stays blocking, for it is shared.
#[test]
fn stdio_is_a_stream_and_stays_as_it_is() {
    if env::var_os(STDIO).is_some() {
        return block_on(async {
            let mut link = dial("stdio:").await.unwrap();
            let heard = read_to_end(&mut link).await;
            link.write_all(heard.to_uppercase().as_bytes())
                .await
                .unwrap();
            link.shutdown().await.unwrap();
            for fd in [std::io::stdin().as_fd(), std::io::stdout().as_fd()] {
                let flags = rustix::fs::fcntl_getfl(fd).unwrap();
                assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK), "{flags:?}");
            }
        });
    }
    let mut inner = Process::start(&mut again("stdio_is_a_stream_and_stays_as_it_is", STDIO));
    inner.write_stdin(b"shout");
    inner.close_stdin();
    let exit = inner.exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stdout_text());
    assert!(
        exit.stdout_text().contains("SHOUT"),
        "{}",
        exit.stdout_text()
    );
}

const ABANDONED: &str = "SOCKEYE_TEST_ABANDONED";

/// A read of standard input that nobody answers does not keep the process alive.
#[test]
fn a_wait_for_stdin_is_abandoned_at_the_end() {
    if env::var_os(ABANDONED).is_some() {
        return block_on(async {
            let mut link = dial("-").await.unwrap();
            let asked = poll_fn(|cx| {
                let polled = link.poll_read(cx, &mut [0; 8]);
                std::task::Poll::Ready(polled.is_pending())
            });
            assert!(asked.await);
            std::mem::forget(link);
        });
    }
    let mut inner = Process::start(&mut again(
        "a_wait_for_stdin_is_abandoned_at_the_end",
        ABANDONED,
    ));
    assert_eq!(inner.exit().code, Some(0));
}
