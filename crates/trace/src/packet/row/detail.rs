//! What else there is to say of a packet than the columns of the table hold.

use std::fmt;

use super::Row;
use crate::packet::{Body, Protocol, TcpOptions, icmp_message, igmp_message};
use crate::{Lang, Verdict};

impl Row {
    /// What else there is to say: options, a message's meaning, what is wrong. Nothing for most.
    pub fn write_detail(&self, lang: Lang, out: &mut dyn fmt::Write) -> fmt::Result {
        self.write_body(lang, out)?;
        if let Some(of) = self.of {
            match lang {
                Lang::En => write!(out, "first fragment of a datagram of {of} bytes")?,
                Lang::Zh => write!(out, "{of} 字节数据报的首个分片")?,
            }
        }
        if let Some(oddity) = self.oddity {
            write!(out, " ({})", oddity.words(lang))?;
        }
        if let Some(verdict) = Verdict::of(&self.verdict) {
            let mark = if verdict.is_lost() { "✗" } else { "·" };
            // Whoever wrote the file wrote this.
            let words = verdict.words(lang).replace(char::is_control, "?");
            write!(out, " {mark} {words}")?;
        }
        Ok(())
    }

    fn write_body(&self, lang: Lang, out: &mut dyn fmt::Write) -> fmt::Result {
        match &self.body {
            Body::Tcp(tcp) => write_options(&tcp.options, out),
            Body::Icmp { v6, kind, code } => {
                match icmp_message(*v6, *kind, *code, lang) {
                    Some(message) => out.write_str(message)?,
                    None => write!(out, "{kind}/{code}")?,
                }
                self.write_quoted(lang, out)
            }
            Body::Igmp { kind } => match igmp_message(*kind, lang) {
                Some(message) => out.write_str(message),
                None => write!(out, "0x{kind:02x}"),
            },
            Body::Arp {
                operation,
                sender,
                target,
            } => match (operation, lang) {
                (1, Lang::En) => write!(out, "who has {target}? tell {sender}"),
                (1, Lang::Zh) => write!(out, "谁有 {target}？告诉 {sender}"),
                (2, Lang::En) => write!(out, "{sender} is here"),
                (2, Lang::Zh) => write!(out, "{sender} 在此"),
                (other, _) => write!(out, "{other}"),
            },
            Body::Damaged(damage) => out.write_str(&damage.words(lang)),
            Body::Udp(_) | Body::Fragment | Body::Other(_) | Body::Link(_) => Ok(()),
        }
    }

    /// What could not be delivered: `UDP 127.0.0.1:40000 > 127.0.0.1:9`.
    fn write_quoted(&self, lang: Lang, out: &mut dyn fmt::Write) -> fmt::Result {
        let Some(quoted) = self.quoted else {
            return Ok(());
        };
        let protocol = Protocol::Ip(quoted.net.protocol);
        let (from, to) = (quoted.net.source, quoted.net.destination);
        match quoted.ports {
            Some((source, destination)) => {
                let name = if quoted.net.protocol == 17 {
                    "UDP"
                } else {
                    "TCP"
                };
                let from = std::net::SocketAddr::new(from, source);
                let to = std::net::SocketAddr::new(to, destination);
                write!(out, ": {name} {from} > {to}")
            }
            None => write!(out, ": {} {from} > {to}", protocol.words(lang)),
        }
    }
}

fn write_options(options: &TcpOptions, out: &mut dyn fmt::Write) -> fmt::Result {
    let mut gap = "";
    let mut next = || std::mem::replace(&mut gap, " ");
    if let Some(mss) = options.mss {
        write!(out, "{}mss={mss}", next())?;
    }
    if let Some(scale) = options.scale {
        write!(out, "{}ws={scale}", next())?;
    }
    if options.sack_permitted {
        write!(out, "{}sackOK", next())?;
    }
    for (from, to) in options.sack.iter().filter(|block| **block != (0, 0)) {
        write!(out, "{}sack={from}..{to}", next())?;
    }
    Ok(())
}
