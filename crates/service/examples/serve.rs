//! `serve SERVICE [ENDPOINT]`: the smallest program that runs a service.
//!
//! ```console
//! $ cargo run --example serve -p sockeye-service -- upper 127.0.0.1:0
//! tcp://127.0.0.1:40551
//! ```

use std::error::Error;

use sockeye_net::{Endpoint, Listener, Net, datagram, listen};
use sockeye_service::reply::{Chargen, Discard, Echo, Upper};
use sockeye_service::{Entrance, Options, Server, Service};
use sockeye_trace::Recorder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let service: Service = match words.next().as_deref() {
        Some("echo") => Echo.into(),
        Some("upper") => Upper::default().into(),
        Some("discard") => Discard.into(),
        Some("chargen") => Chargen.into(),
        _ => return Err("usage: serve echo|upper|discard|chargen [ENDPOINT]".into()),
    };
    let place = words.next().unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let net = Net::new(Recorder::new());
    let mut entrances = vec![];
    if let Some(address) = place.strip_prefix("udp://") {
        let socket = std::net::UdpSocket::bind(address)?;
        println!("udp://{}", socket.local_addr()?);
        let socket = datagram::Socket::new(socket.into(), net.recorder.clone())?;
        entrances.push(Listener::Datagram(socket).into());
    } else {
        let endpoint: Endpoint = place.parse()?;
        let framing = endpoint.settings.framing().cloned();
        for listener in listen(&net, &endpoint).await? {
            println!("{}", listener.local()?);
            entrances.push(Entrance {
                listener,
                framing: framing.clone(),
            });
        }
    }
    let server = Server::new(service, Options::default(), net.recorder);
    server.run(entrances, std::future::pending()).await?;
    Ok(())
}
