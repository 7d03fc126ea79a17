//! Who owns the file of a Unix socket.

use std::env;
use std::fs;
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::thread;

use sockeye_net::{Endpoint, Listener, Net, NetError, listen};
use sockeye_testkit::{Process, Signal};
use sockeye_trace::Recorder;

fn endpoint(path: &Path) -> Endpoint {
    format!("unix:{}", path.display()).parse().unwrap()
}

async fn open(path: &Path) -> Result<Listener, NetError> {
    let net = Net::new(Recorder::new());
    listen(&net, &endpoint(path))
        .await
        .map(|mut listeners| listeners.remove(0))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(future)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_file_that_nobody_answers_behind_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    drop(StdListener::bind(&path).unwrap());
    assert_eq!(names(dir.path()), ["s"]);
    let listener = open(&path).await.unwrap();
    assert_eq!(names(dir.path()), ["s", "s.lock"]);
    drop(listener);
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_file_that_somebody_answers_behind_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let theirs = StdListener::bind(&path).unwrap();
    let error = open(&path).await.unwrap_err();
    assert!(matches!(error, NetError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains("EADDRINUSE"), "{error}");
    assert_eq!(names(dir.path()), ["s"], "the lock is given back");
    drop(theirs);
}

#[tokio::test]
async fn two_of_ours_do_not_share_a_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let first = open(&path).await.unwrap();
    let error = open(&path).await.unwrap_err();
    assert!(matches!(error, NetError::InUse { .. }), "{error:?}");
    drop(first);
    open(&path).await.unwrap();
}

#[tokio::test]
async fn what_is_no_socket_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    fs::write(&path, "a letter").unwrap();
    let error = open(&path).await.unwrap_err();
    assert!(matches!(error, NetError::Unfit { .. }), "{error:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "a letter");
    let missing = open(&dir.path().join("no/such/dir")).await.unwrap_err();
    assert!(
        missing
            .errno()
            .is_some_and(|errno| errno.name() == "ENOENT"),
        "{missing:?}"
    );
}

#[tokio::test]
async fn only_our_own_file_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let ours = open(&path).await.unwrap();
    fs::remove_file(&path).unwrap();
    let _theirs = StdListener::bind(&path).unwrap();
    drop(ours);
    assert_eq!(names(dir.path()), ["s"]);
}

/// Nobody wins twice, and the winner's file is the one that stays.
#[test]
fn of_many_that_want_a_stale_name_one_gets_it() {
    const STARTERS: usize = 8;
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(StdListener::bind(&path).unwrap());
        let (start, end) = (Barrier::new(STARTERS), Barrier::new(STARTERS));
        let winners: usize = thread::scope(|scope| {
            let starters: Vec<_> = (0..STARTERS)
                .map(|_| {
                    scope.spawn(|| {
                        block_on(async {
                            start.wait();
                            let won = open(&path).await;
                            // Nobody lets go before everybody has tried.
                            end.wait();
                            if won.is_ok() {
                                std::os::unix::net::UnixStream::connect(&path).unwrap();
                            }
                            usize::from(won.is_ok())
                        })
                    })
                })
                .collect();
            starters
                .into_iter()
                .map(|starter| starter.join().unwrap())
                .sum()
        });
        assert_eq!(winners, 1);
        assert_eq!(names(dir.path()), Vec::<String>::new());
    }
}

/// Set for the inner run of the test below, to the path that it listens on.
const INSIDE: &str = "SOCKEYE_TEST_LISTENS_ON";

#[test]
fn a_killed_owner_leaves_a_name_that_the_next_one_takes() {
    if let Some(path) = env::var_os(INSIDE) {
        let _listener = block_on(open(Path::new(&path))).unwrap();
        println!("listening");
        loop {
            thread::park();
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let mut owner = Process::start(
        Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "a_killed_owner_leaves_a_name_that_the_next_one_takes",
                "--nocapture",
            ])
            .env(INSIDE, &path),
    );
    owner.wait_stdout("listening");
    assert!(matches!(block_on(open(&path)), Err(NetError::InUse { .. })));
    owner.signal(Signal::KILL);
    owner.exit();
    assert_eq!(names(dir.path()), ["s", "s.lock"]);
    block_on(async { drop(open(&path).await.unwrap()) });
    assert_eq!(names(dir.path()), Vec::<String>::new());
}
