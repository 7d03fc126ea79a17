//! Rooms over real sockets, and over a restart.

use crate::irc::Irc;
use crate::server::Server;

#[track_caller]
fn joins(member: &mut Irc, what: &str) -> Vec<String> {
    member.says(&format!("JOIN {what}"));
    member.settles()
}

/// How a room is ruled, who may not come in, and who owns it: all that was set is set again.
#[test]
fn a_room_is_ruled_as_before_when_the_server_comes_back() {
    let server = Server::start(&[]);
    let mut tom = server.member("tom", "");
    tom.says("REGISTER * * correct-horse");
    tom.hears("REGISTER SUCCESS");
    joins(&mut tom, "#Room,#other");
    tom.says("MODE #room +mkl-t key 5");
    tom.hears(" MODE #Room ");
    tom.says("MODE #room +bb eve *@*.example");
    tom.hears(" MODE #Room ");
    tom.says("MODE #room -b *@*.example");
    tom.hears(" MODE #Room -b ");
    tom.says("TOPIC #room :about fish");
    tom.hears(" TOPIC #Room ");
    let (_, home) = server.stop();
    let server = Server::start_at(home, &["127.0.0.1:0"]);
    let mut eve = server.member("eve", "");
    let refused = joins(&mut eve, "#room key");
    assert_eq!(
        refused,
        [":irc.test 474 eve #room :Cannot join channel (+b)"]
    );
    let mut bob = server.member("bob", "");
    let refused = joins(&mut bob, "#room");
    assert_eq!(
        refused,
        [":irc.test 475 bob #room :Cannot join channel (+k)"]
    );
    let heard = joins(&mut bob, "#room key");
    assert!(
        heard.iter().any(|line| line.ends_with(":about fish")),
        "{heard:?}"
    );
    assert!(
        heard
            .iter()
            .any(|line| line.ends_with(" 353 bob = #Room :bob")),
        "{heard:?}"
    );
    bob.says("MODE #room");
    bob.hears(" 324 bob #Room +mnkl key 5");
    bob.says("MODE #room b");
    bob.hears(" 367 bob #Room eve!*@* tom!tom@loopback ");
    bob.hears(" 368 ");
    // Its owner comes without the key, and rules it.
    let mut tom = server.stranger();
    tom.says("PASS tom:correct-horse");
    tom.registers("tom", "");
    joins(&mut tom, "#room");
    assert!(bob.hears(" MODE ").ends_with(" MODE #Room +o tom"));
    tom.says("KICK #room bob :enough");
    bob.hears(":tom!tom@loopback KICK #Room bob :enough");
    server.stop();
}

/// What a guest has said is read later by whoever is at the desk.
#[test]
fn what_guests_say_is_kept() {
    let server = Server::start(&["udp://127.0.0.1:0"]);
    let guest = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut tom = server.member("tom", "");
    joins(&mut tom, "#desk");
    guest.send_to(b"hello", server.address("udp")).unwrap();
    tom.hears("] hello");
    let (_, home) = server.stop();
    let server = Server::start_at(home, &["127.0.0.1:0"]);
    let mut ann = server.member("ann", "draft/chathistory batch");
    joins(&mut ann, "#desk");
    ann.says("CHATHISTORY LATEST #desk * 10");
    let heard = ann.hears("] hello");
    let port = guest.local_addr().unwrap().port();
    assert!(
        heard.contains(&format!(":guest-{port}!guest@loopback PRIVMSG #desk ")),
        "{heard}"
    );
    server.stop();
}
