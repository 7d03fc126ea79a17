//! Standard input, by credit.

use serde_json::json;
use sockeye_service::exec::server::Policy;

use crate::client::{Client, place};

/// Sends `bytes` within the credit and returns what the command makes of them.
async fn feed(client: &mut Client, argv: &[&str], bytes: &[u8]) -> crate::client::Ran {
    let request = json!({"type": "exec", "argv": argv, "stdin": true});
    client.send(request, b"").await;
    let mut ran = crate::client::Ran::default();
    let (mut rest, mut credit, mut ended) = (bytes, 0, false);
    loop {
        let now = rest.len().min(credit).min(100_000);
        if now > 0 {
            client.send(json!({"type": "stdin"}), &rest[..now]).await;
            (rest, credit) = (&rest[now..], credit - now);
            continue;
        }
        if rest.is_empty() && !ended {
            client.send(json!({"type": "stdin_end"}), b"").await;
            ended = true;
        }
        let header = client.next().await.unwrap();
        match header["type"].as_str().unwrap() {
            "credit" => credit += header["bytes"].as_u64().unwrap() as usize,
            "stdout" => ran.stdout.extend(client.body().await),
            "stderr" => ran.stderr.extend(client.body().await),
            "exit" => {
                ran.end = header;
                return ran;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn input_streams_up_by_credit_and_its_end_arrives() {
    let (_dir, place) = place(Policy::default()).await;
    let mut client = Client::of(&place).await;
    let bytes: Vec<u8> = (0..3_000_000u32).map(|i| (i / 7) as u8).collect();
    let ran = feed(&mut client, &["cat"], &bytes).await;
    assert!(ran.stdout == bytes);
    let ran = feed(&mut client, &["wc", "-c"], b"").await;
    assert_eq!(ran.stdout().trim(), "0");
    // One that reads only the beginning, or nothing at all, makes nobody wait.
    let ran = feed(&mut client, &["head", "-c", "1"], &bytes).await;
    assert_eq!(ran.stdout, bytes[..1]);
    let ran = feed(
        &mut client,
        &["sh", "-c", "exec <&-; sleep 0.2; echo ok"],
        &bytes,
    )
    .await;
    assert_eq!(ran.stdout(), "ok\n");
    drop(client);
    place.drain().await;
}

#[tokio::test]
async fn without_stdin_the_input_is_empty() {
    let (_dir, place) = place(Policy::default()).await;
    let mut client = Client::of(&place).await;
    let ran = client
        .run(json!({"type": "exec", "argv": ["wc", "-c"]}))
        .await;
    assert_eq!(ran.stdout().trim(), "0");
    drop(client);
    place.drain().await;
}

#[tokio::test]
async fn more_than_the_credit_ends_the_connection() {
    let (_dir, place) = place(Policy::default()).await;
    let mut client = Client::of(&place).await;
    let request = json!({"type": "exec", "argv": ["sleep", "9999"], "stdin": true});
    client.send(request, b"").await;
    client.expect("started").await;
    client.expect("credit").await;
    let too_much = vec![0; 256 * 1024 + 1];
    client.send(json!({"type": "stdin"}), &too_much).await;
    let error = client.expect("error").await;
    assert_eq!(error["code"], "bad_request");
    assert!(
        error["message"].as_str().unwrap().contains("credit"),
        "{error}"
    );
    drop(client);
    place.drain().await;
}

/// The server reads on although the command takes no input: a signal gets through.
#[tokio::test]
async fn a_signal_overtakes_input_that_is_not_taken() {
    let (_dir, place) = place(Policy::default()).await;
    let mut client = Client::of(&place).await;
    let request = json!({"type": "exec", "argv": ["sleep", "9999"], "stdin": true});
    client.send(request, b"").await;
    client.expect("started").await;
    client.expect("credit").await;
    client
        .send(json!({"type": "stdin"}), &vec![0; 256 * 1024])
        .await;
    client
        .send(json!({"type": "signal", "name": "TERM"}), b"")
        .await;
    let ran = client.ran().await;
    assert_eq!(ran.end["signal"], "TERM");
    drop(client);
    place.drain().await;
}
