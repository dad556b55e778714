//! Asks brokers whether they serve this process, over a bare socket and past librdkafka: what tells a
//! process that is cut off from a Kafka that is away.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use crate::KafkaSettings;
use crate::client_config::KafkaSecurity;

/// The addresses that are asked when no client of the process gets a connection.
#[derive(Debug, Clone)]
pub(crate) struct BrokerProbe {
    /// `host:port`; empty where a bare socket cannot tell anything.
    addresses: Vec<String>,
}

impl BrokerProbe {
    /// The most addresses that are asked, so that a probe ends in time.
    const MAX_ADDRESSES: usize = 3;
    /// The longest time for each to take the connection, and to answer.
    const ADDRESS_TIMEOUT: Duration = Duration::from_secs(2);
    /// The longest time for all of them together, name servers included.
    const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

    /// The bootstrap servers, where connections are neither encrypted nor authenticated. Elsewhere a
    /// login or a certificate that all replicas share can be the cause, and nobody is asked.
    pub(crate) fn new(settings: &KafkaSettings) -> Self {
        let servers = settings.bootstrap_servers.split(',').map(str::trim);
        let addresses = match settings.security {
            KafkaSecurity::Plaintext => servers
                .filter(|server| !server.is_empty())
                .take(Self::MAX_ADDRESSES)
                .map(str::to_owned)
                .collect(),
            KafkaSecurity::Tls(_) | KafkaSecurity::Sasl(_) | KafkaSecurity::SaslTls(..) => {
                Vec::new()
            }
        };
        Self { addresses }
    }

    /// Tells whether a broker answers this process: one of `learned`, the addresses that a client knows
    /// from the brokers, or of the bootstrap servers where it knows none. Blocks for
    /// [`Self::PROBE_TIMEOUT`] at most: a name server that is away answers later than that.
    pub(crate) fn is_answered(&self, learned: &[String]) -> bool {
        if self.addresses.is_empty() {
            return false;
        }
        let asked = if learned.is_empty() {
            &self.addresses
        } else {
            learned
        };
        let asked: Vec<String> = asked.iter().take(Self::MAX_ADDRESSES).cloned().collect();
        let (tell, told) = sync_channel(1);
        // Left behind when it is late; the next one is asked minutes later.
        let asking = thread::Builder::new()
            .name("probe".to_owned())
            .spawn(move || {
                let mut asked = asked.iter();
                let answered = asked
                    .any(|one| matches!(is_broker_answering(one, Self::ADDRESS_TIMEOUT), Ok(true)));
                // Nobody listens any more when it comes late.
                tell.send(answered).unwrap_or_default();
            });
        asking.is_ok() && told.recv_timeout(Self::PROBE_TIMEOUT).unwrap_or(false)
    }
}

/// Sends an `ApiVersions` request, which every broker answers to everybody. A broker that is stopped
/// takes the connection, too, and does not answer.
fn is_broker_answering(address: &str, patience: Duration) -> io::Result<bool> {
    let Some(resolved) = address.to_socket_addrs()?.next() else {
        return Ok(false);
    };
    let mut broker = TcpStream::connect_timeout(&resolved, patience)?;
    broker.set_read_timeout(Some(patience))?;
    broker.set_write_timeout(Some(patience))?;
    broker.write_all(&API_VERSIONS_REQUEST)?;
    let mut head = [0; 8];
    broker.read_exact(&mut head)?;
    Ok(is_reply(head))
}

/// Tells whether these are the length and the correlation id of a reply to [`API_VERSIONS_REQUEST`].
fn is_reply(head: [u8; 8]) -> bool {
    const MAX_REPLY_LENGTH: u32 = 1 << 16;
    let [a, b, c, d, correlation @ ..] = head;
    let length = u32::from_be_bytes([a, b, c, d]);
    (6..=MAX_REPLY_LENGTH).contains(&length) && correlation == CORRELATION_ID
}

const CORRELATION_ID: [u8; 4] = *b"agw1";
/// `ApiVersions`, version 0, without a client id, behind its length.
const API_VERSIONS_REQUEST: [u8; 14] =
    [0, 0, 0, 10, 0, 18, 0, 0, b'a', b'g', b'w', b'1', 0xff, 0xff];

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use rdkafka::mocking::MockCluster;

    use super::*;
    use crate::client_config::TlsSettings;

    #[test]
    fn a_broker_that_serves_is_seen() {
        let cluster = MockCluster::new(1).unwrap();
        let probe = BrokerProbe::new(&KafkaSettings::new(cluster.bootstrap_servers()));
        assert!(probe.is_answered(&[]));
        let learned = ["127.0.0.1:1".to_owned()];
        assert!(!probe.is_answered(&learned), "what is learned leads");
    }

    #[test]
    fn one_that_takes_connections_and_says_nothing_is_not() {
        let stopped = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = stopped.local_addr().unwrap().to_string();
        let patience = Duration::from_millis(20);
        assert!(is_broker_answering(&address, patience).is_err());
    }

    #[test]
    fn something_that_is_no_broker_is_not() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap().to_string();
        thread::scope(|scope| {
            scope.spawn(|| {
                other
                    .accept()
                    .unwrap()
                    .0
                    .write_all(b"HTTP/1.1 400 ")
                    .unwrap()
            });
            assert!(!is_broker_answering(&address, BrokerProbe::ADDRESS_TIMEOUT).unwrap());
        });
    }

    #[test]
    fn where_connections_are_encrypted_nobody_is_asked() {
        let cluster = MockCluster::new(1).unwrap();
        let settings = KafkaSettings {
            security: KafkaSecurity::Tls(TlsSettings::default()),
            ..KafkaSettings::new(cluster.bootstrap_servers())
        };
        assert!(!BrokerProbe::new(&settings).is_answered(&[cluster.bootstrap_servers()]));
    }
}
