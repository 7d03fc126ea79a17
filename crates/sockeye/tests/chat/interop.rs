//! Clients that nobody here wrote: weechat, irssi, two libraries of Python.

use sockeye_testkit::{python, python_module};

use crate::irc::Irc;
use crate::programs::{Weechat, irssi, shows};
use crate::server::Server;

/// Somebody who is in the room.
fn tom_in_the_room(server: &Server) -> Irc {
    let mut tom = server.member("tom", "");
    tom.says("JOIN #r");
    tom.hears(" 366 ");
    tom
}

fn port_of(server: &Server) -> String {
    let address = server.address("tcp");
    address.rsplit_once(':').unwrap().1.to_owned()
}

/// A room in which something was said before anybody else comes.
fn room_with_a_past(server: &Server) -> Irc {
    let mut tom = tom_in_the_room(server);
    for text in ["first", "第二句话", "third"] {
        tom.says(&format!("PRIVMSG #r :{text}"));
    }
    tom.settles();
    tom
}

#[test]
fn weechat_talks_and_reads_what_was_said_before_it_came() {
    let server = Server::start(&[]);
    let mut tom = room_with_a_past(&server);
    let Some(weechat) = Weechat::start(&server.address("tcp"), "wee", "-autojoin=#r") else {
        return;
    };
    for text in ["first", "第二句话", "third"] {
        weechat.shows("#r", &["tom", text]);
    }
    tom.hears(" JOIN #r");
    weechat.types("#r", "你好 from weechat");
    tom.hears(":wee!wee@loopback PRIVMSG #r :你好 from weechat");
    tom.says("PRIVMSG #r :hello wee");
    weechat.shows("#r", &["tom", "hello wee"]);
    tom.says("PRIVMSG wee :for you alone");
    weechat.shows("tom", &["tom", "for you alone"]);
    weechat.types("tom", "and back");
    tom.hears("PRIVMSG tom :and back");
    weechat.types("#r", "/topic what we talk about");
    weechat.shows("#r", &["not channel operator"]);
    tom.says("MODE #r +o wee");
    weechat.shows("#r", &["+o wee"]);
    weechat.types("#r", "/topic what we talk about");
    tom.hears("TOPIC #r :what we talk about");
    weechat.types("#r", "/nick 一棵树");
    tom.hears(":wee!wee@loopback NICK :一棵树");
    weechat.types("#r", "/quit see you");
    tom.hears("QUIT :Quit: see you");
    weechat.end();
}

#[test]
fn weechat_logs_in_with_its_password() {
    let server = Server::start(&[]);
    let mut wee = server.member("wee", "draft/account-registration");
    wee.says("REGISTER * * secret-of-wee");
    wee.hears("REGISTER SUCCESS wee");
    wee.says("QUIT");
    wee.is_closed();
    let mut tom = tom_in_the_room(&server);
    // A stranger does not get the name.
    let Some(stranger) = Weechat::start(&server.address("tcp"), "wee,other", "-autojoin=#r") else {
        return;
    };
    tom.hears(":other!");
    stranger.end();
    let sasl = "-autojoin=#r -sasl_mechanism=plain -sasl_username=wee -sasl_password=secret-of-wee";
    let Some(weechat) = Weechat::start(&server.address("tcp"), "wee", sasl) else {
        return;
    };
    tom.hears(":wee!");
    tom.says("WHOIS wee");
    tom.hears(" 330 tom wee wee ");
    weechat.end();
}

#[test]
fn irssi_talks_and_reads_what_was_said_before_it_came() {
    let server = Server::start(&[]);
    let mut tom = room_with_a_past(&server);
    let Some((irssi, _home)) = irssi(&server.address("tcp"), "irs") else {
        return;
    };
    shows(&irssi, &["Welcome"]);
    irssi.enters("/join #r");
    tom.hears(" JOIN ");
    for text in ["first", "第二句话", "third"] {
        shows(&irssi, &["tom", text]);
    }
    irssi.enters("你好 from irssi");
    tom.hears("PRIVMSG #r :你好 from irssi");
    tom.says("PRIVMSG #r :\u{1}ACTION waves\u{1}");
    shows(&irssi, &["* tom waves"]);
    irssi.enters("/quit bye");
    tom.hears("QUIT :Quit: bye");
}

/// Joins, waits for a word, answers it, asks for the history and prints its texts.
const PYDLE: &str = r"
import sys, pydle
class Bot(pydle.Client):
    async def on_connect(self):
        await super().on_connect()
        print('capabilities', sorted(k for k, v in self._capabilities.items() if v))
        await self.join('#r')
    async def on_join(self, channel, user):
        await super().on_join(channel, user)
        print('joined', channel, user)
    async def on_message(self, target, source, message):
        await super().on_message(target, source, message)
        print('heard', target, source, message)
        if message == 'bot, answer':
            await self.message(target, '机器人 answers')
        if message == 'bot, go':
            await self.quit('told to')
Bot('bot', realname='a bot').run('127.0.0.1', port=int(sys.argv[1]), tls=False)
";

#[test]
fn pydle_talks() {
    if !python_module("pydle") {
        return;
    }
    let server = Server::start(&[]);
    let mut tom = tom_in_the_room(&server);
    let port = port_of(&server);
    let Some(bot) = python(PYDLE, &[&port]) else {
        return;
    };
    bot.wait_stdout("joined #r bot\n");
    tom.hears(":bot!");
    tom.says("PRIVMSG #r :bot, answer");
    bot.wait_stdout("heard #r tom bot, answer\n");
    tom.hears("PRIVMSG #r :机器人 answers");
    tom.says("PRIVMSG #r :bot, go");
    tom.hears("QUIT :Quit: told to");
}

/// The same with the library `irc`, which knows of no capability.
const IRC: &str = r"
import sys, irc.client
def joined(connection, event):
    print('joined', event.target, event.source.nick)
def said(connection, event):
    print('heard', event.target, event.source.nick, event.arguments[0])
    if event.arguments[0] == 'bot, answer':
        connection.privmsg(event.target, '机器人 answers')
    if event.arguments[0] == 'bot, go':
        connection.quit('told to')
reactor = irc.client.Reactor()
connection = reactor.server().connect('127.0.0.1', int(sys.argv[1]), 'bot')
connection.add_global_handler('welcome', lambda c, e: c.join('#r'))
connection.add_global_handler('join', joined)
connection.add_global_handler('pubmsg', said)
connection.add_global_handler('disconnect', lambda c, e: sys.exit(0))
reactor.process_forever()
";

#[test]
fn a_library_without_capabilities_talks() {
    if !python_module("irc") {
        return;
    }
    let server = Server::start(&[]);
    let mut tom = tom_in_the_room(&server);
    let port = port_of(&server);
    let Some(mut bot) = python(IRC, &[&port]) else {
        return;
    };
    bot.wait_stdout("joined #r bot\n");
    tom.says("PRIVMSG #r :bot, answer");
    bot.wait_stdout("heard #r tom bot, answer\n");
    tom.hears("PRIVMSG #r :机器人 answers");
    tom.says("PRIVMSG #r :bot, go");
    tom.hears("QUIT :Quit: told to");
    assert_eq!(bot.exit().code, Some(0));
}
