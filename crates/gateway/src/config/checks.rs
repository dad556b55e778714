//! Checks several settings together: contradictions, and combinations that are allowed but worth a warning.
//!
//! Each check looks at the values it needs and passes when one of them is wrong by itself, so that
//! one mistake is reported once and hides no other.

use std::net::IpAddr;
use std::time::Duration;

use super::choice::{DeliveryMode, SaslMechanism, SecurityProtocol};
use super::kind;
use super::problem::ConfigProblem;
use super::values::ConfigValues;

/// Every contradiction.
pub(crate) fn contradictions(values: &ConfigValues) -> Vec<ConfigProblem> {
    let mut problems = check_order(values);
    problems.extend(check_pairs(values));
    problems.extend(check_field_names(values));
    problems.extend(
        [
            check_drain(values),
            check_ports(values),
            check_registry_login(values),
            check_reconnect_timeout(values),
        ]
        .into_iter()
        .flatten(),
    );
    problems.extend(check_topics(values));
    problems.extend(check_sasl(values));
    problems.extend(check_dead_letters(values));
    problems
}

/// Pairs of which the first must not be above the second.
fn check_order(values: &ConfigValues) -> Vec<ConfigProblem> {
    const DURATIONS: [(&str, &str); 5] = [
        ("kafka.publish_timeout", "session.answer_timeout"),
        ("session.answer_timeout", "session.answer_ttl"),
        ("session.answer_timeout", "session.max_answer_time"),
        ("session.part_timeout", "session.max_answer_time"),
        ("ws.pong_timeout", "ws.ping_interval"),
    ];
    const SIZES: [(&str, &str); 3] = [
        ("ws.max_question_bytes", "ws.max_frame_bytes"),
        ("ws.max_response_bytes", "ws.outbound_bytes"),
        ("ws.part_bytes", "ws.outbound_bytes"),
    ];
    let too_long = DURATIONS.iter().filter(|(small, large)| {
        let both = values.duration(small).zip(values.duration(large));
        both.is_some_and(|(small, large)| small > large)
    });
    let too_large = SIZES.iter().filter(|(small, large)| {
        let both = values
            .value(small, &kind::SIZE)
            .zip(values.value(large, &kind::SIZE));
        both.is_some_and(|(small, large)| small > large)
    });
    let (sessions, connections) = ("limits.connections", "server.max_connections");
    let both = values
        .value(sessions, &kind::COUNT)
        .zip(values.value(connections, &kind::COUNT));
    let too_many = both.filter(|(sessions, connections)| sessions > connections);
    let too_many = too_many.map(|_| (sessions, connections));
    too_long
        .chain(too_large)
        .copied()
        .chain(too_many)
        .map(|(small, large)| order_problem(values, small, large))
        .collect()
}

fn order_problem(values: &ConfigValues, small: &str, large: &str) -> ConfigProblem {
    let limit = values.shown(large);
    values.conflict_problem(
        small,
        format!("must not be more than `{large}`, which is {limit}"),
    )
}

/// Settings that mean something only together.
fn check_pairs(values: &ConfigValues) -> Vec<ConfigProblem> {
    const PAIRS: [(&str, &str); 4] = [
        ("kafka.ssl_certificate", "kafka.ssl_key"),
        ("registry.api_key", "registry.api_secret"),
        ("kafka.ssl_key_password", "kafka.ssl_key"),
        ("session.previous_token_key", "session.token_key"),
    ];
    let both_ways = PAIRS[..2].iter().map(|(one, other)| (*other, *one));
    PAIRS
        .into_iter()
        .chain(both_ways)
        .filter(|(one, other)| values.is_set(one) && !values.is_set(other))
        .map(|(one, other)| values.conflict_problem(one, format!("needs `{other}` as well")))
        .collect()
}

/// A client says once a second whether it is connected, and needs a moment to connect.
fn check_reconnect_timeout(values: &ConfigValues) -> Option<ConfigProblem> {
    const LEAST: Duration = Duration::from_secs(3);
    let name = "kafka.reconnect_timeout";
    let timeout = values.duration(name)?;
    (timeout < LEAST).then(|| values.conflict_problem(name, "must be at least 3s".to_owned()))
}

/// Checks that the chosen way to log in to Kafka has what it needs.
fn check_sasl(values: &ConfigValues) -> Vec<ConfigProblem> {
    let protocol = values.value(
        "kafka.security_protocol",
        &kind::choice::<SecurityProtocol>(),
    );
    let mechanism = values.value("kafka.sasl_mechanism", &kind::choice::<SaslMechanism>());
    let (Some(SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl), Some(mechanism)) =
        (protocol, mechanism)
    else {
        return Vec::new();
    };
    let needed: &[&str] = match mechanism {
        SaslMechanism::OauthBearer => &[
            "kafka.oauth_token_url",
            "kafka.oauth_client_id",
            "kafka.oauth_client_secret",
        ],
        SaslMechanism::Plain | SaslMechanism::ScramSha256 | SaslMechanism::ScramSha512 => {
            &["kafka.api_key", "kafka.api_secret"]
        }
    };
    let missing = needed.iter().filter(|name| !values.is_set(name));
    let mechanism = values.shown("kafka.sasl_mechanism");
    let protocol = values.shown("kafka.security_protocol");
    missing
        .map(|name| {
            let right = format!("is not set; `{protocol}` with `{mechanism}` needs it");
            values.conflict_problem(name, right)
        })
        .collect()
}

fn check_drain(values: &ConfigValues) -> Option<ConfigProblem> {
    let accept_for = values.duration("drain.accept_for")?;
    let budget = values.duration("drain.budget")?;
    let grace_period = values.duration("drain.grace_period")?;
    (accept_for + budget >= grace_period).then(|| {
        let together = humantime::format_duration(accept_for + budget);
        let right = format!(
            "must be more than `drain.accept_for` and `drain.budget` together, which are {together}"
        );
        values.conflict_problem("drain.grace_period", right)
    })
}

fn check_topics(values: &ConfigValues) -> Vec<ConfigProblem> {
    const PAIRS: [(&str, &str); 3] = [
        ("kafka.answers_topic", "kafka.questions_topic"),
        ("kafka.dead_letter_topic", "kafka.questions_topic"),
        ("kafka.dead_letter_topic", "kafka.answers_topic"),
    ];
    let topic = |name: &str| values.value(name, &kind::TOPIC);
    let same = PAIRS
        .iter()
        .filter(|(one, other)| topic(one).is_some_and(|one| topic(other) == Some(one)));
    same.map(|(one, other)| {
        values.conflict_problem(
            one,
            format!("is `{other}` too; give each a topic of its own"),
        )
    })
    .collect()
}

/// Their owner is one of those that read every partition.
fn check_dead_letters(values: &ConfigValues) -> Option<ConfigProblem> {
    let mode = values.value("delivery.mode", &kind::choice::<DeliveryMode>())?;
    (mode == DeliveryMode::Group && values.is_set("kafka.dead_letter_topic")).then(|| {
        let right =
            "needs `delivery.mode = broadcast`: a member of a group reads some partitions only";
        values.conflict_problem("kafka.dead_letter_topic", right.to_owned())
    })
}

fn check_ports(values: &ConfigValues) -> Option<ConfigProblem> {
    let port = values.value("admin.port", &kind::PORT)?;
    let meets =
        |one: IpAddr, other: IpAddr| one == other || one.is_unspecified() || other.is_unspecified();
    let address = values.value("admin.address", &kind::ADDRESS)?;
    let same = port != 0
        && port == values.value("server.port", &kind::PORT)?
        && meets(address, values.value("server.address", &kind::ADDRESS)?);
    same.then(|| {
        values.conflict_problem(
            "admin.port",
            "is `server.port` too; give each a port of its own",
        )
    })
}

fn check_registry_login(values: &ConfigValues) -> Option<ConfigProblem> {
    let both = values.is_set("registry.bearer_token") && values.is_set("registry.api_key");
    both.then(|| {
        values.conflict_problem(
            "registry.bearer_token",
            "and `registry.api_key` are both set; keep one of them",
        )
    })
}

/// Two fields of one record cannot have one name.
fn check_field_names(values: &ConfigValues) -> Vec<ConfigProblem> {
    let mut problems = Vec::new();
    for section in super::keys::SECTIONS
        .iter()
        .filter(|section| section.name.starts_with("schema."))
    {
        for (place, key) in section.keys.iter().enumerate() {
            let name = values.value(key.name, &kind::AVRO_NAME);
            let earlier = section.keys[..place].iter();
            let twin = earlier
                .filter(|_| name.is_some())
                .find(|earlier| values.value(earlier.name, &kind::AVRO_NAME) == name);
            if let Some(twin) = twin {
                let right = format!("is `{}` too; give each field a name of its own", twin.name);
                problems.push(values.conflict_problem(key.name, right));
            }
        }
    }
    problems
}

/// Warns about settings that are allowed and lose something with several replicas.
pub(crate) fn replica_warnings(values: &ConfigValues) -> Option<String> {
    (!values.is_set("session.token_key")).then(|| {
        "`session.token_key` is not set: sessions of version 2 resume at this process only, until it ends"
            .to_owned()
    })
}

/// Warns about settings that are allowed and surprising.
pub(crate) fn warnings(values: &ConfigValues) -> Vec<String> {
    let mut warnings = Vec::new();
    if values
        .value("security.allowed_origins", &kind::ORIGINS)
        .is_some_and(|origins| origins.is_empty())
    {
        warnings.push(
            "`security.allowed_origins` is empty: pages of every origin may connect".to_owned(),
        );
    }
    warnings.extend(warn_open_changes(values));
    warnings.extend(warn_unused_kafka_login(values));
    warnings
}

/// Changes that whoever reaches the admin port may make.
fn warn_open_changes(values: &ConfigValues) -> Option<String> {
    let allowed = values.value("admin.allow_changes", &kind::SWITCH)?;
    let address = values.value("admin.address", &kind::ADDRESS)?;
    (allowed && !address.is_loopback() && !values.is_set("admin.token")).then(|| {
        "`admin.allow_changes` is on and `admin.token` is not set: whoever reaches the admin port \
         may end every session"
            .to_owned()
    })
}

/// Credentials that the chosen protocol does not use.
fn warn_unused_kafka_login(values: &ConfigValues) -> Option<String> {
    const SASL: [&str; 4] = [
        "kafka.api_key",
        "kafka.api_secret",
        "kafka.oauth_client_id",
        "kafka.oauth_client_secret",
    ];
    const TLS: [&str; 3] = ["kafka.ssl_ca", "kafka.ssl_certificate", "kafka.ssl_key"];
    let protocol = values.value(
        "kafka.security_protocol",
        &kind::choice::<SecurityProtocol>(),
    )?;
    let sasl = matches!(
        protocol,
        SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl
    );
    let tls = matches!(protocol, SecurityProtocol::Ssl | SecurityProtocol::SaslSsl);
    let unused = SASL
        .iter()
        .filter(|_| !sasl)
        .chain(TLS.iter().filter(|_| !tls));
    let unused: Vec<_> = unused
        .filter(|name| values.is_given(name))
        .map(|name| format!("`{name}`"))
        .collect();
    let protocol = values.shown("kafka.security_protocol");
    let said = || {
        format!(
            "{} is not used: `kafka.security_protocol` is {protocol}",
            unused.join(", ")
        )
    };
    (!unused.is_empty()).then(said)
}
