//! The client against scripted servers, over links in memory.

use std::convert::Infallible;
use std::time::Duration;

use sockeye_testkit::{MemoryLink, ScriptedPeer};
use tokio::io::{ReadHalf, WriteHalf, split};
use tokio::sync::{mpsc, oneshot};

use super::{End, Ended, ExecError, Incoming, Order, Outgoing, START_TIMEOUT, Said, over, start};
use crate::exec::{Exec, Output, Resize, SignalName};

type Client = (
    Incoming<ReadHalf<MemoryLink>>,
    Outgoing<WriteHalf<MemoryLink>>,
);

fn client(link: MemoryLink) -> Client {
    let (read, write) = split(link);
    over(read, write)
}

/// A frame as docs/wire.md has it.
fn frame(header: &str, body: &[u8]) -> Vec<u8> {
    let header = match body.len() {
        0 => header.to_owned(),
        size => format!("{},\"size\":{size}}}", header.strip_suffix('}').unwrap()),
    };
    let length = u32::try_from(header.len()).unwrap().to_le_bytes();
    [&length, header.as_bytes(), body].concat()
}

fn started() -> Vec<u8> {
    frame(r#"{"type":"started","pid":7}"#, b"")
}

fn command() -> Exec {
    Exec {
        argv: vec!["cat".into()],
        stdin: true,
        ..Exec::default()
    }
}

const ASKED: &str = r#"{"type":"exec","argv":["cat"],"stdin":true}"#;

#[tokio::test(start_paused = true)]
async fn one_command_after_another_is_heard_to_its_end() {
    let (link, peer) = ScriptedPeer::new()
        .expects(frame(ASKED, b""))
        .sends(started())
        .sends(frame(r#"{"type":"stdout"}"#, b"out"))
        .sends(frame(r#"{"type":"stderr"}"#, b"not read"))
        .sends(frame(r#"{"type":"exit","status":3,"took_ms":5}"#, b""))
        .expects(frame(ASKED, b""))
        .sends(frame(
            r#"{"type":"error","code":"not_started","message":"no cat","errno":2}"#,
            b"",
        ))
        .expects(frame(ASKED, b""))
        .sends(started())
        .sends(frame(
            r#"{"type":"exit","signal":"KILL","took_ms":9,"timed_out":true,"left_running":true}"#,
            b"",
        ))
        .start();
    let (mut incoming, mut outgoing) = client(link);

    outgoing.start(command()).await.unwrap();
    assert_eq!(incoming.next().await.unwrap(), Said::Started { pid: 7 });
    assert_eq!(incoming.next().await.unwrap(), Said::Output(Output::Stdout));
    let mut buf = [0; 2];
    assert_eq!(incoming.read(&mut buf).await.unwrap(), 2);
    assert_eq!(incoming.read(&mut buf).await.unwrap(), 1);
    assert_eq!(incoming.read(&mut buf).await.unwrap(), 0);
    assert_eq!(incoming.next().await.unwrap(), Said::Output(Output::Stderr));
    let ended = Ended {
        end: End::Status(3),
        took: Duration::from_millis(5),
        timed_out: false,
        left_running: false,
    };
    assert_eq!(incoming.next().await.unwrap(), Said::Ended(ended));

    outgoing.start(command()).await.unwrap();
    let refused = incoming.next().await.unwrap_err();
    assert_eq!(refused.to_string(), "the server says: no cat");
    assert!(matches!(refused, ExecError::Refused(failure) if failure.errno == Some(2)));

    outgoing.start(command()).await.unwrap();
    assert_eq!(incoming.next().await.unwrap(), Said::Started { pid: 7 });
    let ended = Ended {
        end: End::Signal("KILL".into()),
        took: Duration::from_millis(9),
        timed_out: true,
        left_running: true,
    };
    assert_eq!(incoming.next().await.unwrap(), Said::Ended(ended));
    assert!(matches!(incoming.next().await, Err(ExecError::Lost)));
    drop((incoming, outgoing));
    peer.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_has_a_while_to_start_a_command() {
    let asked = || ScriptedPeer::new().expects(frame(ASKED, b""));
    let almost = START_TIMEOUT.mul_f64(0.99);
    let (link, peer) = asked().waits(almost).sends(started()).start();
    let (mut incoming, mut outgoing) = client(link);
    let pid = start(&mut incoming, &mut outgoing, command()).await;
    assert_eq!(pid.unwrap(), 7);
    peer.await.unwrap();

    let (link, _peer) = asked().waits(START_TIMEOUT * 2).start();
    let (mut incoming, mut outgoing) = client(link);
    let silent = start(&mut incoming, &mut outgoing, command()).await;
    let silent = silent.unwrap_err().to_string();
    assert_eq!(silent, "the server did not start the command within 30s");
}

/// Feeds until the conversation is over.
async fn fed(
    outgoing: &mut Outgoing<WriteHalf<MemoryLink>>,
    input: Option<&[u8]>,
    orders: &mut mpsc::Receiver<Order>,
    incoming: &mut Incoming<ReadHalf<MemoryLink>>,
) -> Result<Said, ExecError> {
    let feed = async {
        let error: Result<Infallible, _> = outgoing.feed(input, orders).await;
        panic!("the link holds: {error:?}");
    };
    tokio::select! {
        said = incoming.next() => said,
        () = feed => unreachable!(),
    }
}

#[tokio::test(start_paused = true)]
async fn input_leaves_only_as_far_as_there_is_credit() {
    let (link, peer) = ScriptedPeer::new()
        .expects(frame(ASKED, b""))
        .sends(started())
        .sends(frame(r#"{"type":"credit","bytes":3}"#, b""))
        .expects(frame(r#"{"type":"stdin"}"#, b"abc"))
        .waits(Duration::from_secs(1))
        .sends(frame(r#"{"type":"credit","bytes":1}"#, b""))
        .expects(frame(r#"{"type":"stdin"}"#, b"d"))
        .sends(frame(r#"{"type":"credit","bytes":9}"#, b""))
        .expects(frame(r#"{"type":"stdin"}"#, b"ef"))
        .expects(frame(r#"{"type":"stdin_end"}"#, b""))
        .sends(frame(r#"{"type":"exit","status":0,"took_ms":1}"#, b""))
        .start();
    let (mut incoming, mut outgoing) = client(link);
    outgoing.start(command()).await.unwrap();
    incoming.next().await.unwrap();
    let (_orders, mut none) = mpsc::channel(1);
    let said = fed(&mut outgoing, Some(b"abcdef"), &mut none, &mut incoming).await;
    assert!(matches!(said, Ok(Said::Ended(_))), "{said:?}");
    drop((incoming, outgoing));
    peer.await.unwrap();
}

/// What a command did not use of its credit is not the next one's.
#[tokio::test(start_paused = true)]
async fn credit_ends_with_its_command() {
    let (link, peer) = ScriptedPeer::new()
        .expects(frame(ASKED, b""))
        .sends(started())
        .sends(frame(r#"{"type":"credit","bytes":100}"#, b""))
        .sends(frame(r#"{"type":"exit","status":0,"took_ms":1}"#, b""))
        .expects(frame(ASKED, b""))
        .sends(started())
        .waits(Duration::from_secs(1))
        .sends(frame(r#"{"type":"credit","bytes":1}"#, b""))
        .expects(frame(r#"{"type":"stdin"}"#, b"a"))
        .sends(frame(r#"{"type":"exit","status":0,"took_ms":1}"#, b""))
        .start();
    let (mut incoming, mut outgoing) = client(link);
    outgoing.start(command()).await.unwrap();
    incoming.next().await.unwrap();
    assert!(matches!(incoming.next().await, Ok(Said::Ended(_))));
    outgoing.start(command()).await.unwrap();
    incoming.next().await.unwrap();
    let (_orders, mut none) = mpsc::channel(1);
    let said = fed(&mut outgoing, Some(b"abc"), &mut none, &mut incoming).await;
    assert!(matches!(said, Ok(Said::Ended(_))), "{said:?}");
    drop((incoming, outgoing));
    peer.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn orders_leave_while_input_waits_for_credit() {
    let (link, peer) = ScriptedPeer::new()
        .expects(frame(ASKED, b""))
        .sends(started())
        .expects(frame(r#"{"type":"signal","name":"INT"}"#, b""))
        .expects(frame(r#"{"type":"resize","rows":50,"columns":132}"#, b""))
        .sends(frame(r#"{"type":"exit","signal":"INT","took_ms":1}"#, b""))
        .start();
    let (mut incoming, mut outgoing) = client(link);
    outgoing.start(command()).await.unwrap();
    incoming.next().await.unwrap();
    let (orders, mut passed) = mpsc::channel(2);
    let (left, when_left) = oneshot::channel();
    let order = Order::Signal(SignalName::Int, Some(left));
    orders.send(order).await.unwrap();
    let size = Resize {
        rows: 50,
        columns: 132,
    };
    orders.send(Order::Resize(size)).await.unwrap();
    let said = fed(&mut outgoing, Some(b"much"), &mut passed, &mut incoming).await;
    assert!(matches!(said, Ok(Said::Ended(_))), "{said:?}");
    assert_eq!(when_left.await, Ok(()));
    drop((incoming, outgoing));
    peer.await.unwrap();
}

/// What a server says that lies or is none is an error, and never a panic or an end.
#[tokio::test(start_paused = true)]
async fn a_server_that_makes_no_sense_is_told_of() {
    let check = async |says: &[Vec<u8>], expected: &str| {
        let (link, peer) = ScriptedPeer::new().sends(says.concat()).start();
        let (mut incoming, _outgoing) = client(link);
        let error = loop {
            match incoming.next().await {
                Ok(Said::Ended(_)) => panic!("that is no end: {says:?}"),
                Ok(_) => {}
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.contains(expected), "{error} for {says:?}");
        let _ = peer.await;
    };
    let before = "before the command was started";
    for early in ["stdout", "stderr"] {
        check(&[frame(&format!("{{\"type\":\"{early}\"}}"), b"x")], before).await;
    }
    check(&[frame(r#"{"type":"credit","bytes":1}"#, b"")], before).await;
    check(
        &[frame(r#"{"type":"exit","status":0,"took_ms":0}"#, b"")],
        before,
    )
    .await;
    check(&[started(), started()], "while a command ran already").await;
    let exit = |fields: &str| frame(&format!("{{\"type\":\"exit\",{fields}}}"), b"");
    check(&[started(), exit(r#""took_ms":1"#)], "neither").await;
    check(
        &[started(), exit(r#""status":0,"signal":"INT","took_ms":1"#)],
        "both",
    )
    .await;
    check(&[started(), exit(r#""status":256,"took_ms":1"#)], "256").await;
    check(&[started(), exit(r#""status":-1,"took_ms":1"#)], "-1").await;
    check(&[started()], "the connection ended before the command did").await;
    check(&[frame(r#"{"type":"dance"}"#, b"")], "dance").await;
    check(&[frame("[]", b"")], "").await;
    check(&[b"\xff\xff\xff\x7f{".to_vec()], "the limit is").await;
    check(&[b"\x04\x00\x00\x00nope".to_vec()], "").await;
    let cut = frame(r#"{"type":"stdout"}"#, b"cut off");
    let cut = cut[..cut.len() - 3].to_vec();
    check(&[started(), cut], "3 bytes before the end").await;
    let endless = frame(r#"{"type":"credit","bytes":18446744073709551615}"#, b"");
    check(
        &[started(), endless.clone(), endless],
        "before the command did",
    )
    .await;
}
