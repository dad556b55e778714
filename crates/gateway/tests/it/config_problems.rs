//! Mistakes: each is found, all are reported together, each says what would be right.

use std::collections::BTreeSet;

use gateway::config::{REFUSED_PROPERTIES, keys};

use crate::support::Given;

/// A wrong value for every kind of value, recognised by what is right for it.
const BAD: &[(&str, &[&str])] = &[
    ("server.address", &["localhost", "300.1.1.1", "x"]),
    ("server.port", &["http", "65536", "-1", "80.5"]),
    (
        "server.header_timeout",
        &["10", "0s", "-1s", "8days", "5 apples", "1us"],
    ),
    ("drain.accept_for", &["10", "x"]),
    ("server.max_connections", &["0", "-1", "many", "100000001"]),
    ("drain.close_rate", &["0", "x"]),
    ("limits.connects_per_second", &["-1", "x", "1.5"]),
    (
        "kafka.bootstrap_servers",
        &[
            "kafka:port",
            "kafka:0",
            "http://kafka:9092",
            ",",
            "a b:1",
            "a:b:9092",
        ],
    ),
    ("kafka.questions_topic", &["with space", "ação", ".."]),
    ("kafka.dead_letter_topic", &["with space", "ação", ".."]),
    ("kafka.auto_offset_reset", &["newest"]),
    ("kafka.security_protocol", &["TLS"]),
    ("kafka.sasl_mechanism", &["GSSAPI"]),
    ("kafka.ssl_ca", &["/does/not/exist.pem", "/"]),
    ("kafka.properties", &["linger.ms", "=3"]),
    (
        "registry.url",
        &[
            "registry:8081",
            "ftp://registry",
            "http://",
            "http://r/?q=1",
        ],
    ),
    ("registry.auto_register", &["yes", "1", "TRUE!"]),
    ("schema.answer.text", &["1st", "with-dash", "a b"]),
    ("delivery.mode", &["multicast"]),
    ("session.wire_id", &["id"]),
    ("auth.mode", &["jwt", "basic"]),
    (
        "ws.max_frame_bytes",
        &[
            "64",
            "64KB",
            "0B",
            "2GiB",
            "KiB",
            "-1KiB",
            "99999999999999999999KiB",
        ],
    ),
    (
        "security.allowed_origins",
        &[
            "*",
            "example.org",
            "https://a/path",
            "https://",
            "https://a b",
        ],
    ),
    (
        "admin.allowed_hosts",
        &[
            "*",
            "http://gateway",
            "gateway:9090",
            "a b",
            ".example.org",
            "a.",
        ],
    ),
    ("log.level", &["loud=very", "info,=,"]),
    ("log.format", &["xml"]),
];

#[test]
fn every_kind_of_bad_value_is_refused_with_its_key_origin_and_what_is_right() {
    for (name, values) in BAD {
        let key = keys::find_key(name).unwrap_or_else(|| panic!("{name} is a key"));
        for value in *values {
            let given = Given::required_but(key).variable(&key.env(), value);
            let errors = given.load().expect_err(&format!("{name} = {value}"));
            let [problem] = errors.0.as_slice() else {
                panic!("{name} = {value}: {errors}");
            };
            assert_eq!(problem.key, *name);
            let origin = format!("environment {}", key.env());
            assert_eq!(problem.origin.as_ref().map(|o| o.as_str()), Some(&*origin));
            assert!(
                problem.expected.contains(key.expected),
                "{name} = {value}: {problem}"
            );
        }
    }
}

#[test]
fn every_kind_of_value_has_bad_examples() {
    let tried: Vec<_> = BAD
        .iter()
        .map(|(name, _)| keys::find_key(name).expect("a key").expected)
        .collect();
    for key in keys::all_keys().filter(|key| !key.expected.starts_with("a text")) {
        assert!(
            tried.contains(&key.expected),
            "{}: {}",
            key.name,
            key.expected
        );
    }
}

#[test]
fn a_bad_value_is_shown() {
    let mistakes = Given::required().variable("PORT", "http").mistakes();
    assert_eq!(
        mistakes,
        "1 setting is wrong:\n  server.port = \"http\" (environment PORT): give a port from 1 to 65535, or 0 for any free one"
    );
}

#[test]
fn all_mistakes_are_reported_together() {
    let mistakes = Given::nothing()
        .file(
            "a.toml",
            "[server]\nprot = 1\n[session]\nanswer_timeout = 'soon'\n",
        )
        .variable("PORT", "http")
        .variable("GATEWAY__KAFKA__GRUOP_ID", "x")
        .variable("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
        .flag("drain.budget=5min")
        .flag("log.format")
        .mistakes();
    for part in [
        "10 settings are wrong",
        "kafka.bootstrap_servers: is not set",
        "KAFKA_BOOTSTRAP_SERVERS",
        "registry.url: is not set",
        "server.prot (file ",
        "session.answer_timeout = \"soon\" (file ",
        "server.port = \"http\" (environment PORT)",
        "GATEWAY__KAFKA__GRUOP_ID",
        "kafka.api_key: is not set",
        "kafka.api_secret: is not set",
        "drain.grace_period",
        "log.format (flag --set): has no value",
    ] {
        assert!(mistakes.contains(part), "{part}\n{mistakes}");
    }
}

#[test]
fn unknown_names_are_refused_with_the_nearest_known_one() {
    let mistakes = Given::required()
        .file("a.yaml", "sever:\n  port: 1\nsession:\n  wireid: plain\n")
        .variable("GATEWAY__SERVER__PROT", "1")
        .flag("kafka.anwers_topic=x")
        .mistakes();
    for (name, near) in [
        ("sever.port", "server.port"),
        ("session.wireid", "session.wire_id"),
        ("GATEWAY__SERVER__PROT", "GATEWAY__SERVER__PORT"),
        ("kafka.anwers_topic", "kafka.answers_topic"),
    ] {
        let hint = format!("is no setting; did you mean `{near}`?");
        let line = mistakes
            .lines()
            .find(|line| line.trim_start().starts_with(&format!("{name} (")));
        assert!(
            line.is_some_and(|line| line.ends_with(&hint)),
            "{name}\n{mistakes}"
        );
    }
}

#[test]
fn an_unknown_name_near_to_none_gets_no_wrong_hint() {
    let mistakes = Given::required()
        .variable("GATEWAY__COLOUR__SCHEME", "dark")
        .mistakes();
    assert!(
        mistakes.contains("is no setting; `answer-gateway config --reference`"),
        "{mistakes}"
    );
}

#[test]
fn the_configuration_refuses_exactly_the_properties_that_a_client_refuses() {
    let by_configuration: BTreeSet<_> = REFUSED_PROPERTIES.iter().map(|one| one.name).collect();
    let by_client = kafka_ingest::REFUSED_PROPERTIES.iter().copied().collect();
    assert_eq!(by_configuration, by_client);
}

#[test]
fn every_librdkafka_property_the_promises_rest_on_is_refused_by_name_in_every_layer() {
    for refused in REFUSED_PROPERTIES {
        let name = match refused.name.strip_suffix('.') {
            Some(beginning) => format!("{beginning}.anything"),
            None => refused.name.to_owned(),
        };
        let toml = format!("[kafka.properties]\n'{name}' = 'x'\n");
        let givens = [
            Given::required().variable(
                "GATEWAY__KAFKA__PROPERTIES",
                &format!("{name}=x;client.id=y"),
            ),
            Given::required().flag(&format!("kafka.properties.{name}=x")),
            Given::required().file("a.toml", &toml),
        ];
        for given in givens {
            let errors = given.load().expect_err(&name);
            assert_eq!(errors.0.len(), 1, "{errors}");
            assert_eq!(errors.0[0].key, format!("kafka.properties.{name}"));
            assert!(errors.0[0].expected.contains(refused.reason), "{errors}");
        }
    }
}

#[test]
fn what_comes_in_a_later_version_is_refused_with_those_words() {
    let mistakes = Given::required()
        .variable("GATEWAY__AUTH__MODE", "jwt")
        .mistakes();
    assert!(
        mistakes.contains("is not available in this version; give"),
        "{mistakes}"
    );
}

#[test]
fn a_token_key_that_is_missing_is_warned_about_and_a_short_one_is_a_mistake() {
    let about = |given: Given| {
        let warnings = given.load().expect("right").warnings;
        let about = |warning: &&String| warning.contains("`session.token_key`");
        warnings.iter().filter(about).count()
    };
    let key = (
        "GATEWAY__SESSION__TOKEN_KEY",
        "0123456789abcdef0123456789abcdef",
    );
    assert_eq!(about(Given::required()), 1);
    assert_eq!(about(Given::required().variable(key.0, key.1)), 0);
    let short = Given::required().variable(key.0, "0123456789").mistakes();
    assert!(
        short.contains("is too short; give a text of at least 32"),
        "{short}"
    );
    let alone = Given::required()
        .variable("GATEWAY__SESSION__PREVIOUS_TOKEN_KEY", key.1)
        .mistakes();
    assert!(
        alone.contains("needs `session.token_key` as well"),
        "{alone}"
    );
}

#[test]
fn changes_that_anybody_on_the_network_may_make_are_warned_about() {
    let about = |given: Given| {
        let warnings = given.load().expect("right").warnings;
        let about = |warning: &&String| warning.contains("`admin.token`");
        warnings.iter().filter(about).count()
    };
    let open = || Given::required().flag("admin.allow_changes=true");
    assert_eq!(about(open()), 0, "on loopback");
    let reachable = || open().flag("admin.address=0.0.0.0");
    assert_eq!(about(reachable()), 1);
    let token = "0123456789abcdef0123456789abcdef";
    assert_eq!(
        about(reachable().variable("GATEWAY__ADMIN__TOKEN", token)),
        0
    );
}

#[test]
fn an_open_origin_list_is_warned_about_once() {
    let about = |given: Given| {
        let warnings = given.load().expect("right").warnings;
        warnings
            .iter()
            .filter(|warning| warning.contains("allowed_origins"))
            .count()
    };
    assert_eq!(about(Given::required()), 1);
    assert_eq!(
        about(Given::required().flag("security.allowed_origins=https://a")),
        0
    );
}

#[test]
fn a_file_that_is_absent_or_of_another_kind_is_a_mistake() {
    let absent = Given::required().absent_file("none.toml").mistakes();
    assert!(absent.contains("none.toml): cannot be read"), "{absent}");
    let other = Given::required().file("a.ini", "x").mistakes();
    assert!(
        other.contains("name it `.toml`, `.yaml` or `.yml`"),
        "{other}"
    );
}

#[test]
fn a_file_that_does_not_parse_is_a_mistake_at_its_line() {
    let toml = Given::required()
        .file("a.toml", "[server]\nport = = 1\n")
        .mistakes();
    assert!(
        toml.contains("is not valid TOML at line 2, column"),
        "{toml}"
    );
    let yaml = Given::required()
        .file("a.yaml", "server:\n  port: [1\nadmin: 2\n")
        .mistakes();
    assert!(yaml.contains("is not valid YAML at line "), "{yaml}");
}

#[test]
fn a_value_of_another_shape_is_a_mistake() {
    for (text, said) in [
        ("server = 5", "server (file"),
        ("[server.port]\nx = 1", "server.port (file"),
        ("[server]\nport = [1, 2]", "server.port = \"1,2\" (file"),
        ("[server]\nport = [[1]]", "server.port = \"neither"),
        ("[kafka]\ngroup_id = 7", "kafka.group_id = \"7\" (file"),
        ("[kafka]\nproperties = 7", "kafka.properties (file"),
        ("[kafka.properties]\na = [1]", "kafka.properties.a (file"),
    ] {
        let mistakes = Given::required().file("a.toml", text).mistakes();
        assert!(mistakes.contains(said), "{text}\n{mistakes}");
        assert!(
            mistakes.starts_with("1 setting is wrong"),
            "{text}\n{mistakes}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8_is_a_mistake() {
    use gateway::config::{Config, ConfigInputs, Environment, Purpose};
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    let environment = crate::support::REQUIRED
        .into_iter()
        .map(|(name, value)| (name, OsString::from(value)))
        .chain([("PORT", OsString::from_vec(vec![b'8', 0xff]))]);
    let environment: Environment = environment.collect();
    let inputs = ConfigInputs {
        command: Purpose::Run,
        file: None,
        environment: &environment,
        set: &[],
    };
    let errors = Config::load(&inputs).expect_err("wrong").to_string();
    assert!(
        errors.contains("server.port (environment PORT): is not UTF-8"),
        "{errors}"
    );
}
