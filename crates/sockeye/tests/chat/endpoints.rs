//! The ways in.

use crate::irc::Irc;
use crate::server::Server;

/// Who comes by one endpoint hears who came by another; lines may end with LF alone.
#[test]
fn one_chat_has_many_doors() {
    let server = Server::start(&["unix:{home}/irc.sock", "--history", "off"]);
    let mut tom = server.member("tom", "");
    let mut ann = Irc::connect_unix(&server.path("irc.sock"));
    ann.sends(b"NICK ann\nUSER ann 0 * :Ann\nJOIN #r\n");
    ann.hears(" 366 ");
    tom.says("JOIN #r");
    ann.hears("tom!tom@loopback JOIN");
    ann.sends(b"PRIVMSG #r :over there\n");
    tom.hears("PRIVMSG #r :over there");
    server.stop();
}
