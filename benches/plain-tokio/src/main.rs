//! `plain-tokio [BYTES]`: an echo over TCP with a task and a buffer a connection, as the tutorials
//! write it. Prints its endpoint first. BYTES is the buffer, 16 KiB unless given.

use std::io::Write as _;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

async fn echo(mut stream: TcpStream, buffer: usize) {
    let _ = stream.set_nodelay(true);
    let mut buffer = vec![0; buffer];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
}

async fn serve(buffer: usize) -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("tcp://{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(echo(stream, buffer));
    }
}

fn main() -> std::io::Result<()> {
    let buffer = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(16 * 1024);
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?
        .block_on(serve(buffer))
}
