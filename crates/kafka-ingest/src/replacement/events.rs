//! Logs and counts the replacement of clients. See [`crate::events`] for the rules.

use std::time::Duration;

use tracing::{error, warn};

use crate::events::{ClientRole, Events};

impl Events {
    /// A client without a connection is dropped, and a new one created from the bootstrap servers.
    pub(crate) fn client_replaced(&self, client: ClientRole, disconnected_for: Duration) {
        self.instruments
            .kafka_clients_replaced
            .increment(client.label());
        self.instruments.errors.increment("client_replaced");
        let seconds = disconnected_for.as_secs();
        warn!(
            client = client.label(),
            seconds,
            "Kafka client without a broker: replaced by a new one from the bootstrap servers"
        );
    }

    /// New clients get no connection either, although a broker answers this process.
    pub(crate) fn cut_off(&self, client: ClientRole, disconnected_for: Duration) {
        let seconds = disconnected_for.as_secs();
        error!(
            client = client.label(),
            seconds,
            "no new Kafka client gets a connection, although a broker answers: the process ends"
        );
    }
}
