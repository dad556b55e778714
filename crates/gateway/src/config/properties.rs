//! librdkafka properties that pass through, and those that do not.

use std::collections::BTreeMap;
use std::fmt;

use super::secret::Secret;

/// Free librdkafka properties, none of them one that the gateway decides itself.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct KafkaProperties(BTreeMap<String, String>);

impl KafkaProperties {
    pub(crate) fn new(properties: BTreeMap<String, String>) -> Self {
        Self(properties)
    }

    /// These and `default`, unless that is among them.
    #[must_use]
    pub fn with_default(mut self, name: &str, default: &str) -> Self {
        let entry = self.0.entry(name.to_owned());
        entry.or_insert_with(|| default.to_owned());
        self
    }

    /// Name and value of each, by name. Some values are secrets: not for a log.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for KafkaProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self
            .iter()
            .map(|(name, value)| (name, display_property(name, value)));
        f.debug_map().entries(shown).finish()
    }
}

/// A property's value as it may be printed.
pub(crate) fn display_property<'a>(name: &str, value: &'a str) -> &'a str {
    const SECRET_PARTS: [&str; 7] = [
        "password",
        "secret",
        "passphrase",
        "token",
        ".pem",
        "assertion",
        "private",
    ];
    if SECRET_PARTS.iter().any(|part| name.contains(part)) {
        Secret::SHOWN
    } else {
        value
    }
}

/// A librdkafka property the gateway does not take.
#[derive(Debug)]
pub struct RefusedProperty {
    /// The property, or the beginning of several when it ends in `.`.
    pub name: &'static str,
    /// The reason, and what to set instead where there is something.
    pub reason: &'static str,
}

/// Returns the reason for which `name` is refused; `None` when it passes.
pub(crate) fn refused_property(name: &str) -> Option<&'static RefusedProperty> {
    REFUSED_PROPERTIES.iter().find(|refused| {
        refused.name == name || (refused.name.ends_with('.') && name.starts_with(refused.name))
    })
}

const fn refuse(name: &'static str, reason: &'static str) -> RefusedProperty {
    RefusedProperty { name, reason }
}

const BROKERS: &str = "set `kafka.bootstrap_servers`";
const PROTOCOL: &str = "set `kafka.security_protocol`";
const MECHANISM: &str = "set `kafka.sasl_mechanism`";
const CA: &str = "set `kafka.ssl_ca`";
const CERTIFICATE: &str = "set `kafka.ssl_certificate` and `kafka.ssl_key`";
const DEADLINE: &str =
    "set `kafka.publish_timeout`: only the delivery report decides whether a question was taken";
const DURABLE: &str =
    "`accepted` means that all in-sync replicas have the question, once and in order";
const POSITION: &str = "the gateway keeps its own position: offsets are resolved before readiness, and nothing is committed";
const CALLBACKS: &str =
    "the gateway takes librdkafka's errors, log and statistics by its callbacks";
const OAUTH: &str = "set `kafka.oauth_token_url` and the other `kafka.oauth_` keys";

/// Every refused property.
pub const REFUSED_PROPERTIES: &[RefusedProperty] = &[
    refuse("bootstrap.servers", BROKERS),
    refuse("metadata.broker.list", BROKERS),
    refuse("group.id", "set `kafka.group_id`"),
    refuse(
        "auto.offset.reset",
        "set `kafka.auto_offset_reset`; in broadcast mode out of range always means the earliest offset, never a jump to the end",
    ),
    refuse("security.protocol", PROTOCOL),
    refuse("sasl.mechanism", MECHANISM),
    refuse("sasl.mechanisms", MECHANISM),
    refuse("sasl.username", "set `kafka.api_key`"),
    refuse("sasl.password", "set `kafka.api_secret`"),
    refuse("sasl.oauthbearer.", OAUTH),
    refuse("enable.sasl.oauthbearer.unsecure.jwt", OAUTH),
    refuse(
        "sasl.kerberos.",
        "Kerberos is not built in; set `kafka.sasl_mechanism` to another",
    ),
    refuse("ssl.ca.location", CA),
    refuse("ssl.ca.pem", CA),
    refuse("ssl.certificate.location", CERTIFICATE),
    refuse("ssl.certificate.pem", CERTIFICATE),
    refuse("ssl.key.location", CERTIFICATE),
    refuse("ssl.key.pem", CERTIFICATE),
    refuse("ssl.keystore.", CERTIFICATE),
    refuse("ssl.key.password", "set `kafka.ssl_key_password`"),
    refuse("message.timeout.ms", DEADLINE),
    refuse("delivery.timeout.ms", DEADLINE),
    refuse("delivery.report.only.error", DEADLINE),
    refuse("enable.idempotence", DURABLE),
    refuse("enable.gapless.guarantee", DURABLE),
    refuse("acks", DURABLE),
    refuse("request.required.acks", DURABLE),
    refuse("max.in.flight", DURABLE),
    refuse("max.in.flight.requests.per.connection", DURABLE),
    refuse("retries", DURABLE),
    refuse("message.send.max.retries", DURABLE),
    refuse(
        "transactional.id",
        "a question is one record and needs no transaction; one would hold answers back",
    ),
    refuse(
        "isolation.level",
        "an answer of an aborted transaction must not be shown",
    ),
    refuse("enable.auto.commit", POSITION),
    refuse("auto.commit.enable", POSITION),
    refuse("enable.auto.offset.store", POSITION),
    refuse("offset.store.", POSITION),
    refuse("auto.commit.interval.ms", POSITION),
    refuse(
        "group.instance.id",
        "two replicas with one id would throw each other out of the group",
    ),
    refuse("partition.assignment.strategy", POSITION),
    refuse(
        "enable.partition.eof",
        "the gateway reads to the end of partitions itself and needs these events as it sets them",
    ),
    refuse(
        "allow.auto.create.topics",
        "the gateway never creates topics: a misspelt one must be an error",
    ),
    refuse("enabled_events", CALLBACKS),
    refuse("log.queue", CALLBACKS),
    refuse(
        "statistics.interval.ms",
        "readiness and the replacement of clients rest on statistics once a second",
    ),
    refuse(
        "metadata.recovery.",
        "set `kafka.reconnect_timeout`: the gateway replaces a client without a broker itself",
    ),
    refuse("test.mock.", "it would replace the real brokers by a mock"),
    refuse(
        "plugin.library.paths",
        "no foreign code is loaded into the process",
    ),
    refuse("ssl.engine.", "no foreign code is loaded into the process"),
];
