//! Settings of Kafka and the schema registry.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::choice::{OffsetReset, SaslMechanism, SecurityProtocol};
use crate::config::key::{DefaultValue, section};
use crate::config::kind;
use crate::config::properties::KafkaProperties;
use crate::config::secret::Secret;
use crate::config::values::ConfigValues;

section! {
    /// The broker, the topics and how to log in.
    Kafka "kafka" {
        /// The brokers to ask first. `demo` brings its own.
        bootstrap_servers: String = kind::BOOTSTRAP_SERVERS,
            DefaultValue::ByCommand { run: None, demo: "demo.invalid:9092" },
            aliases: &["KAFKA_BOOTSTRAP_SERVERS"], outside_demo: true;
        /// The topic questions are written to. Never created by the gateway.
        questions_topic: String = kind::TOPIC, DefaultValue::Is("perguntas");
        /// The topic answers are read from. Never created by the gateway.
        answers_topic: String = kind::TOPIC, DefaultValue::Is("respostas");
        /// The topic that answers nobody can decode are copied to, whole, with headers that say why
        /// and where they stood; unset leaves them aside. Never created by the gateway. Needs the
        /// rights Describe, Read and Write on it and Read on the consumer group
        /// `answer-gateway-dead-letters`, and `delivery.mode = broadcast`; every answer is then decoded,
        /// whatever its key. `answer-gateway replay` puts them back.
        dead_letter_topic: Option<String> = kind::TOPIC, DefaultValue::Unset, outside_demo: true;
        /// The consumer group of `delivery.mode = group`; without effect in mode `broadcast`.
        group_id: String = kind::TEXT, DefaultValue::Is("rag-flink-ui-group"),
            aliases: &["KAFKA_CONSUMER_GROUP_ID", "KAFKA_CONSUMER_GROUP"];
        /// Start of a group without offsets; without effect in mode `broadcast`.
        auto_offset_reset: OffsetReset = kind::choice::<OffsetReset>(), DefaultValue::Is("latest"),
            aliases: &["KAFKA_AUTO_OFFSET_RESET"];
        /// Encryption and login of the connections.
        security_protocol: SecurityProtocol = kind::choice::<SecurityProtocol>(), DefaultValue::Is("PLAINTEXT"),
            aliases: &["KAFKA_SECURITY_PROTOCOL"], outside_demo: true;
        /// Login mechanism where the protocol is a `SASL_` one.
        sasl_mechanism: SaslMechanism = kind::choice::<SaslMechanism>(), DefaultValue::Is("PLAIN"),
            aliases: &["KAFKA_SASL_MECHANISM"], outside_demo: true;
        /// SASL user name, or API key.
        api_key: Option<Secret> = kind::SECRET, DefaultValue::Unset,
            aliases: &["KAFKA_API_KEY"], outside_demo: true;
        /// SASL password, or the API key's secret.
        api_secret: Option<Secret> = kind::SECRET, DefaultValue::Unset,
            aliases: &["KAFKA_API_SECRET"], outside_demo: true;
        /// Certificates (PEM) to trust instead of the system's.
        ssl_ca: Option<PathBuf> = kind::READABLE_FILE, DefaultValue::Unset, outside_demo: true;
        /// Client certificate (PEM), with `kafka.ssl_key`.
        ssl_certificate: Option<PathBuf> = kind::READABLE_FILE, DefaultValue::Unset, outside_demo: true;
        /// Private key (PEM) of `kafka.ssl_certificate`.
        ssl_key: Option<PathBuf> = kind::READABLE_FILE, DefaultValue::Unset, outside_demo: true;
        /// Password of `kafka.ssl_key`, if it has one.
        ssl_key_password: Option<Secret> = kind::SECRET, DefaultValue::Unset, outside_demo: true;
        /// `OAUTHBEARER`: where tokens are fetched (OpenID Connect token endpoint).
        oauth_token_url: Option<String> = kind::HTTP_URL, DefaultValue::Unset, outside_demo: true;
        /// `OAUTHBEARER`: client id.
        oauth_client_id: Option<String> = kind::TEXT, DefaultValue::Unset, outside_demo: true;
        /// `OAUTHBEARER`: client secret.
        oauth_client_secret: Option<Secret> = kind::SECRET, DefaultValue::Unset, outside_demo: true;
        /// `OAUTHBEARER`: scope to ask for.
        oauth_scope: Option<String> = kind::TEXT, DefaultValue::Unset, outside_demo: true;
        /// Further librdkafka properties by name: a table in a file, `a.b=c;d.e=f` in the
        /// environment, `--set kafka.properties.a.b=c` as flags. Layers add up, name by name.
        properties: KafkaProperties = kind::PROPERTIES, DefaultValue::Is("");
        /// The time for which a Kafka client may be without a connection to any broker before it is replaced by
        /// a new one, which asks `kafka.bootstrap_servers`. Each process adds up to a quarter, and
        /// doubles it for each further one while Kafka is away, up to ten times. After ten times, with
        /// `kafka.security_protocol = PLAINTEXT`, a process whose new clients get no connection either
        /// ends, provided that a broker answers it: it is to be started anew. At least `3s`.
        reconnect_timeout: Duration = kind::DURATION, DefaultValue::Is("30s");
        /// Time that Kafka may take to confirm a question. After it the client is told to ask again.
        publish_timeout: Duration = kind::DURATION,
            DefaultValue::From { says: "the smaller of `5s` and `session.answer_timeout`", compute: publish_timeout };
    }
}

section! {
    /// The schema registry (Confluent's REST API).
    Registry "registry" {
        /// Its base URL. `demo` brings its own.
        url: String = kind::HTTP_URL,
            DefaultValue::ByCommand { run: None, demo: "http://demo.invalid" },
            aliases: &["KAFKA_SCHEMA_REGISTRY_URL", "SCHEMA_REGISTRY_URL"], outside_demo: true;
        /// Register the minimal question schema when the subject has none. Otherwise
        /// the gateway does not become ready without one.
        auto_register: bool = kind::SWITCH, DefaultValue::ByCommand { run: Some("false"), demo: "true" };
        /// Basic authentication: user name, or API key.
        api_key: Option<Secret> = kind::SECRET, DefaultValue::Unset,
            aliases: &["SCHEMA_REGISTRY_API_KEY"], outside_demo: true;
        /// Basic authentication: password, or the API key's secret.
        api_secret: Option<Secret> = kind::SECRET, DefaultValue::Unset,
            aliases: &["SCHEMA_REGISTRY_API_SECRET"], outside_demo: true;
        /// Bearer authentication: the token.
        bearer_token: Option<Secret> = kind::SECRET, DefaultValue::Unset, outside_demo: true;
        /// Certificates (PEM) to trust besides the system's.
        ssl_ca: Option<PathBuf> = kind::READABLE_FILE, DefaultValue::Unset, outside_demo: true;
        /// The subject whose latest schema questions are written with.
        question_subject: String = kind::TEXT,
            DefaultValue::From { says: "`kafka.questions_topic` and `-value`", compute: question_subject };
        /// Interval at which the latest question schema is fetched again.
        refresh_interval: Duration = kind::DURATION, DefaultValue::Is("30s");
        /// Longest time for one request.
        request_timeout: Duration = kind::DURATION, DefaultValue::Is("5s");
    }
}

section! {
    /// Names of the fields of a question's record. Those but the first two are filled when the
    /// registered schema has them.
    QuestionFields "schema.question" {
        /// The wire id: the session's id, with a suffix where one is needed.
        session_id: String = kind::AVRO_NAME, DefaultValue::Is("session_id");
        /// The question.
        text: String = kind::AVRO_NAME, DefaultValue::Is("pergunta");
        /// The question's id.
        question_id: String = kind::AVRO_NAME, DefaultValue::Is("question_id");
        /// The session's own id, never with a suffix.
        conversation_id: String = kind::AVRO_NAME, DefaultValue::Is("conversation_id");
        /// The asker's name, as the client gave it.
        user_name: String = kind::AVRO_NAME, DefaultValue::Is("user_name");
        /// Time of asking.
        asked_at: String = kind::AVRO_NAME, DefaultValue::Is("asked_at");
    }
}

section! {
    /// Names of the fields of an answer's record. Those but the first two are read when the
    /// writer's schema has them.
    AnswerFields "schema.answer" {
        /// The wire id, as it stood in the question.
        session_id: String = kind::AVRO_NAME, DefaultValue::Is("session_id");
        /// The answer.
        text: String = kind::AVRO_NAME, DefaultValue::Is("resposta");
        /// The question's id.
        question_id: String = kind::AVRO_NAME, DefaultValue::Is("question_id");
        /// Reason for which there is no answer.
        error: String = kind::AVRO_NAME, DefaultValue::Is("error");
        /// Number of the record's part of the answer, from 0; also the header `answer-part`.
        part: String = kind::AVRO_NAME, DefaultValue::Is("part");
        /// True on the last part; also the header `answer-final`.
        is_final: String = kind::AVRO_NAME, DefaultValue::Is("final");
        /// Number of the attempt at the answer; also the header `answer-attempt`.
        attempt: String = kind::AVRO_NAME, DefaultValue::Is("attempt");
        /// JSON text about the answer, such as its sources, handed on to clients of version 2; also
        /// the header `answer-metadata`.
        metadata: String = kind::AVRO_NAME, DefaultValue::Is("metadata");
    }
}

fn publish_timeout(values: &ConfigValues) -> Option<String> {
    let answer_timeout = values.value("session.answer_timeout", &kind::DURATION)?;
    let timeout = answer_timeout.min(Duration::from_secs(5));
    Some(humantime::format_duration(timeout).to_string())
}

fn question_subject(values: &ConfigValues) -> Option<String> {
    let topic = values.value("kafka.questions_topic", &kind::TOPIC)?;
    Some(format!("{topic}-value"))
}
