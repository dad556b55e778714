//! librdkafka properties that pass through, and those that do not.

use std::collections::BTreeMap;
use std::fmt;

use super::secret::Secret;

/// Free librdkafka properties, none of them one that the gateway decides itself.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Properties(BTreeMap<String, String>);

impl Properties {
    pub(crate) fn new(properties: BTreeMap<String, String>) -> Self {
        Self(properties)
    }

    /// These and `default`, unless that is among them.
    #[must_use]
    pub fn or(mut self, name: &str, default: &str) -> Self {
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

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.iter().map(|(name, value)| (name, shown(name, value)));
        f.debug_map().entries(shown).finish()
    }
}

/// A property's value as it may be printed.
pub(crate) fn shown<'a>(name: &str, value: &'a str) -> &'a str {
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
pub struct Refused {
    /// The property, or the beginning of several when it ends in `.`.
    pub name: &'static str,
    /// Why, and what to set instead where there is something.
    pub reason: &'static str,
}

/// Why `name` is refused; `None` when it passes.
pub(crate) fn refused(name: &str) -> Option<&'static Refused> {
    REFUSED.iter().find(|refused| {
        refused.name == name || (refused.name.ends_with('.') && name.starts_with(refused.name))
    })
}

const fn own(name: &'static str, reason: &'static str) -> Refused {
    Refused { name, reason }
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
const OAUTH: &str = "set `kafka.oauth_token_url` and the other `kafka.oauth_` keys";

/// Every refused property.
pub const REFUSED: &[Refused] = &[
    own("bootstrap.servers", BROKERS),
    own("metadata.broker.list", BROKERS),
    own("group.id", "set `kafka.group_id`"),
    own(
        "auto.offset.reset",
        "set `kafka.auto_offset_reset`; in broadcast mode out of range always means the earliest offset, never a jump to the end",
    ),
    own("security.protocol", PROTOCOL),
    own("sasl.mechanism", MECHANISM),
    own("sasl.mechanisms", MECHANISM),
    own("sasl.username", "set `kafka.api_key`"),
    own("sasl.password", "set `kafka.api_secret`"),
    own("sasl.oauthbearer.", OAUTH),
    own("enable.sasl.oauthbearer.unsecure.jwt", OAUTH),
    own(
        "sasl.kerberos.",
        "Kerberos is not built in; set `kafka.sasl_mechanism` to another",
    ),
    own("ssl.ca.location", CA),
    own("ssl.ca.pem", CA),
    own("ssl.certificate.location", CERTIFICATE),
    own("ssl.certificate.pem", CERTIFICATE),
    own("ssl.key.location", CERTIFICATE),
    own("ssl.key.pem", CERTIFICATE),
    own("ssl.keystore.", CERTIFICATE),
    own("ssl.key.password", "set `kafka.ssl_key_password`"),
    own("message.timeout.ms", DEADLINE),
    own("delivery.timeout.ms", DEADLINE),
    own("delivery.report.only.error", DEADLINE),
    own("enable.idempotence", DURABLE),
    own("enable.gapless.guarantee", DURABLE),
    own("acks", DURABLE),
    own("request.required.acks", DURABLE),
    own("max.in.flight", DURABLE),
    own("max.in.flight.requests.per.connection", DURABLE),
    own("retries", DURABLE),
    own("message.send.max.retries", DURABLE),
    own(
        "transactional.id",
        "a question is one record and needs no transaction; one would hold answers back",
    ),
    own(
        "isolation.level",
        "an answer of an aborted transaction must not be shown",
    ),
    own("enable.auto.commit", POSITION),
    own("auto.commit.enable", POSITION),
    own("enable.auto.offset.store", POSITION),
    own("offset.store.", POSITION),
    own("auto.commit.interval.ms", POSITION),
    own("partition.assignment.strategy", POSITION),
    own(
        "enable.partition.eof",
        "the gateway reads to the end of partitions itself and needs these events as it sets them",
    ),
    own(
        "allow.auto.create.topics",
        "the gateway never creates topics: a misspelt one must be an error",
    ),
    own("test.mock.", "it would replace the real brokers by a mock"),
    own(
        "plugin.library.paths",
        "no foreign code is loaded into the process",
    ),
    own("ssl.engine.", "no foreign code is loaded into the process"),
];
