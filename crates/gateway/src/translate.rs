//! From the configuration to each crate's settings. Pure, and the only place that knows both.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_ingest::{
    CheckSettings, ClientCertificate, ConsumerSettings, Delivery, GroupStart, KafkaSettings,
    OauthBearer, PublisherSettings, RecentLimits, RegistryAuth, RegistrySettings, Sasl, Secret,
    Security, Tls,
};
use ws_gateway::{
    AdminSettings, AdminToken, CoreSettings, DescriptorBudget, DrainPlan, Limits, ServerSettings,
    SessionSettings, TokenKeys, WireIdMode,
};

use gateway::config::{
    self, AnswerFields, Config, DeliveryMode, Kafka, OffsetReset, QuestionFields, Registry,
    SaslMechanism, SecurityProtocol, WireId,
};

/// Sessions and their rules.
pub(crate) fn core(config: &Config) -> CoreSettings {
    CoreSettings {
        wire_id: match config.session.wire_id {
            WireId::Auto | WireId::Plain => WireIdMode::Plain,
            WireId::Question => WireIdMode::Question,
        },
        wire_id_v2: match config.session.wire_id {
            WireId::Plain => WireIdMode::Plain,
            WireId::Auto | WireId::Question => WireIdMode::Question,
        },
        answer_timeout: config.session.answer_timeout,
        part_timeout: config.session.part_timeout,
        max_answer_time: config.session.max_answer_time,
        max_answer_bytes: config.ws.max_response_bytes,
        part_bytes: config.ws.part_bytes,
        answer_ttl: config.session.answer_ttl,
        max_owed: config.session.max_owed,
        ..CoreSettings::default()
    }
}

/// Sockets.
pub(crate) fn session(config: &Config) -> SessionSettings {
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
fn token_keys(config: &Config) -> TokenKeys {
    let bytes = |secret: &Option<config::Secret>| {
        let secret = secret.as_ref();
        secret.map(|secret| secret.expose().as_bytes().to_vec())
    };
    let previous = bytes(&config.session.previous_token_key);
    match bytes(&config.session.token_key) {
        Some(key) => TokenKeys::new(&key, previous.as_deref()),
        None => TokenKeys::random(),
    }
}

/// The admin port.
pub(crate) fn admin(config: &Config, descriptors: DescriptorBudget) -> AdminSettings {
    let token = config.admin.token.as_ref();
    AdminSettings {
        allowed_hosts: config.admin.allowed_hosts.clone(),
        allow_changes: config.admin.allow_changes,
        token: token.map(|token| AdminToken::new(token.expose())),
        descriptors,
    }
}

/// The public port.
pub(crate) fn server(config: &Config, descriptors: DescriptorBudget) -> ServerSettings {
    ServerSettings {
        header_timeout: config.server.header_timeout,
        max_connections: config.server.max_connections,
        descriptors,
        limits: Limits {
            connections: config.limits.connections,
            connections_per_address: config.limits.connections_per_address,
            connects_per_second: config.limits.connects_per_second,
        },
        allowed_origins: config.security.allowed_origins.clone(),
        chat: config.chat.enabled,
    }
}

/// The end of the sessions.
pub(crate) fn drain(config: &Config) -> DrainPlan {
    DrainPlan {
        close_rate: config.drain.close_rate,
        budget: config.drain.budget,
    }
}

/// Answers in.
pub(crate) fn consumer(config: &Config) -> ConsumerSettings {
    /// What is longer than `ws.max_response_bytes` is told to who waits; only what no topic would
    /// hold is not read at all.
    const LONGEST_READ: usize = 64 << 20;
    /// Whoever writes answers may have a clock that is so much behind.
    const CLOCKS_APART: Duration = Duration::from_secs(60);
    let settings = ConsumerSettings::new(kafka(&config.kafka), registry(&config.registry));
    ConsumerSettings {
        topic: config.kafka.answers_topic.clone(),
        delivery: match (config.delivery.mode, config.kafka.auto_offset_reset) {
            (DeliveryMode::Broadcast, _) => Delivery::Broadcast,
            (DeliveryMode::Group, OffsetReset::Latest) => Delivery::Group {
                start: GroupStart::End,
            },
            (DeliveryMode::Group, OffsetReset::Earliest) => Delivery::Group {
                start: GroupStart::Beginning,
            },
        },
        group_id: config.kafka.group_id.clone(),
        fields: answer_fields(&config.answer_fields),
        max_answer_bytes: LONGEST_READ.max(config.ws.max_response_bytes),
        dead_letter_topic: config.kafka.dead_letter_topic.clone(),
        recent: RecentLimits {
            window: config.resume.window + config.session.answer_timeout + CLOCKS_APART,
            ..RecentLimits::default()
        },
        ..settings
    }
}

/// Questions out.
pub(crate) fn publisher(config: &Config) -> PublisherSettings {
    let settings = PublisherSettings::new(kafka(&config.kafka), registry(&config.registry));
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

/// What is looked at before any of it runs.
pub(crate) fn check(config: &Config) -> CheckSettings {
    CheckSettings {
        kafka: kafka(&config.kafka),
        registry: registry(&config.registry),
        questions_topic: config.kafka.questions_topic.clone(),
        answers_topic: config.kafka.answers_topic.clone(),
        dead_letter_topic: config.kafka.dead_letter_topic.clone(),
        question_subject: config.registry.question_subject.clone(),
        auto_register: config.registry.auto_register,
        question_fields: question_fields(&config.question_fields),
        answer_fields: answer_fields(&config.answer_fields),
        keep_answers: config.resume.window + config.session.answer_timeout,
    }
}

/// How Kafka is reached, by any client.
pub(crate) fn kafka(kafka: &Kafka) -> KafkaSettings {
    let properties = kafka.properties.iter();
    let properties: BTreeMap<String, Secret> = properties
        .map(|(name, value)| (name.to_owned(), Secret::new(value)))
        .collect();
    KafkaSettings {
        security: security(kafka),
        reconnect_timeout: kafka.reconnect_timeout,
        properties,
        ..KafkaSettings::new(&kafka.bootstrap_servers)
    }
}

/// How the registry is reached.
fn registry(registry: &Registry) -> RegistrySettings {
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

/// What a question's fields are called.
fn question_fields(fields: &QuestionFields) -> kafka_ingest::QuestionFields {
    kafka_ingest::QuestionFields {
        session_id: fields.session_id.clone(),
        text: fields.text.clone(),
        question_id: fields.question_id.clone(),
        conversation_id: fields.conversation_id.clone(),
        user_name: fields.user_name.clone(),
        asked_at: fields.asked_at.clone(),
    }
}

/// What an answer's fields are called.
fn answer_fields(fields: &AnswerFields) -> kafka_ingest::AnswerFields {
    kafka_ingest::AnswerFields {
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

fn security(kafka: &Kafka) -> Security {
    match kafka.security_protocol {
        SecurityProtocol::Plaintext => Security::Plaintext,
        SecurityProtocol::Ssl => Security::Tls(tls(kafka)),
        SecurityProtocol::SaslPlaintext => Security::Sasl(sasl(kafka)),
        SecurityProtocol::SaslSsl => Security::SaslTls(sasl(kafka), tls(kafka)),
    }
}

fn tls(kafka: &Kafka) -> Tls {
    let client = kafka.ssl_certificate.as_ref().zip(kafka.ssl_key.as_ref());
    Tls {
        ca: kafka.ssl_ca.clone(),
        client: client.map(|(certificate, key)| ClientCertificate {
            certificate: certificate.clone(),
            key: key.clone(),
            key_password: kafka.ssl_key_password.as_ref().map(secret),
        }),
    }
}

/// The configuration's checks have seen to it that what the mechanism needs is there.
fn sasl(kafka: &Kafka) -> Sasl {
    let given =
        |value: &Option<config::Secret>| value.as_ref().map_or_else(|| Secret::new(""), secret);
    let (username, password) = (given(&kafka.api_key), given(&kafka.api_secret));
    match kafka.sasl_mechanism {
        SaslMechanism::Plain => Sasl::Plain { username, password },
        SaslMechanism::ScramSha256 => Sasl::ScramSha256 { username, password },
        SaslMechanism::ScramSha512 => Sasl::ScramSha512 { username, password },
        SaslMechanism::OauthBearer => Sasl::OauthBearer(OauthBearer {
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
