//! System calls that touch sockets, by name.

macro_rules! calls {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $moves:ident;)*) => {
        /// A system call on a socket, as its man page in section 2 names it.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum Call {
            /// Nobody said which: an event of our own sockets.
            #[default]
            Untold,
            $($(#[$doc])* $variant,)*
        }

        impl Call {
            const ALL: &[Self] = &[Self::Untold, $(Self::$variant,)*];

            /// Its name; empty for [`Call::Untold`].
            pub const fn name(self) -> &'static str {
                match self {
                    Self::Untold => "",
                    $(Self::$variant => $name,)*
                }
            }

            /// Which way it moves bytes.
            pub const fn moves(self) -> Moves {
                match self {
                    Self::Untold => Moves::Nothing,
                    $(Self::$variant => Moves::$moves,)*
                }
            }
        }
    };
}

/// Which way a call moves bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    /// None: it is about the socket itself.
    Nothing,
    /// From the program into the socket.
    Out,
    /// From the socket into the program.
    In,
}

calls! {
    /// socket(2)
    Socket = "socket", Nothing;
    /// socketpair(2)
    Socketpair = "socketpair", Nothing;
    /// bind(2)
    Bind = "bind", Nothing;
    /// listen(2)
    Listen = "listen", Nothing;
    /// accept(2)
    Accept = "accept", Nothing;
    /// accept4(2)
    Accept4 = "accept4", Nothing;
    /// connect(2)
    Connect = "connect", Nothing;
    /// getsockname(2)
    Getsockname = "getsockname", Nothing;
    /// getpeername(2)
    Getpeername = "getpeername", Nothing;
    /// setsockopt(2)
    Setsockopt = "setsockopt", Nothing;
    /// getsockopt(2)
    Getsockopt = "getsockopt", Nothing;
    /// shutdown(2)
    Shutdown = "shutdown", Nothing;
    /// close(2), or what closes as well: `close_range`, an end of the process, exec
    Close = "close", Nothing;
    /// dup(2), dup2, dup3, fcntl with `F_DUPFD`
    Dup = "dup", Nothing;
    /// fcntl(2), where it changes the socket's flags
    Fcntl = "fcntl", Nothing;
    /// ioctl(2), where it changes the socket's flags
    Ioctl = "ioctl", Nothing;
    /// write(2)
    Write = "write", Out;
    /// writev(2)
    Writev = "writev", Out;
    /// pwritev2(2)
    Pwritev2 = "pwritev2", Out;
    /// sendto(2), which is what send(2) becomes
    Sendto = "sendto", Out;
    /// sendmsg(2)
    Sendmsg = "sendmsg", Out;
    /// sendmmsg(2): an event for each message
    Sendmmsg = "sendmmsg", Out;
    /// sendfile(2)
    Sendfile = "sendfile", Out;
    /// splice(2) into a socket
    SpliceOut = "splice", Out;
    /// A send through `io_uring`
    UringSend = "io_uring send", Out;
    /// read(2)
    Read = "read", In;
    /// readv(2)
    Readv = "readv", In;
    /// preadv2(2)
    Preadv2 = "preadv2", In;
    /// recvfrom(2), which is what recv(2) becomes
    Recvfrom = "recvfrom", In;
    /// recvmsg(2)
    Recvmsg = "recvmsg", In;
    /// recvmmsg(2): an event for each message
    Recvmmsg = "recvmmsg", In;
    /// splice(2) out of a socket
    SpliceIn = "splice", In;
    /// A receive through `io_uring`
    UringRecv = "io_uring recv", In;
    /// An accept through `io_uring`
    UringAccept = "io_uring accept", Nothing;
    /// A connect through `io_uring`
    UringConnect = "io_uring connect", Nothing;
    /// Any other call through `io_uring`
    UringOther = "io_uring", Nothing;
}

impl Call {
    pub(crate) fn of_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_keep_their_numbers() {
        for (number, call) in Call::ALL.iter().enumerate() {
            assert_eq!(Call::of_number(number as u8), Some(*call));
            assert_eq!(*call as usize, number);
        }
        assert_eq!(Call::of_number(Call::ALL.len() as u8), None);
        assert_eq!(Call::Recvmmsg.moves(), Moves::In);
        assert_eq!(Call::Close.moves(), Moves::Nothing);
    }
}
