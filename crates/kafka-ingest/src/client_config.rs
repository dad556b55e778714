//! From settings to librdkafka's properties: what the gateway prefers, then what the user wants, then
//! what the guarantees rest on. The last has the last word, and setting it is refused by name.

mod dead_letters;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use crate::StartError;
pub(crate) use dead_letters::{
    dead_letter_producer_config, owner_election_config, range_consumer_config,
};

/// The connection to Kafka and its login.
#[derive(Debug, Clone)]
pub struct KafkaSettings {
    /// `host:port` of the brokers to ask first, separated by commas.
    pub bootstrap_servers: String,
    /// The name of this client in the brokers' logs and quotas.
    pub client_id: String,
    /// Encryption and login.
    pub security: KafkaSecurity,
    /// The time for which a client may be without a connection to any broker before a new one takes its place.
    /// More than some seconds: a client says once a second whether it is connected.
    pub reconnect_timeout: Duration,
    /// Free librdkafka properties by name; [`REFUSED_PROPERTIES`] are refused. Values may be secrets.
    pub properties: BTreeMap<String, Secret>,
}

impl KafkaSettings {
    /// Plaintext, no login, 30 s to reconnect, no further properties.
    pub fn new(bootstrap_servers: impl Into<String>) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.into(),
            client_id: "answer-gateway".to_owned(),
            security: KafkaSecurity::Plaintext,
            reconnect_timeout: Duration::from_secs(30),
            properties: BTreeMap::new(),
        }
    }
}

/// The encryption and authentication of a connection.
#[derive(Debug, Clone)]
pub enum KafkaSecurity {
    /// Neither encrypted nor authenticated.
    Plaintext,
    /// TLS, with a client certificate if one is set.
    Tls(TlsSettings),
    /// SASL in the clear.
    Sasl(SaslCredentials),
    /// SASL inside TLS.
    SaslTls(SaslCredentials, TlsSettings),
}

/// TLS settings. The broker's name is checked against its certificate.
#[derive(Debug, Clone, Default)]
pub struct TlsSettings {
    /// Certificates (PEM) to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// The certificate of this client.
    pub client: Option<ClientCertificate>,
}

/// A client certificate and its key.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// The certificate (PEM).
    pub certificate: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
    /// The key's password, if it has one.
    pub key_password: Option<Secret>,
}

/// A SASL mechanism and its credentials.
#[derive(Debug, Clone)]
pub enum SaslCredentials {
    /// PLAIN: the password as it is; only inside TLS.
    Plain {
        /// User name, or API key.
        username: Secret,
        /// Password, or the API key's secret.
        password: Secret,
    },
    /// SCRAM-SHA-256.
    ScramSha256 {
        /// User name.
        username: Secret,
        /// Password.
        password: Secret,
    },
    /// SCRAM-SHA-512.
    ScramSha512 {
        /// User name.
        username: Secret,
        /// Password.
        password: Secret,
    },
    /// OAUTHBEARER with tokens of an OpenID Connect provider, fetched by librdkafka.
    OauthBearer(OauthBearerSettings),
}

/// The provider that tokens are fetched from.
#[derive(Debug, Clone)]
pub struct OauthBearerSettings {
    /// The provider's token endpoint.
    pub token_url: String,
    /// Client id.
    pub client_id: String,
    /// Client secret.
    pub client_secret: Secret,
    /// Scope to ask for.
    pub scope: Option<String>,
}

/// A text that prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes `text` out of sight.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Properties that [`KafkaSettings::properties`] may not hold. One that ends in `.` stands for all
/// that begin with it.
pub const REFUSED_PROPERTIES: &[&str] = &[
    "acks",
    "allow.auto.create.topics",
    "auto.commit.enable",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "bootstrap.servers",
    "delivery.report.only.error",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "enable.sasl.oauthbearer.unsecure.jwt",
    "enabled_events",
    "group.id",
    "group.instance.id",
    "isolation.level",
    "log.queue",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.send.max.retries",
    "message.timeout.ms",
    "metadata.broker.list",
    "metadata.recovery.",
    "offset.store.",
    "partition.assignment.strategy",
    "plugin.library.paths",
    "request.required.acks",
    "retries",
    "sasl.kerberos.",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.oauthbearer.",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.engine.",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.",
    "statistics.interval.ms",
    "test.mock.",
    "transactional.id",
];

/// The property that bounds a reply of a broker, and what a batch compressed by zstd may unpack to.
const MAX_RECEIVE_PROPERTY: &str = "receive.message.max.bytes";
/// The same, unless it is set: 64 times the largest batch that a topic takes by default.
pub(crate) const DEFAULT_MAX_RECEIVE_BYTES: usize = 64 << 20;

/// Builds the configuration of the answers' consumer.
///
/// Unless `joins`, `group_id` only names the client: partitions are assigned by hand, the group is
/// never joined and no offset is committed.
pub(crate) fn consumer_config(
    settings: &KafkaSettings,
    group_id: &str,
    joins: bool,
) -> Result<ClientConfig, StartError> {
    const PREFERRED: &[(&str, &str)] = &[
        // How long an idle fetch waits, which is also how old the high watermarks can be.
        ("fetch.wait.max.ms", "100"),
        // The defaults, 1 s and 500 ms, are long against an answer's way of some milliseconds.
        ("fetch.queue.backoff.ms", "20"),
        ("fetch.error.backoff.ms", "200"),
        // All prefetched records together; the default is 64 MiB.
        ("queued.max.messages.kbytes", "16384"),
        // New partitions, and a topic that is gone, are noticed by this.
        ("topic.metadata.refresh.interval.ms", "5000"),
        // Told after this; whether it is true is looked into before anything is done.
        ("topic.metadata.propagation.max.ms", "1000"),
    ];
    const OWN: &[(&str, &str)] = &[
        ("isolation.level", "read_committed"),
        ("enable.auto.offset.store", "false"),
        ("enable.partition.eof", "false"),
        // An offset that is gone means that the log was cut or made anew: read what is there.
        ("auto.offset.reset", "earliest"),
    ];
    let mut config = base_config(settings, PREFERRED, OWN)?;
    // librdkafka refuses a reply that may be smaller than a fetch; whoever sets that sets this too.
    let fetches_more = ["fetch.max.bytes", "message.max.bytes"]
        .iter()
        .any(|name| settings.properties.contains_key(*name));
    if !fetches_more && !settings.properties.contains_key(MAX_RECEIVE_PROPERTY) {
        config.set(MAX_RECEIVE_PROPERTY, DEFAULT_MAX_RECEIVE_BYTES.to_string());
    }
    config.set("group.id", group_id);
    // Commits what was stored, which is what was handed over.
    config.set("enable.auto.commit", if joins { "true" } else { "false" });
    config.set("auto.commit.interval.ms", "1000");
    config.set("partition.assignment.strategy", "range");
    validate(config)
}

/// Builds the configuration of the questions' producer. `deadline` is how long a question may take, and
/// `queue` how many may wait for their delivery report.
pub(crate) fn producer_config(
    settings: &KafkaSettings,
    deadline: Duration,
    queue: usize,
) -> Result<ClientConfig, StartError> {
    const PREFERRED: &[(&str, &str)] = &[
        // Long enough to fill requests under load; the default of 5 ms would be the largest part of
        // a question's way.
        ("linger.ms", "0.5"),
        ("queue.buffering.max.kbytes", "65536"),
        ("topic.metadata.refresh.interval.ms", "10000"),
    ];
    const OWN: &[(&str, &str)] = &[("enable.idempotence", "true"), ("acks", "all")];
    let mut config = base_config(settings, PREFERRED, OWN)?;
    let deadline = deadline.as_millis().max(1).to_string();
    config.set("request.timeout.ms", &deadline);
    config.set("message.timeout.ms", deadline);
    config.set("queue.buffering.max.messages", queue.max(1).to_string());
    validate(config)
}

fn base_config(
    settings: &KafkaSettings,
    preferred: &[(&str, &str)],
    own: &[(&str, &str)],
) -> Result<ClientConfig, StartError> {
    const PREFERRED: &[(&str, &str)] = &[
        // librdkafka doubles and jitters these (-25 % to +50 %).
        ("reconnect.backoff.ms", "50"),
        ("reconnect.backoff.max.ms", "2000"),
        // A connection that is cut without a word is noticed after this, not after a minute.
        ("socket.timeout.ms", "10000"),
        ("socket.connection.setup.timeout.ms", "10000"),
        ("socket.keepalive.enable", "true"),
        // The process has metrics of its own; brokers need not collect them.
        ("enable.metrics.push", "false"),
    ];
    const OWN: &[(&str, &str)] = &[
        // A misspelt topic must be an error.
        ("allow.auto.create.topics", "false"),
        ("statistics.interval.ms", "1000"),
        // The default, said on purpose: with every known broker gone, ask the bootstrap servers.
        ("metadata.recovery.strategy", "rebootstrap"),
        // The same after so long without a metadata reply; the default is 5 min. What neither notices
        // is left to `replacement`.
        ("metadata.recovery.rebootstrap.trigger.ms", "10000"),
    ];
    let mut config = ClientConfig::new();
    // Which lines are written is decided where all others are; the binding would ask another library.
    config.set_log_level(RDKafkaLogLevel::Debug);
    for (name, value) in PREFERRED.iter().chain(preferred) {
        config.set(*name, *value);
    }
    for (name, value) in &settings.properties {
        if is_refused(name) {
            return Err(StartError::RefusedProperty { name: name.clone() });
        }
        config.set(name, value.expose());
    }
    for (name, value) in OWN.iter().chain(own) {
        config.set(*name, *value);
    }
    config.set("bootstrap.servers", &settings.bootstrap_servers);
    config.set("client.id", &settings.client_id);
    apply_security(&mut config, &settings.security);
    Ok(config)
}

fn is_refused(name: &str) -> bool {
    REFUSED_PROPERTIES
        .iter()
        .any(|refused| *refused == name || (refused.ends_with('.') && name.starts_with(refused)))
}

fn apply_security(config: &mut ClientConfig, security: &KafkaSecurity) {
    let (protocol, sasl, tls) = match security {
        KafkaSecurity::Plaintext => ("plaintext", None, None),
        KafkaSecurity::Tls(tls) => ("ssl", None, Some(tls)),
        KafkaSecurity::Sasl(sasl) => ("sasl_plaintext", Some(sasl), None),
        KafkaSecurity::SaslTls(sasl, tls) => ("sasl_ssl", Some(sasl), Some(tls)),
    };
    config.set("security.protocol", protocol);
    if let Some(sasl) = sasl {
        apply_sasl(config, sasl);
    }
    let Some(tls) = tls else { return };
    if let Some(ca) = &tls.ca {
        config.set("ssl.ca.location", ca.to_string_lossy());
    }
    if let Some(client) = &tls.client {
        config.set(
            "ssl.certificate.location",
            client.certificate.to_string_lossy(),
        );
        config.set("ssl.key.location", client.key.to_string_lossy());
        if let Some(password) = &client.key_password {
            config.set("ssl.key.password", password.expose());
        }
    }
}

fn apply_sasl(config: &mut ClientConfig, sasl: &SaslCredentials) {
    let (mechanism, username, password) = match sasl {
        SaslCredentials::Plain { username, password } => ("PLAIN", username, password),
        SaslCredentials::ScramSha256 { username, password } => {
            ("SCRAM-SHA-256", username, password)
        }
        SaslCredentials::ScramSha512 { username, password } => {
            ("SCRAM-SHA-512", username, password)
        }
        SaslCredentials::OauthBearer(oauth) => {
            config.set("sasl.mechanism", "OAUTHBEARER");
            config.set("sasl.oauthbearer.method", "oidc");
            config.set("sasl.oauthbearer.token.endpoint.url", &oauth.token_url);
            config.set("sasl.oauthbearer.client.id", &oauth.client_id);
            config.set(
                "sasl.oauthbearer.client.secret",
                oauth.client_secret.expose(),
            );
            if let Some(scope) = &oauth.scope {
                config.set("sasl.oauthbearer.scope", scope);
            }
            return;
        }
    };
    config.set("sasl.mechanism", mechanism);
    config.set("sasl.username", username.expose());
    config.set("sasl.password", password.expose());
}

/// Has librdkafka look at every property now, so that a mistake is told at the start.
fn validate(config: ClientConfig) -> Result<ClientConfig, StartError> {
    match config.create_native_config() {
        Ok(_) => Ok(config),
        // Neither the description nor the value is repeated: both hold the value.
        Err(KafkaError::ClientConfig(_, _, name, _)) => Err(StartError::Property { name }),
        Err(error) => Err(StartError::client(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "canary-secret";

    fn settings(properties: &[(&str, &str)]) -> KafkaSettings {
        KafkaSettings {
            properties: properties
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)))
                .collect(),
            ..KafkaSettings::new("kafka:9092")
        }
    }

    fn secret() -> Secret {
        Secret::new(CANARY)
    }

    fn producer_of(settings: &KafkaSettings) -> Result<ClientConfig, StartError> {
        producer_config(settings, Duration::from_secs(5), 100)
    }

    #[test]
    fn what_a_batch_unpacks_to_is_bounded_unless_somebody_says_otherwise() {
        let bound = |properties: &[(&str, &str)]| {
            let config = consumer_config(&settings(properties), "group", false).unwrap();
            config.get("receive.message.max.bytes").map(str::to_owned)
        };
        assert_eq!(bound(&[]).as_deref(), Some("67108864"));
        let named = ("receive.message.max.bytes", "200000000");
        assert_eq!(bound(&[named]).as_deref(), Some("200000000"));
        // librdkafka then makes room for what is fetched.
        assert_eq!(bound(&[("fetch.max.bytes", "90000000")]), None);
        assert_eq!(bound(&[("message.max.bytes", "90000000")]), None);
        assert_eq!(
            bound(&[("queued.max.messages.kbytes", "1000000")]).as_deref(),
            Some("67108864")
        );
    }

    #[test]
    fn what_the_guarantees_rest_on_is_set() {
        let consumer = consumer_config(&settings(&[]), "group", false).unwrap();
        for (name, value) in [
            ("bootstrap.servers", "kafka:9092"),
            ("group.id", "group"),
            ("isolation.level", "read_committed"),
            ("auto.offset.reset", "earliest"),
            ("enable.auto.commit", "false"),
            ("allow.auto.create.topics", "false"),
        ] {
            assert_eq!(consumer.get(name), Some(value), "{name}");
        }
        let member = consumer_config(&settings(&[]), "group", true).unwrap();
        for (name, value) in [
            ("enable.auto.commit", "true"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "earliest"),
        ] {
            assert_eq!(member.get(name), Some(value), "{name}");
        }
        let producer = producer_of(&settings(&[])).unwrap();
        for (name, value) in [
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("message.timeout.ms", "5000"),
            ("queue.buffering.max.messages", "100"),
            ("allow.auto.create.topics", "false"),
        ] {
            assert_eq!(producer.get(name), Some(value), "{name}");
        }
    }

    #[test]
    fn a_user_may_tune_what_no_guarantee_rests_on() {
        let tuned = settings(&[("linger.ms", "20"), ("socket.timeout.ms", "3000")]);
        let producer = producer_of(&tuned).unwrap();
        assert_eq!(producer.get("linger.ms"), Some("20"));
        assert_eq!(producer.get("socket.timeout.ms"), Some("3000"));
    }

    #[test]
    fn every_refused_property_is_refused_by_its_name() {
        let below = |name: &&str| {
            let name = (*name).to_owned();
            if name.ends_with('.') {
                name + "x"
            } else {
                name
            }
        };
        for name in REFUSED_PROPERTIES.iter().map(below) {
            let refused = consumer_config(&settings(&[(&name, "1")]), "group", false);
            assert!(
                matches!(&refused, Err(StartError::RefusedProperty { name: said }) if *said == name),
                "{name}: {refused:?}"
            );
        }
        assert!(!is_refused("acksx") && !is_refused("offset.store"));
    }

    #[test]
    fn a_property_librdkafka_does_not_take_is_named_and_its_value_is_not() {
        for (name, value) in [("no.such.property", CANARY), ("linger.ms", CANARY)] {
            let error = producer_of(&settings(&[(name, value)])).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(said.contains(name) && !said.contains(CANARY), "{said}");
        }
    }

    #[test]
    fn each_way_to_log_in_is_one_librdkafka_accepts() {
        let user = || (secret(), secret());
        let (username, password) = user();
        let plain = SaslCredentials::Plain { username, password };
        let (username, password) = user();
        let scram_256 = SaslCredentials::ScramSha256 { username, password };
        let (username, password) = user();
        let scram_512 = SaslCredentials::ScramSha512 { username, password };
        let oauth = SaslCredentials::OauthBearer(OauthBearerSettings {
            token_url: "https://login.example/token".to_owned(),
            client_id: "gateway".to_owned(),
            client_secret: secret(),
            scope: Some("kafka".to_owned()),
        });
        for (sasl, mechanism) in [
            (plain, "PLAIN"),
            (scram_256, "SCRAM-SHA-256"),
            (scram_512, "SCRAM-SHA-512"),
            (oauth, "OAUTHBEARER"),
        ] {
            let settings = KafkaSettings {
                security: KafkaSecurity::SaslTls(sasl, TlsSettings::default()),
                ..settings(&[])
            };
            let config = consumer_config(&settings, "group", false).unwrap();
            assert_eq!(config.get("security.protocol"), Some("sasl_ssl"));
            assert_eq!(config.get("sasl.mechanism"), Some(mechanism));
            config
                .create::<rdkafka::consumer::BaseConsumer>()
                .unwrap_or_else(|error| panic!("{mechanism}: {error}"));
        }
    }

    #[test]
    fn secrets_are_in_no_debug_output() {
        let settings = KafkaSettings {
            security: KafkaSecurity::SaslTls(
                SaslCredentials::Plain {
                    username: secret(),
                    password: secret(),
                },
                TlsSettings {
                    ca: None,
                    client: Some(ClientCertificate {
                        certificate: "cert.pem".into(),
                        key: "key.pem".into(),
                        key_password: Some(secret()),
                    }),
                },
            ),
            ..settings(&[("sasl.jaas", CANARY)])
        };
        let printed = format!("{settings:?}");
        assert!(
            printed.contains("cert.pem") && !printed.contains(CANARY),
            "{printed}"
        );
    }
}
