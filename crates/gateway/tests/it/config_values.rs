//! Every setting, by every way it can be given; every kind of bad value.
//!
//! Driven by the key table: a new setting is tested as soon as it has an example here, and fails a
//! test until it has.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use gateway::config::key::ConfigKey;
use gateway::config::{
    AuthMode, DeliveryMode, SaslMechanism, Secret, SecurityProtocol, WireId, keys,
};

use crate::support::{Given, effective};

/// A right value, other than the default.
fn example(key: &ConfigKey) -> &'static str {
    const A_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    match key.name {
        "server.address" | "admin.address" => "127.0.0.2",
        "server.port" => "8181",
        "admin.port" => "9191",
        "server.max_connections" => "20000",
        "kafka.bootstrap_servers" => "one:9092,two:9093",
        "kafka.questions_topic" => "questions",
        "kafka.answers_topic" => "answers",
        "kafka.dead_letter_topic" => "answers.dead",
        "kafka.auto_offset_reset" => "earliest",
        "kafka.security_protocol" => "SSL",
        "kafka.sasl_mechanism" => "SCRAM-SHA-256",
        "kafka.ssl_ca" | "kafka.ssl_certificate" | "kafka.ssl_key" | "registry.ssl_ca" => A_FILE,
        "kafka.oauth_token_url" => "https://login.example.org/token",
        "kafka.properties" => "client.id=gateway-1;socket.keepalive.enable=true",
        "kafka.publish_timeout" => "3s",
        "registry.url" => "https://registry.example.org/apis/ccompat/v7",
        "registry.auto_register" | "chat.enabled" | "admin.allow_changes" => "true",
        "delivery.mode" => "group",
        "session.answer_timeout" => "90s",
        "session.answer_ttl" => "10m",
        "session.max_answer_time" => "12m",
        "session.wire_id" => "question",
        "session.token_key" | "session.previous_token_key" | "admin.token" => {
            "0123456789abcdef0123456789abcdef"
        }
        "admin.allowed_hosts" => "gateway,gateway.example.org",
        "auth.mode" => "none",
        "ws.max_question_bytes" => "16KiB",
        "ws.max_frame_bytes" => "128KiB",
        "ws.max_response_bytes" => "512KiB",
        "ws.outbound_bytes" => "2MiB",
        "ws.part_bytes" => "32KiB",
        "ws.pong_timeout" => "7s",
        "drain.accept_for" => "3s",
        "drain.budget" => "20s",
        "security.allowed_origins" => "https://a.example.org,http://b.example.org:8000",
        "log.level" => "warn,gateway=debug",
        "log.format" => "json",
        name if name.starts_with("schema.") => "another_name",
        _ if key.expected.starts_with("a duration") => "35s",
        _ if key.expected.starts_with("a whole number") => "77",
        _ if key.expected.starts_with("a text") => "some-text",
        name => panic!("{name} has no example: give it one"),
    }
}

/// Returns the settings that one needs beside it to be right.
fn company(key: &ConfigKey) -> &'static [&'static str] {
    match key.name {
        "kafka.ssl_certificate" | "kafka.ssl_key_password" => &["kafka.ssl_key"],
        "kafka.ssl_key" => &["kafka.ssl_certificate"],
        "registry.api_key" => &["registry.api_secret"],
        "registry.api_secret" => &["registry.api_key"],
        "session.previous_token_key" => &["session.token_key"],
        _ => &[],
    }
}

fn given_company(key: &ConfigKey) -> Given {
    let mut given = Given::required_but(key);
    let mut needed: Vec<_> = company(key).to_vec();
    if key.name == "kafka.ssl_key_password" {
        needed.push("kafka.ssl_certificate");
    }
    for name in needed {
        let example = example(keys::find_key(name).expect("a key"));
        given = given.flag(&format!("{name}={example}"));
    }
    given
}

/// Returns the printed value of the key's example.
fn shown(key: &ConfigKey) -> Option<String> {
    let example = if key.secret { "***" } else { example(key) };
    Some(example.to_owned())
}

#[test]
fn every_setting_can_be_given_by_its_own_variable_and_by_each_alias() {
    for key in keys::all_keys() {
        for name in key.env_names() {
            let resolved = given_company(key).variable(&name, example(key)).resolve();
            let expected = (shown(key), format!("environment {name}"));
            assert_eq!(effective(&resolved, key.name), expected);
            assert!(resolved.outcome.is_ok(), "{name}: {:?}", resolved.outcome);
        }
    }
}

#[test]
fn every_setting_can_be_given_by_a_flag() {
    for key in keys::all_keys() {
        let flag = format!("{}={}", key.name, example(key));
        let resolved = given_company(key).flag(&flag).resolve();
        assert_eq!(
            effective(&resolved, key.name),
            (shown(key), "flag --set".to_owned())
        );
        assert!(resolved.outcome.is_ok(), "{flag}: {:?}", resolved.outcome);
    }
}

#[test]
fn every_setting_can_be_given_in_a_toml_file() {
    for key in keys::all_keys() {
        let (section, name) = key.name.rsplit_once('.').expect("a section");
        let text = format!("[{section}]\n{name} = {:?}\n", example(key));
        assert_given_by_file(key, "a.toml", &text);
    }
}

#[test]
fn every_setting_can_be_given_in_a_yaml_file() {
    for key in keys::all_keys() {
        let mut text = String::new();
        let parts: Vec<_> = key.name.split('.').collect();
        for (depth, part) in parts.iter().enumerate() {
            text.push_str(&format!("\n{}{part}:", "  ".repeat(depth)));
        }
        text.push_str(&format!(" {:?}\n", example(key)));
        assert_given_by_file(key, "a.yaml", &text);
        assert_given_by_file(key, "a.yml", &text);
    }
}

fn assert_given_by_file(key: &ConfigKey, name: &str, text: &str) {
    let resolved = given_company(key).file(name, text).resolve();
    let (value, origin) = effective(&resolved, key.name);
    assert_eq!(value, shown(key), "{text}");
    assert!(
        origin.starts_with("file ") && origin.ends_with(name),
        "{origin}"
    );
    assert!(resolved.outcome.is_ok(), "{text}: {:?}", resolved.outcome);
}

#[test]
fn an_example_differs_from_the_default_unless_there_is_no_other_value() {
    let defaults = Given::required().resolve();
    for key in keys::all_keys().filter(|key| key.name != "auth.mode") {
        let (default, _) = effective(&defaults, key.name);
        assert_ne!(default.as_deref(), Some(example(key)), "{}", key.name);
    }
}

#[test]
fn a_given_value_reaches_its_field() {
    let config = Given::required()
        .variable("PORT", "8181")
        .variable("GATEWAY__SESSION__ANSWER_TIMEOUT", "1m 30s")
        .variable("GATEWAY__WS__OUTBOUND_BYTES", "2MiB")
        .variable("GATEWAY__LIMITS__CONNECTIONS_PER_ADDRESS", "0")
        .variable("GATEWAY__LIMITS__CONNECTS_PER_SECOND", "5")
        .variable(
            "GATEWAY__KAFKA__PROPERTIES",
            "client.id = a=b ;linger.ms=3;",
        )
        .variable("KAFKA_SECURITY_PROTOCOL", "sasl_ssl")
        .variable("KAFKA_SASL_MECHANISM", "scram-sha-512")
        .variable("KAFKA_API_KEY", "ana")
        .variable("KAFKA_API_SECRET", " with spaces ")
        .variable("GATEWAY__SESSION__WIRE_ID", "question")
        .variable(
            "GATEWAY__SECURITY__ALLOWED_ORIGINS",
            "https://A.example.org, http://b:1",
        )
        .config();
    assert_eq!(config.server.port, 8181);
    assert_eq!(config.session.answer_timeout, Duration::from_secs(90));
    assert_eq!(config.ws.outbound_bytes, 2 << 20);
    assert_eq!(config.limits.connections_per_address, None);
    assert_eq!(config.limits.connects_per_second, NonZeroU32::new(5));
    let properties: Vec<_> = config.kafka.properties.iter().collect();
    assert_eq!(properties, [("client.id", "a=b"), ("linger.ms", "3")]);
    assert_eq!(config.kafka.security_protocol, SecurityProtocol::SaslSsl);
    assert_eq!(config.kafka.sasl_mechanism, SaslMechanism::ScramSha512);
    assert_eq!(config.kafka.api_key, Some(Secret::new("ana")));
    assert_eq!(config.kafka.api_secret, Some(Secret::new(" with spaces ")));
    assert_eq!(config.session.wire_id, WireId::Question);
    assert_eq!(
        config.security.allowed_origins,
        ["https://a.example.org", "http://b:1"]
    );
}

#[test]
fn a_file_may_use_its_own_numbers_booleans_lists_and_tables() {
    let toml = "
        [server]
        port = 8181
        [chat]
        enabled = true
        [security]
        allowed_origins = ['https://a.example.org', 'https://b.example.org']
        [kafka.properties]
        client.id = 'x;y'
        'linger.ms' = 3
        'socket.keepalive.enable' = true
    ";
    let yaml = "
server: {port: 8181}
chat:
  enabled: true
security:
  allowed_origins: [https://a.example.org, https://b.example.org]
kafka:
  group_id:
  properties:
    client.id: x;y
    linger: {ms: 3}
    socket.keepalive.enable: true
admin:
";
    for (name, text) in [("a.toml", toml), ("a.yaml", yaml)] {
        let config = Given::required().file(name, text).config();
        assert_eq!(config.server.port, 8181, "{name}");
        assert!(config.chat.enabled, "{name}");
        let origins = ["https://a.example.org", "https://b.example.org"];
        assert_eq!(config.security.allowed_origins, origins, "{name}");
        let properties: Vec<_> = config.kafka.properties.iter().collect();
        let expected = [
            ("client.id", "x;y"),
            ("linger.ms", "3"),
            ("socket.keepalive.enable", "true"),
        ];
        assert_eq!(properties, expected, "{name}");
        assert_eq!(
            config.kafka.group_id, "rag-flink-ui-group",
            "null in a file is unset"
        );
    }
}

#[test]
fn without_settings_the_defaults_are_the_documented_ones() {
    let config = Given::required().config();
    assert_eq!(
        (config.server.address, config.server.port),
        (IpAddr::from([0, 0, 0, 0]), 8080)
    );
    assert_eq!(
        (config.admin.address, config.admin.port),
        (IpAddr::V4(Ipv4Addr::LOCALHOST), 9090)
    );
    assert_eq!(config.kafka.questions_topic, "perguntas");
    assert_eq!(config.kafka.answers_topic, "respostas");
    assert_eq!(config.kafka.publish_timeout, Duration::from_secs(5));
    assert_eq!(config.registry.question_subject, "perguntas-value");
    assert!(!config.registry.auto_register && !config.chat.enabled);
    assert_eq!(config.delivery.mode, DeliveryMode::Broadcast);
    assert_eq!(config.auth.mode, AuthMode::None);
    assert_eq!(config.session.answer_timeout, Duration::from_secs(120));
    assert_eq!(config.session.answer_ttl, Duration::from_secs(240));
    assert_eq!(config.session.wire_id, WireId::Auto);
    assert_eq!(
        (config.ws.max_question_bytes, config.ws.max_response_bytes),
        (32 << 10, 1 << 20)
    );
    assert_eq!(config.drain.budget, Duration::from_secs(25));
}

#[test]
fn defaults_follow_the_settings_they_are_computed_from() {
    let given = Given::required()
        .variable("GATEWAY__SESSION__ANSWER_TIMEOUT", "2s500ms")
        .variable("GATEWAY__KAFKA__QUESTIONS_TOPIC", "q");
    let config = given.config();
    assert_eq!(config.kafka.publish_timeout, Duration::from_millis(2_500));
    assert_eq!(config.session.answer_ttl, Duration::from_secs(5));
    assert_eq!(config.registry.question_subject, "q-value");
    let (value, origin) = effective(&given.resolve(), "session.answer_ttl");
    assert_eq!(value.as_deref(), Some("5s"));
    assert_eq!(origin, "default: 2 × `session.answer_timeout`");
}

#[test]
fn the_demo_needs_nothing_and_stays_on_loopback() {
    let config = Given::nothing().demo().config();
    assert_eq!(config.server.address, IpAddr::V4(Ipv4Addr::LOCALHOST));
    assert!(config.chat.enabled && config.registry.auto_register);
    assert_eq!(
        config.drain.accept_for,
        Duration::ZERO,
        "no load balancer has to take note"
    );
}

#[test]
fn the_demo_leaves_the_users_own_kafka_aside_and_says_so() {
    let given = Given::nothing()
        .demo()
        .variable("KAFKA_BOOTSTRAP_SERVERS", "production:9092")
        .variable("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
        .variable("KAFKA_API_KEY", "ana")
        .variable("PORT", "8181");
    let loaded = given.load().expect("right");
    assert_eq!(loaded.config.kafka.bootstrap_servers, "demo.invalid:9092");
    assert_eq!(
        loaded.config.kafka.security_protocol,
        SecurityProtocol::Plaintext
    );
    assert_eq!(loaded.config.kafka.api_key, None);
    assert_eq!(loaded.config.server.port, 8181);
    let warnings = loaded.warnings.join("\n");
    for name in [
        "kafka.bootstrap_servers",
        "kafka.security_protocol",
        "kafka.api_key",
    ] {
        assert!(warnings.contains(name), "{name}: {warnings}");
    }
    assert!(
        !warnings.contains("server.port") && !warnings.contains("ana"),
        "{warnings}"
    );
}
