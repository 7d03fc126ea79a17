//! M16: a Windows peer's text is GBK.

use sockeye_testkit::python;

use crate::ours::{assert_prints, dial, serve};

const PROMPT_CLIENT: &str = include_str!("peers/prompt_client.py");
const UPPER_SERVER: &str = include_str!("peers/upper_server.py");

#[test]
fn m16_gbk_with_their_client() {
    let args = [
        "reply",
        "--text",
        "收到 {}",
        "--encoding",
        "gbk",
        "--show",
        "127.0.0.1:0",
    ];
    let server = serve(&args);
    let Some(mut client) = python(PROMPT_CLIENT, &["127.0.0.1", &server.port(), "gbk"]) else {
        return;
    };
    client.write_stdin("你好\n".as_bytes());
    assert_prints(&client.exit(), "收到 你好\n");
    assert_eq!(server.event("read")["text"], "你好");
}

#[test]
fn m16_gbk_with_their_server() {
    let Some(server) = python(UPPER_SERVER, &["gbk", "1024", "5"]) else {
        return;
    };
    let endpoint = format!("127.0.0.1:{}", server.port());
    let exit = dial(
        &[&endpoint, "--encoding", "gbk", "--ask"],
        "你好 abc\n繁體\n".as_bytes(),
    );
    assert_prints(&exit, "你好 ABC\n繁體\n");
}
