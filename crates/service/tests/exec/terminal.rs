//! Commands with a terminal.

use serde_json::json;
use sockeye_service::exec::server::Policy;

use crate::client::{Client, place};

#[tokio::test]
async fn a_terminal_has_a_size_a_name_and_one_output() {
    let (_dir, place) = place(Policy::default()).await;
    let mut client = Client::of(&place).await;
    let tty = json!({"term": "xterm-256color", "rows": 31, "columns": 101});
    let script = "test -t 0 && test -t 2 && stty size && echo $TERM && echo err >&2";
    let argv = json!(["sh", "-c", script]);
    let ran = client
        .run(json!({"type": "exec", "argv": argv, "tty": tty}))
        .await;
    assert_eq!(
        ran.stdout(),
        "31 101\r\nxterm-256color\r\nerr\r\n",
        "{}",
        ran.end
    );
    assert_eq!(ran.end["status"], 0);
    assert!(ran.end.get("left_running").is_none());
    drop(client);
    place.drain().await;
}

#[tokio::test]
async fn what_is_typed_arrives_and_a_new_size_is_told() {
    let (_dir, place) = place(Policy::default()).await;
    let mut client = Client::of(&place).await;
    let script = "stty -echo; trap 'stty size' WINCH; echo ready; read line; echo got $line; read line; cat; echo over";
    let tty = json!({"term": "dumb", "rows": 24, "columns": 80});
    let argv = json!(["bash", "-c", script]);
    client
        .send(
            json!({"type": "exec", "argv": argv, "tty": tty, "stdin": true}),
            b"",
        )
        .await;
    client.until_printed("ready").await;
    client.send(json!({"type": "stdin"}), b"hello\n").await;
    client.until_printed("got hello").await;
    client
        .send(json!({"type": "resize", "rows": 50, "columns": 132}), b"")
        .await;
    client.send(json!({"type": "stdin"}), b"\n").await;
    client.until_printed("50 132").await;
    client.send(json!({"type": "stdin_end"}), b"").await;
    let ran = client.ran().await;
    assert!(ran.stdout().contains("over"), "{}", ran.stdout());
    assert_eq!(ran.end["status"], 0);
    drop(client);
    place.drain().await;
}

/// What a person types as Ctrl-C is a signal to the terminal's foreground.
#[tokio::test]
async fn ctrl_c_is_typed() {
    let (_dir, place) = place(Policy::default()).await;
    let mut client = Client::of(&place).await;
    let tty = json!({"term": "dumb"});
    let argv = json!(["sh", "-c", "echo ready; exec sleep 9999"]);
    client
        .send(
            json!({"type": "exec", "argv": argv, "tty": tty, "stdin": true}),
            b"",
        )
        .await;
    client.until_printed("ready").await;
    client.send(json!({"type": "stdin"}), b"\x03").await;
    let ran = client.ran().await;
    assert_eq!(ran.end["signal"], "INT", "{}", ran.end);
    drop(client);
    place.drain().await;
}
