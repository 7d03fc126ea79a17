//! Peers that mean no good.

use crate::server::Server;

#[test]
fn a_web_browser_is_closed_at_its_first_line() {
    let server = Server::start(&["--history", "off"]);
    let mut browser = server.stranger();
    browser.sends(b"POST / HTTP/1.1\r\nNICK x\r\nUSER x 0 * :x\r\nJOIN #r\r\n");
    assert!(browser.rest().is_empty());
    let closed = server.process.event("closed");
    assert_eq!(closed["reason"], "this is an HTTP request");
    server.stop();
}

#[test]
fn a_reset_is_a_quit() {
    let server = Server::start(&["--history", "off"]);
    let mut tom = server.member("tom", "");
    let mut ann = server.member("ann", "");
    for member in [&mut tom, &mut ann] {
        member.says("JOIN #r");
        member.hears(" 366 ");
    }
    tom.hears("JOIN");
    // What is unread when a socket is closed makes of its end a reset.
    tom.says("PRIVMSG ann :unread");
    tom.settles();
    drop(ann);
    let quit = tom.hears("QUIT");
    assert!(quit.starts_with(":ann!ann@loopback QUIT :"), "{quit}");
    server.stop();
}

/// A byte at a time is a line in the end, and costs nobody else anything.
#[test]
fn who_drips_is_one_connection() {
    let server = Server::start(&["--history", "off", "--flood", "off"]);
    let mut dripping = server.stranger();
    let mut tom = server.member("tom", "");
    for byte in b"NICK drip\r\nUSER drip 0 * :drip\r\n" {
        dripping.sends(&[*byte]);
        tom.settles();
    }
    dripping.hears(" 001 drip ");
    server.stop();
}
