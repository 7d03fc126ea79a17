//! What a member may not, and what that costs the others: nothing.

use crate::server::Server;

const OFF: &[&str] = &["--history", "off"];

#[test]
fn a_line_that_is_too_long_is_passed_over() {
    let server = Server::start(OFF);
    let mut tom = server.member("tom", "");
    let mut long = vec![b'x'; 60_000];
    long.extend_from_slice(b"\r\nPING after\r\n");
    tom.sends(&long);
    tom.hears(" 417 tom :");
    tom.hears("PONG irc.test :after");
    server.stop();
}

/// Whoever closes its direction has said all that it wanted, and hears the answers.
#[test]
fn who_half_closes_is_answered_and_gone() {
    let server = Server::start(OFF);
    let mut tom = server.member("tom", "");
    tom.says("JOIN #r");
    tom.hears(" 366 ");
    let mut ann = server.member("ann", "");
    ann.says("JOIN #r");
    // The last line has no end.
    ann.sends(b"PRIVMSG #r :bye\r\nPING last");
    ann.half_closes();
    ann.hears("PONG irc.test :last");
    assert!(ann.rest().is_empty());
    tom.hears("PRIVMSG #r :bye");
    tom.hears(":ann!ann@loopback QUIT :Connection closed");
    server.stop();
}

#[test]
fn a_flood_is_held_up_and_too_much_of_it_closed() {
    let server = Server::start(OFF);
    let mut tom = server.member("tom", "");
    let mut ann = server.member("ann", "");
    for member in [&mut tom, &mut ann] {
        member.says("JOIN #r");
        member.hears(" 366 ");
    }
    let flood = "PRIVMSG #r :again and again\r\n".repeat(10_000);
    // Nobody takes all of that: the connection breaks on the way.
    let _ = ann.tries_to_send(flood.as_bytes());
    tom.hears(":ann!ann@loopback QUIT :Excess Flood");
    ann.is_closed();
    tom.settles();
    server.stop();
}

#[test]
fn without_flood_control_everything_is_taken() {
    let server = Server::start(&["--history", "off", "--flood", "off"]);
    let mut tom = server.member("tom", "");
    let mut ann = server.member("ann", "");
    for member in [&mut tom, &mut ann] {
        member.says("JOIN #r");
        member.hears(" 366 ");
    }
    let sender = std::thread::spawn(move || {
        for count in 0..5_000 {
            ann.sends(format!("PRIVMSG #r :{count}\n").as_bytes());
        }
        ann
    });
    tom.hears("JOIN");
    for count in 0..5_000 {
        let line = tom.next().unwrap();
        assert!(line.ends_with(&format!(" :{count}")), "{line}");
    }
    drop(sender.join().unwrap());
    server.stop();
}

#[test]
fn who_does_not_read_is_dropped_and_the_others_notice_nothing() {
    let server = Server::start(&["--history", "off", "--flood", "off", "--sendq", "64KiB"]);
    let [mut tom, mut ann, mut stuck] = ["tom", "ann", "stuck"].map(|nick| {
        let mut member = server.member(nick, "");
        member.says("JOIN #r");
        member.hears(" 366 ");
        member
    });
    tom.settles();
    let line = format!("PRIVMSG #r :{}\r\n", "x".repeat(400));
    let mut said = 0;
    // Until the kernel's buffers are full, and then as much as may wait here.
    let quit = 'told: loop {
        for _ in 0..16 {
            ann.sends(line.as_bytes());
            said += 1;
        }
        assert!(said < 100_000, "the one who does not read is still there");
        for _ in 0..16 {
            let heard = tom.next().unwrap();
            if heard.contains("QUIT") {
                break 'told heard;
            }
            assert!(heard.contains("PRIVMSG #r :xx"), "{heard}");
        }
    };
    assert_eq!(quit, ":stuck!stuck@loopback QUIT :Max SendQ exceeded");
    ann.hears("Max SendQ exceeded");
    stuck.is_closed();
    server.stop();
}
