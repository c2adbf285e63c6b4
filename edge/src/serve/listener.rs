use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpStream};

/// A bound port. Binding is apart from serving so that a program can bind all its ports, or fail,
/// before it does anything else.
#[derive(Debug)]
pub struct Listener {
    name: &'static str,
    address: SocketAddr,
    socket: TcpListener,
}

/// A port that cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for {name}: {source}{}", way_out(source))]
pub struct BindError {
    name: &'static str,
    address: SocketAddr,
    source: io::Error,
}

impl Listener {
    /// Binds `address` (port 0: any free port) and logs it. `name` says what is served there.
    pub async fn bind(address: SocketAddr, name: &'static str) -> Result<Self, BindError> {
        let failed = |source| BindError { name, address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        tracing::info!(listener = name, %address, "listening");
        Ok(Self { name, address, socket })
    }

    /// The bound address, with the port that was chosen for port 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.socket.accept().await
    }
}

fn way_out(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; stop what listens there or choose another port",
        io::ErrorKind::PermissionDenied => "; choose a port above 1023",
        io::ErrorKind::AddrNotAvailable => "; choose an address that this host has, or 0.0.0.0",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named_with_a_way_out() {
        let first = Listener::bind("127.0.0.1:0".parse().unwrap(), "first").await.unwrap();
        let address = first.local_addr();
        let error = Listener::bind(address, "second").await.unwrap_err().to_string();
        assert!(error.contains(&format!("cannot listen on {address} for second")), "{error}");
        assert!(error.ends_with("choose another port"), "{error}");
    }
}
