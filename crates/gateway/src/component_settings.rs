//! From the configuration to each crate's settings. Pure, and the only place that knows both.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_ingest::{
    AnswerDelivery, AnswerIndexLimits, CheckSettings, ClientCertificate, ConsumerSettings,
    GroupStart, KafkaSecurity, KafkaSettings, OauthBearerSettings, PublisherSettings, RegistryAuth,
    RegistrySettings, SaslCredentials, Secret, TlsSettings,
};
use ws_gateway::{
    AdminSettings, AdminToken, CoreSettings, DescriptorBudget, DrainPlan, ResumeTokenKeys,
    ServerSettings, SessionSettings, WebSocketLimits, WireIdMode,
};

use gateway::config::{
    self, AnswerFields, Config, DeliveryMode, Kafka, OffsetReset, QuestionFields, Registry,
    SaslMechanism, SecurityProtocol, WireId,
};

/// Sessions and their rules.
pub(crate) fn core_settings(config: &Config) -> CoreSettings {
    CoreSettings {
        wire_id: match config.session.wire_id {
            WireId::Auto | WireId::Plain => WireIdMode::Plain,
            WireId::Question => WireIdMode::Suffixed,
        },
        wire_id_v2: match config.session.wire_id {
            WireId::Plain => WireIdMode::Plain,
            WireId::Auto | WireId::Question => WireIdMode::Suffixed,
        },
        answer_timeout: config.session.answer_timeout,
        part_timeout: config.session.part_timeout,
        max_answer_time: config.session.max_answer_time,
        max_answer_bytes: config.ws.max_response_bytes,
        chunk_bytes: config.ws.part_bytes,
        answer_ttl: config.session.answer_ttl,
        max_departed_sessions: config.session.max_owed,
        ..CoreSettings::default()
    }
}

/// Sockets.
pub(crate) fn session_settings(config: &Config) -> SessionSettings {
    SessionSettings {
        max_question_bytes: config.ws.max_question_bytes,
        max_frame_bytes: config.ws.max_frame_bytes,
        outbound_bytes: config.ws.outbound_bytes,
        ping_interval: config.ws.ping_interval,
        pong_timeout: config.ws.pong_timeout,
        start_timeout: config.ws.start_timeout,
        heartbeat_interval: config.ws.heartbeat_interval,
        resume_window: config.resume.window,
        token_keys: token_keys(config),
        ..SessionSettings::default()
    }
}

/// The keys that are set, or one that no other process has.
fn token_keys(config: &Config) -> ResumeTokenKeys {
    let bytes = |secret: &Option<config::Secret>| {
        let secret = secret.as_ref();
        secret.map(|secret| secret.expose().as_bytes().to_vec())
    };
    let previous = bytes(&config.session.previous_token_key);
    match bytes(&config.session.token_key) {
        Some(key) => ResumeTokenKeys::new(&key, previous.as_deref()),
        None => ResumeTokenKeys::new_random(),
    }
}

/// The admin port.
pub(crate) fn admin_settings(config: &Config, descriptors: DescriptorBudget) -> AdminSettings {
    let token = config.admin.token.as_ref();
    AdminSettings {
        allowed_hosts: config.admin.allowed_hosts.clone(),
        allow_changes: config.admin.allow_changes,
        token: token.map(|token| AdminToken::new(token.expose())),
        descriptors,
    }
}

/// The public port.
pub(crate) fn server_settings(config: &Config, descriptors: DescriptorBudget) -> ServerSettings {
    ServerSettings {
        header_timeout: config.server.header_timeout,
        max_connections: config.server.max_connections,
        descriptors,
        limits: WebSocketLimits {
            connections: config.limits.connections,
            connections_per_address: config.limits.connections_per_address,
            connects_per_second: config.limits.connects_per_second,
        },
        allowed_origins: config.security.allowed_origins.clone(),
        chat: config.chat.enabled,
    }
}

/// The end of the sessions.
pub(crate) fn drain_plan(config: &Config) -> DrainPlan {
    DrainPlan {
        close_rate: config.drain.close_rate,
        budget: config.drain.budget,
    }
}

/// Answers in.
pub(crate) fn consumer_settings(config: &Config) -> ConsumerSettings {
    /// The longest answer that is read at all: more than any topic would hold, since the session of an answer over
    /// `ws.max_response_bytes` is told so.
    const LONGEST_READ: usize = 64 << 20;
    /// The most by which the clock of a writer of answers may be behind.
    const CLOCKS_APART: Duration = Duration::from_secs(60);
    let settings = ConsumerSettings::new(
        kafka_settings(&config.kafka),
        registry_settings(&config.registry),
    );
    ConsumerSettings {
        topic: config.kafka.answers_topic.clone(),
        delivery: match (config.delivery.mode, config.kafka.auto_offset_reset) {
            (DeliveryMode::Broadcast, _) => AnswerDelivery::Broadcast,
            (DeliveryMode::Group, OffsetReset::Latest) => AnswerDelivery::Group {
                start: GroupStart::End,
            },
            (DeliveryMode::Group, OffsetReset::Earliest) => AnswerDelivery::Group {
                start: GroupStart::Beginning,
            },
        },
        group_id: config.kafka.group_id.clone(),
        fields: answer_fields(&config.answer_fields),
        max_answer_bytes: LONGEST_READ.max(config.ws.max_response_bytes),
        dead_letter_topic: config.kafka.dead_letter_topic.clone(),
        answer_index: AnswerIndexLimits {
            window: config.resume.window + config.session.answer_timeout + CLOCKS_APART,
            ..AnswerIndexLimits::default()
        },
        ..settings
    }
}

/// Questions out.
pub(crate) fn publisher_settings(config: &Config) -> PublisherSettings {
    let settings = PublisherSettings::new(
        kafka_settings(&config.kafka),
        registry_settings(&config.registry),
    );
    PublisherSettings {
        topic: config.kafka.questions_topic.clone(),
        reply_topic: config.kafka.answers_topic.clone(),
        subject: config.registry.question_subject.clone(),
        fields: question_fields(&config.question_fields),
        auto_register: config.registry.auto_register,
        refresh_interval: config.registry.refresh_interval,
        publish_timeout: config.kafka.publish_timeout,
        ..settings
    }
}

/// Builds the settings of the checks before a start.
pub(crate) fn check_settings(config: &Config) -> CheckSettings {
    CheckSettings {
        kafka: kafka_settings(&config.kafka),
        registry: registry_settings(&config.registry),
        questions_topic: config.kafka.questions_topic.clone(),
        answers_topic: config.kafka.answers_topic.clone(),
        dead_letter_topic: config.kafka.dead_letter_topic.clone(),
        question_subject: config.registry.question_subject.clone(),
        auto_register: config.registry.auto_register,
        question_fields: question_fields(&config.question_fields),
        answer_fields: answer_fields(&config.answer_fields),
        answer_retention: config.resume.window + config.session.answer_timeout,
    }
}

/// Builds the connection settings of every Kafka client.
pub(crate) fn kafka_settings(kafka: &Kafka) -> KafkaSettings {
    let properties = kafka.properties.iter();
    let properties: BTreeMap<String, Secret> = properties
        .map(|(name, value)| (name.to_owned(), Secret::new(value)))
        .collect();
    KafkaSettings {
        security: kafka_security(kafka),
        reconnect_timeout: kafka.reconnect_timeout,
        properties,
        ..KafkaSettings::new(&kafka.bootstrap_servers)
    }
}

/// Builds the connection settings of the registry client.
fn registry_settings(registry: &Registry) -> RegistrySettings {
    let auth = match (
        &registry.bearer_token,
        &registry.api_key,
        &registry.api_secret,
    ) {
        (Some(token), _, _) => RegistryAuth::Bearer(secret(token)),
        (None, Some(user), password) => RegistryAuth::Basic {
            user: secret(user),
            password: password.as_ref().map_or_else(|| Secret::new(""), secret),
        },
        (None, None, _) => RegistryAuth::None,
    };
    RegistrySettings {
        auth,
        ca_file: registry.ssl_ca.clone(),
        timeout: registry.request_timeout,
        ..RegistrySettings::new(&registry.url)
    }
}

/// Returns the names of a question's fields.
fn question_fields(fields: &QuestionFields) -> kafka_ingest::QuestionFieldNames {
    kafka_ingest::QuestionFieldNames {
        session_id: fields.session_id.clone(),
        text: fields.text.clone(),
        question_id: fields.question_id.clone(),
        conversation_id: fields.conversation_id.clone(),
        user_name: fields.user_name.clone(),
        asked_at: fields.asked_at.clone(),
    }
}

/// Returns the names of an answer's fields.
fn answer_fields(fields: &AnswerFields) -> kafka_ingest::AnswerFieldNames {
    kafka_ingest::AnswerFieldNames {
        session_id: fields.session_id.clone(),
        text: fields.text.clone(),
        question_id: fields.question_id.clone(),
        error: fields.error.clone(),
        part: fields.part.clone(),
        is_final: fields.is_final.clone(),
        attempt: fields.attempt.clone(),
        metadata: fields.metadata.clone(),
    }
}

fn kafka_security(kafka: &Kafka) -> KafkaSecurity {
    match kafka.security_protocol {
        SecurityProtocol::Plaintext => KafkaSecurity::Plaintext,
        SecurityProtocol::Ssl => KafkaSecurity::Tls(tls_settings(kafka)),
        SecurityProtocol::SaslPlaintext => KafkaSecurity::Sasl(sasl_credentials(kafka)),
        SecurityProtocol::SaslSsl => {
            KafkaSecurity::SaslTls(sasl_credentials(kafka), tls_settings(kafka))
        }
    }
}

fn tls_settings(kafka: &Kafka) -> TlsSettings {
    let client = kafka.ssl_certificate.as_ref().zip(kafka.ssl_key.as_ref());
    TlsSettings {
        ca: kafka.ssl_ca.clone(),
        client: client.map(|(certificate, key)| ClientCertificate {
            certificate: certificate.clone(),
            key: key.clone(),
            key_password: kafka.ssl_key_password.as_ref().map(secret),
        }),
    }
}

/// The configuration's checks have seen to it that what the mechanism needs is there.
fn sasl_credentials(kafka: &Kafka) -> SaslCredentials {
    let given =
        |value: &Option<config::Secret>| value.as_ref().map_or_else(|| Secret::new(""), secret);
    let (username, password) = (given(&kafka.api_key), given(&kafka.api_secret));
    match kafka.sasl_mechanism {
        SaslMechanism::Plain => SaslCredentials::Plain { username, password },
        SaslMechanism::ScramSha256 => SaslCredentials::ScramSha256 { username, password },
        SaslMechanism::ScramSha512 => SaslCredentials::ScramSha512 { username, password },
        SaslMechanism::OauthBearer => SaslCredentials::OauthBearer(OauthBearerSettings {
            token_url: kafka.oauth_token_url.clone().unwrap_or_default(),
            client_id: kafka.oauth_client_id.clone().unwrap_or_default(),
            client_secret: given(&kafka.oauth_client_secret),
            scope: kafka.oauth_scope.clone(),
        }),
    }
}

fn secret(secret: &config::Secret) -> Secret {
    Secret::new(secret.expose())
}
