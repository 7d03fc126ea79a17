//! A UDP echo at full speed: what a capture has to keep up with.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// Datagrams of one call, and under way at once.
const WINDOW: usize = 64;
/// Bytes of a datagram.
const SIZE: usize = 64;

/// Packets that passed, and how many echoes a second came back.
pub(crate) struct Echoed {
    pub(crate) packets: u64,
    pub(crate) rate: f64,
}

/// Buffers for as many datagrams as one call takes.
struct Batch {
    bytes: Vec<[u8; SIZE]>,
    names: Vec<libc::sockaddr_in>,
}

impl Batch {
    fn new() -> Self {
        // SAFETY: an address is numbers only, for which zero is a value.
        let name: libc::sockaddr_in = unsafe { std::mem::zeroed() };
        Self {
            bytes: vec![[b'x'; SIZE]; WINDOW],
            names: vec![name; WINDOW],
        }
    }

    /// Receives what is there, at least one: how many; 0 when nothing came in time.
    fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        // SAFETY: the headers point to buffers that live until the call returns.
        let got = self.headers(WINDOW, |headers| unsafe {
            let (headers, count) = (headers.as_mut_ptr(), WINDOW as u32);
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers,
                count,
                libc::MSG_WAITFORONE,
                std::ptr::null_mut(),
            )
        });
        match counted(got) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            other => other,
        }
    }

    /// Sends the first `count` to whoever they came from.
    fn send(&mut self, socket: &UdpSocket, count: usize) -> io::Result<()> {
        let mut sent = 0;
        while sent < count {
            // SAFETY: as above.
            let done = self.headers(count, |headers| unsafe {
                let rest = &mut headers[sent..];
                libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as u32, 0)
            });
            sent += counted(done)?;
        }
        Ok(())
    }

    fn headers(&mut self, count: usize, call: impl FnOnce(&mut [libc::mmsghdr]) -> i32) -> i32 {
        let mut parts: Vec<libc::iovec> = self.bytes[..count]
            .iter_mut()
            .map(|bytes| libc::iovec {
                iov_base: bytes.as_mut_ptr().cast(),
                iov_len: SIZE,
            })
            .collect();
        let headers = parts.iter_mut().zip(&mut self.names).map(|(part, name)| {
            // SAFETY: a header is numbers and pointers, for which zero is a value.
            let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = std::ptr::from_mut(name).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
            header
        });
        call(&mut headers.collect::<Vec<_>>())
    }
}

/// Echoes for so long between two threads, each on a core of its own.
pub(crate) fn run(time: Duration) -> io::Result<Echoed> {
    let (server, client) = (socket()?, socket()?);
    let end = Instant::now() + time;
    let address = server.local_addr()?;
    std::thread::scope(|scope| {
        let serving = scope.spawn(move || serve(&server, end));
        let asked = ask(&client, address, end);
        let answered = serving.join().expect("the server does not panic")?;
        let (sent, back) = asked?;
        Ok(Echoed {
            packets: sent + answered,
            rate: back as f64 / time.as_secs_f64(),
        })
    })
}

fn serve(socket: &UdpSocket, end: Instant) -> io::Result<u64> {
    pin(1)?;
    let (mut batch, mut answered) = (Batch::new(), 0);
    // A little longer than the client, so that nothing waits for an answer.
    while Instant::now() < end + Duration::from_millis(100) {
        let got = batch.receive(socket)?;
        batch.send(socket, got)?;
        answered += got as u64;
    }
    Ok(answered)
}

fn ask(socket: &UdpSocket, server: std::net::SocketAddr, end: Instant) -> io::Result<(u64, u64)> {
    pin(0)?;
    let (mut batch, mut sent, mut back) = (Batch::new(), 0, 0);
    let first = |batch: &mut Batch| {
        let std::net::SocketAddr::V4(server) = server else {
            unreachable!("the socket is one of IPv4");
        };
        for name in &mut batch.names {
            name.sin_family = libc::AF_INET as u16;
            name.sin_port = server.port().to_be();
            name.sin_addr.s_addr = u32::from(*server.ip()).to_be();
        }
    };
    first(&mut batch);
    batch.send(socket, WINDOW)?;
    sent += WINDOW as u64;
    while Instant::now() < end {
        let mut got = batch.receive(socket)?;
        back += got as u64;
        if got == 0 {
            // What was lost is asked for again.
            first(&mut batch);
            got = WINDOW;
        }
        batch.send(socket, got)?;
        sent += got as u64;
    }
    Ok((sent, back))
}

fn socket() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    Ok(socket)
}

fn pin(core: usize) -> io::Result<()> {
    // SAFETY: a set of cores is numbers only, and lives until the call returns.
    let done = unsafe {
        let mut cores: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut cores);
        libc::sched_setaffinity(0, size_of_val(&cores), &raw const cores)
    };
    counted(done).map(drop)
}

fn counted(done: i32) -> io::Result<usize> {
    usize::try_from(done).map_err(|_| io::Error::last_os_error())
}
