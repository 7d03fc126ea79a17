//! What outlives a server.

use std::os::unix::fs::PermissionsExt as _;

use sockeye_testkit::Process;

use crate::server::{Server, sockeye};

#[test]
fn a_topic_outlives_the_server_in_a_folder_that_is_private() {
    let server = Server::start(&[]);
    let mut tom = server.member("tom", "echo-message");
    tom.says("JOIN #r");
    tom.hears(" 366 ");
    tom.says("TOPIC #r :十里长街");
    tom.hears("TOPIC #r");
    tom.says("PRIVMSG #r :kept");
    tom.hears("PRIVMSG #r :kept");
    let folder = server.path("data/sockeye/chat");
    for (path, expected) in [
        (folder.clone(), 0o700),
        (folder.join("chat.sqlite"), 0o600),
        (folder.join("cloak.secret"), 0o600),
    ] {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, expected, "{}", path.display());
    }
    let (_, home) = server.stop();
    let server = Server::start_at(home, &["127.0.0.1:0"]);
    let mut ann = server.member("ann", "");
    ann.says("JOIN #r");
    assert!(ann.hears(" 332 ann #r ").ends_with(":十里长街"));
    server.stop();
}

#[test]
fn a_store_is_for_one_server() {
    let server = Server::start(&[]);
    let store = server.path("data/sockeye/chat");
    let args = ["serve", "chat", ":0", "--store", store.to_str().unwrap()];
    let exit = Process::run(&mut sockeye(&server.path(""), &args));
    assert_eq!(exit.code, Some(2));
    let said = exit.stderr_text();
    assert!(said.contains("one store, one server"), "{said}");
    server.stop();
}
