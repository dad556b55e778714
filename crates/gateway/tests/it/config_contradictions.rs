//! Settings that are right one by one and wrong together.

use crate::support::Given;

#[test]
fn settings_that_contradict_each_other_are_refused_naming_both() {
    for (flags, named, other) in CONTRADICTIONS {
        let given = flags
            .iter()
            .fold(Given::required(), |given, flag| given.flag(flag));
        let errors = given.load().expect_err(named);
        assert_eq!(errors.0.len(), 1, "{errors}");
        assert_eq!(errors.0[0].key, *named);
        assert!(errors.0[0].expected.contains(other), "{errors}");
    }
}

#[test]
fn what_only_just_fits_is_taken() {
    let given = [
        "kafka.publish_timeout=120s",
        "kafka.reconnect_timeout=3s",
        "session.answer_ttl=120s",
        "ws.pong_timeout=25s",
        "ws.max_question_bytes=64KiB",
        "limits.connections=16000",
        "drain.grace_period=30001ms",
        "server.port=0",
        "admin.port=0",
    ];
    let given = given
        .iter()
        .fold(Given::required(), |given, flag| given.flag(flag));
    assert!(given.load().is_ok(), "{:?}", given.load());
}

#[test]
fn one_port_on_two_addresses_is_no_contradiction() {
    let given = Given::required()
        .flag("server.address=127.0.0.1")
        .flag("admin.address=127.0.0.2")
        .flag("admin.port=8080");
    assert!(given.load().is_ok());
}

#[test]
fn a_login_needs_everything_its_mechanism_needs() {
    for (mechanism, needed) in [
        ("PLAIN", &["kafka.api_key", "kafka.api_secret"][..]),
        ("SCRAM-SHA-256", &["kafka.api_key", "kafka.api_secret"]),
        ("SCRAM-SHA-512", &["kafka.api_key", "kafka.api_secret"]),
        (
            "OAUTHBEARER",
            &[
                "kafka.oauth_token_url",
                "kafka.oauth_client_id",
                "kafka.oauth_client_secret",
            ],
        ),
    ] {
        for protocol in ["SASL_SSL", "SASL_PLAINTEXT"] {
            let given = Given::required()
                .variable("KAFKA_SECURITY_PROTOCOL", protocol)
                .variable("KAFKA_SASL_MECHANISM", mechanism);
            let errors = given.load().expect_err(mechanism);
            let keys: Vec<_> = errors
                .0
                .iter()
                .map(|problem| problem.key.as_str())
                .collect();
            assert_eq!(keys, needed, "{errors}");
            let given = needed.iter().fold(given, |given, name| {
                given.flag(&format!("{name}=https://x"))
            });
            assert!(given.load().is_ok(), "{mechanism}");
        }
    }
}

#[test]
fn a_client_certificate_needs_its_key() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for (one, other) in [
        ("ssl_certificate", "ssl_key"),
        ("ssl_key", "ssl_certificate"),
    ] {
        let given = Given::required()
            .variable("KAFKA_SECURITY_PROTOCOL", "SSL")
            .flag(&format!("kafka.{one}={file}"));
        let mistakes = given.mistakes();
        assert!(
            mistakes.contains(&format!("needs `kafka.{other}` as well")),
            "{mistakes}"
        );
    }
}

#[test]
fn credentials_that_the_protocol_does_not_use_are_warned_about() {
    let given = Given::required()
        .variable("KAFKA_API_KEY", "ana")
        .variable("KAFKA_API_SECRET", "canary-91");
    let warnings = given.load().expect("right").warnings.join("\n");
    assert!(
        warnings.contains("`kafka.api_key`, `kafka.api_secret` is not used"),
        "{warnings}"
    );
    assert!(!warnings.contains("canary-91"), "{warnings}");
}

#[test]
fn a_wrong_value_does_not_hide_a_contradiction_elsewhere_nor_cause_one() {
    let errors = Given::required()
        .flag("session.answer_timeout=soon")
        .flag("admin.port=8080")
        .load()
        .expect_err("wrong");
    let keys: Vec<_> = errors
        .0
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    assert!(
        keys.contains(&"session.answer_timeout") && keys.contains(&"admin.port"),
        "{errors}"
    );
    assert_eq!(keys.len(), 2, "{errors}");
}

/// Flags, the key the mistake is reported under, and the other one it names.
const CONTRADICTIONS: &[(&[&str], &str, &str)] = &[
    (
        &["kafka.reconnect_timeout=2999ms"],
        "kafka.reconnect_timeout",
        "at least 3s",
    ),
    (
        &[
            "kafka.dead_letter_topic=respostas.dlq",
            "delivery.mode=group",
        ],
        "kafka.dead_letter_topic",
        "delivery.mode",
    ),
    (
        &["kafka.publish_timeout=3m"],
        "kafka.publish_timeout",
        "session.answer_timeout",
    ),
    (
        &["session.answer_ttl=1m"],
        "session.answer_timeout",
        "session.answer_ttl",
    ),
    (
        &["session.max_answer_time=119s"],
        "session.answer_timeout",
        "session.max_answer_time",
    ),
    (
        &["session.part_timeout=11m"],
        "session.part_timeout",
        "session.max_answer_time",
    ),
    (
        &["ws.pong_timeout=26s"],
        "ws.pong_timeout",
        "ws.ping_interval",
    ),
    (
        &["ws.max_question_bytes=65KiB"],
        "ws.max_question_bytes",
        "ws.max_frame_bytes",
    ),
    (
        &["ws.max_response_bytes=2MiB"],
        "ws.max_response_bytes",
        "ws.outbound_bytes",
    ),
    (
        &["limits.connections=16001"],
        "limits.connections",
        "server.max_connections",
    ),
    (
        &["drain.grace_period=30s"],
        "drain.grace_period",
        "drain.budget",
    ),
    (
        &["kafka.answers_topic=perguntas"],
        "kafka.answers_topic",
        "kafka.questions_topic",
    ),
    (
        &["kafka.dead_letter_topic=respostas"],
        "kafka.dead_letter_topic",
        "kafka.answers_topic",
    ),
    (
        &["kafka.dead_letter_topic=perguntas"],
        "kafka.dead_letter_topic",
        "kafka.questions_topic",
    ),
    (&["admin.port=8080"], "admin.port", "server.port"),
    (
        &["registry.api_key=x"],
        "registry.api_key",
        "registry.api_secret",
    ),
    (
        &["registry.api_secret=x"],
        "registry.api_secret",
        "registry.api_key",
    ),
    (
        &[
            "registry.bearer_token=x",
            "registry.api_key=x",
            "registry.api_secret=x",
        ],
        "registry.bearer_token",
        "registry.api_key",
    ),
    (
        &["schema.answer.error=resposta"],
        "schema.answer.error",
        "schema.answer.text",
    ),
];
