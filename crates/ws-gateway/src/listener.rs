//! Listens on a port of this process.

use std::io;
use std::net::{SocketAddr, TcpListener};

/// An address could not be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process, or this one, listens there.
    #[error("{address} is taken by another process")]
    AddressInUse {
        /// The address.
        address: SocketAddr,
    },
    /// The system says no: no such address here, or no right to the port.
    #[error("cannot listen on {address}")]
    SystemError {
        /// The address.
        address: SocketAddr,
        /// In the system's words.
        #[source]
        source: io::Error,
    },
}

/// Connections that may wait to be accepted; the system takes `net.core.somaxconn` if that is less.
/// A burst of clients that reconnect fits.
const BACKLOG: i32 = 4096;

/// Listens on `address`, and says where that is when its port is 0.
pub(crate) fn bind_listener(address: SocketAddr) -> Result<(TcpListener, SocketAddr), BindError> {
    let listen = || {
        let listener = TcpListener::bind(address)?;
        // The standard library asks for 128; asking again changes that of a listening socket.
        rustix::net::listen(&listener, BACKLOG)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    listen().map_err(|source: io::Error| {
        if source.kind() == io::ErrorKind::AddrInUse {
            BindError::AddressInUse { address }
        } else {
            BindError::SystemError { address, source }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_taken_is_named() {
        let (_listener, address) = bind_listener("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = bind_listener(address).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{address} is taken by another process")
        );
    }

    #[test]
    fn a_burst_of_clients_is_connected_before_any_is_accepted() {
        let (_listener, address) = bind_listener("127.0.0.1:0".parse().unwrap()).unwrap();
        let at_once = std::time::Duration::from_millis(500);
        let burst: Vec<_> = (0..300)
            .map(|_| std::net::TcpStream::connect_timeout(&address, at_once))
            .collect();
        // Beyond a backlog of 128 a client would wait for a second try.
        assert!(burst.iter().all(Result::is_ok));
    }

    #[test]
    fn an_address_of_another_machine_is_refused() {
        let elsewhere = "192.0.2.1:1".parse().unwrap();
        assert!(matches!(
            bind_listener(elsewhere),
            Err(BindError::SystemError { .. })
        ));
    }
}
