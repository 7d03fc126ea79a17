//! Names with passwords and keys, over real sockets and with real hashes.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sockeye_testkit::Process;

use crate::irc::Irc;
use crate::server::{Server, sockeye};

/// Connections that guess passwords at once: more than may wait for their hashes.
const GUESSERS: usize = 120;

/// What SASL PLAIN says.
fn plain(name: &str, password: &str) -> String {
    STANDARD.encode(format!("\0{name}\0{password}"))
}

/// Logs in with SASL; what came of it.
#[track_caller]
fn logs_in(irc: &mut Irc, name: &str, password: &str) -> String {
    irc.says("AUTHENTICATE PLAIN");
    irc.hears("AUTHENTICATE +");
    irc.says(&format!("AUTHENTICATE {}", plain(name, password)));
    irc.hears(":irc.test 90")
}

#[test]
fn who_registers_a_name_has_it_for_himself() {
    let server = Server::start(&["--history", "off"]);
    let mut tom = server.member("tom", "labeled-response batch account-tag");
    tom.says("@label=r REGISTER * * correct-horse");
    assert!(tom.hears("BATCH").starts_with("@label=r "));
    tom.hears("REGISTER SUCCESS tom");
    tom.hears(" 900 tom tom!tom@loopback tom ");
    let mut ann = server.member("ann", "account-tag");
    tom.says("PRIVMSG ann :hi");
    assert_eq!(
        ann.hears("PRIVMSG"),
        "@account=tom :tom!tom@loopback PRIVMSG ann :hi"
    );
    ann.says("NICK tom");
    ann.hears(" 433 ann tom ");
    assert!(logs_in(&mut ann, "tom", "wrong").contains(" 904 "));
    assert!(logs_in(&mut ann, "TOM", "correct-horse").contains(" 900 "));
    ann.hears(" 903 ");
    // Its owner has it, whoever else is called so at this moment.
    ann.says("NICK tom");
    ann.hears(":ann!ann@loopback NICK :tom");
    tom.hears(":tom!tom@loopback NICK :tom_1");
    let mut again = server.stranger();
    again.says("PASS tom:correct-horse");
    again.says("NICK tom");
    again.says("USER tom 0 * :Tom");
    again.hears(" 001 tom ");
    ann.hears("NICK :tom_2");
    server.stop();
}

/// Accounts are kept with the history.
#[test]
fn an_account_outlives_its_server() {
    let server = Server::start(&[]);
    let mut tom = server.member("tom", "");
    tom.says("REGISTER * * correct-horse");
    tom.hears("REGISTER SUCCESS tom");
    let (_, home) = server.stop();
    let server = Server::start_at(home, &["127.0.0.1:0"]);
    let mut ann = server.member("ann", "");
    ann.says("NICK tom");
    ann.hears(" 433 ann tom ");
    assert!(logs_in(&mut ann, "tom", "wrong").contains(" 904 "));
    assert!(logs_in(&mut ann, "tom", "correct-horse").contains(" 900 "));
    server.stop();
}

/// Guessing passwords costs those who guess, and nobody else.
#[test]
fn a_flood_of_logins_is_refused_while_others_talk() {
    let server = Server::start(&["--history", "off", "--flood", "off"]);
    let mut tom = server.member("tom", "");
    tom.says("REGISTER * * correct-horse");
    tom.hears("REGISTER SUCCESS tom");
    let mut guessers: Vec<_> = (0..GUESSERS).map(|_| server.stranger()).collect();
    for guesser in &mut guessers {
        guesser.sends(b"PASS tom:wrong\r\nNICK x\r\nUSER x 0 * :x\r\n");
    }
    for _ in 0..100 {
        tom.settles();
    }
    let mut answers = BTreeMap::new();
    for guesser in &mut guessers {
        let last = guesser.rest().pop().unwrap_or_default();
        *answers.entry(last).or_insert(0) += 1;
    }
    let known = [
        "ERROR :Password incorrect",
        "ERROR :too many people log in at this moment",
    ];
    assert!(
        answers.keys().all(|answer| known.contains(&&**answer)),
        "{answers:?}"
    );
    assert_eq!(answers.values().sum::<usize>(), GUESSERS);
    assert!(answers.contains_key(known[0]), "{answers:?}");
    // The right one is let in afterwards.
    let mut again = server.stranger();
    again.sends(b"PASS correct-horse\r\nNICK tom\r\nUSER x 0 * :x\r\n");
    again.hears(" 001 tom ");
    server.stop();
}

/// A key that `authorized` names needs no password; its name is nobody else's, and the right
/// `chat-admin` makes of its owner an operator.
#[test]
fn a_key_is_a_login() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("run")).unwrap();
    let key = Process::run(&mut sockeye(home.path(), &["key", "--json"])).stdout_text();
    let key: Value = serde_json::from_str(key.lines().next().unwrap()).unwrap();
    let allow = [
        "key",
        "allow",
        key["key"].as_str().unwrap(),
        "alice",
        "chat-admin",
    ];
    assert_eq!(
        Process::run(&mut sockeye(home.path(), &allow)).code,
        Some(0)
    );
    let server = Server::start_at(
        home,
        &["--history", "off", "tls://127.0.0.1:0", "127.0.0.1:0"],
    );
    let mut tom = server.member("tom", "");
    tom.says("NICK Alice");
    tom.hears(" 433 tom Alice ");
    let address = format!("tls://{}", server.address("tls"));
    let dial = ["dial", "--trust-on-first-use", &address];
    let mut alice = Process::start(&mut sockeye(&server.path(""), &dial));
    alice.write_stdin(b"NICK alice\r\nUSER alice 0 * :Alice\r\n");
    alice.wait_stdout(" 900 * *!*@loopback alice ");
    alice.wait_stdout(" 001 alice ");
    alice.write_stdin(b"OPER x x\r\nKILL tom :enough\r\nQUIT\r\n");
    alice.wait_stdout(" 381 alice ");
    let last = tom.rest().pop();
    assert_eq!(last.as_deref(), Some("ERROR :Killed (alice (enough))"));
    assert_eq!(alice.exit().code, Some(0));
    server.stop();
}
