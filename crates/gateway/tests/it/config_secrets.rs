//! Secrets: from files, and never shown.

use gateway::config::{Secret, keys};

use crate::support::{Given, effective};

/// The secrets that must not turn up anywhere.
const CANARY: &str = "canary-5f0c-of-32-characters-or-more";

#[test]
fn every_secret_can_stand_in_a_file_named_by_each_of_its_names() {
    for key in keys::all_keys().filter(|key| key.secret) {
        for name in key.env_names() {
            let given = Given::required();
            let path = given
                .other_file("secret", "from-file\n")
                .display()
                .to_string();
            let resolved = given.variable(&format!("{name}_FILE"), &path).resolve();
            let expected = format!("environment {name}_FILE, file {path}");
            assert_eq!(
                effective(&resolved, key.name),
                (Some("***".to_owned()), expected)
            );
        }
    }
}

#[test]
fn a_secrets_file_loses_one_line_end_and_nothing_else() {
    for (text, secret) in [
        ("s\n", "s"),
        ("s\r\n", "s"),
        ("s", "s"),
        (" s \n\n", " s \n"),
    ] {
        let given = Given::required();
        let path = given.other_file("secret", text).display().to_string();
        let given = given
            .variable("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
            .variable("KAFKA_API_KEY", "ana")
            .variable("KAFKA_API_SECRET_FILE", &path);
        assert_eq!(
            given.config().kafka.api_secret,
            Some(Secret::new(secret)),
            "{text:?}"
        );
    }
}

#[test]
fn a_secrets_file_can_be_named_in_a_file_and_by_a_flag() {
    let given = Given::required();
    let path = given.other_file("secret", "s\n").display().to_string();
    let given = given
        .file(
            "a.toml",
            &format!("[registry]\napi_key = 'k'\napi_secret_file = '{path}'\n"),
        )
        .flag(&format!("registry.api_key_file={path}"));
    let config = given.config();
    assert_eq!(config.registry.api_secret, Some(Secret::new("s")));
    assert_eq!(config.registry.api_key, Some(Secret::new("s")));
}

#[test]
fn a_secret_and_its_file_that_differ_are_a_mistake_naming_both() {
    let given = Given::required();
    let path = given.other_file("secret", "one").display().to_string();
    let mistakes = given
        .variable("KAFKA_API_SECRET", CANARY)
        .variable("KAFKA_API_SECRET_FILE", &path)
        .mistakes();
    assert!(
        mistakes.contains("environment KAFKA_API_SECRET and environment KAFKA_API_SECRET_FILE"),
        "{mistakes}"
    );
    assert!(!mistakes.contains(CANARY), "{mistakes}");
}

#[test]
fn a_secrets_file_that_cannot_be_read_is_a_mistake_with_its_path() {
    let given = Given::required();
    let long = given
        .other_file("long", &"x".repeat(70_000))
        .display()
        .to_string();
    for (path, why) in [
        ("/does/not/exist", "No such file"),
        (&long, "longer than 64 KiB"),
        ("/", "directory"),
    ] {
        let mistakes = Given::required()
            .variable("KAFKA_API_SECRET_FILE", path)
            .mistakes();
        assert!(
            mistakes.contains(&format!("environment KAFKA_API_SECRET_FILE, file {path}")),
            "{mistakes}"
        );
        assert!(mistakes.contains(why), "{mistakes}");
    }
}

#[test]
fn an_empty_secrets_file_is_a_mistake() {
    let given = Given::required();
    let path = given.other_file("secret", "\n").display().to_string();
    let mistakes = given.variable("KAFKA_API_SECRET_FILE", &path).mistakes();
    assert!(mistakes.contains("kafka.api_secret = ***"), "{mistakes}");
}

#[test]
fn no_secret_is_shown_by_the_configuration_or_its_listing() {
    for key in keys::all_keys().filter(|key| key.secret) {
        let given = Given::required().flag(&format!("{}={CANARY}", key.name));
        let resolved = given.resolve();
        assert_eq!(effective(&resolved, key.name).0.as_deref(), Some("***"));
        let debugged = format!("{resolved:?}");
        assert!(!debugged.contains(CANARY), "{}", key.name);
    }
    let config = Given::required()
        .flag(&format!("registry.bearer_token={CANARY}"))
        .flag(&format!("session.token_key={CANARY}"))
        .config();
    assert!(!format!("{config:?}").contains(CANARY));
    assert_eq!(
        config
            .registry
            .bearer_token
            .map(|token| token.expose().to_owned()),
        Some(CANARY.to_owned())
    );
}

#[test]
fn no_secret_is_shown_by_a_mistake_in_a_file() {
    for (what, name, text) in [
        (
            "broken TOML",
            "a.toml",
            format!("[kafka]\napi_secret = '{CANARY}' '\n"),
        ),
        (
            "broken YAML",
            "a.yaml",
            format!("kafka:\n  api_secret: [\"{CANARY}\n  x: ]\n"),
        ),
        (
            "unknown key",
            "a.toml",
            format!("[kafka]\napi_secrte = '{CANARY}'\npassword = ['{CANARY}']\n"),
        ),
        (
            "a list",
            "a.toml",
            format!("[kafka]\napi_secret = ['{CANARY}']\n"),
        ),
        (
            "a table",
            "a.toml",
            format!("[kafka.api_secret]\nx = '{CANARY}'\n"),
        ),
    ] {
        assert_not_shown(what, &Given::required().file(name, &text), CANARY);
    }
    let number = Given::required().file("a.toml", "[kafka]\napi_secret = 5550199\n");
    assert_not_shown("unquoted number", &number, "5550199");
}

#[test]
fn no_secret_is_shown_by_a_mistake_in_the_environment() {
    for (what, name, value) in [
        ("unknown variable", "GATEWAY__KAFKA__API_SECRTE", CANARY),
        ("half of it", "SCHEMA_REGISTRY_API_KEY", CANARY),
        (
            "cut property",
            "GATEWAY__KAFKA__PROPERTIES",
            &format!("client.id=x;{CANARY}"),
        ),
        (
            "refused property",
            "GATEWAY__KAFKA__PROPERTIES",
            &format!("sasl.password={CANARY}"),
        ),
    ] {
        assert_not_shown(what, &Given::required().variable(name, value), CANARY);
    }
}

#[test]
fn no_secret_is_shown_by_a_mistake_in_a_flag() {
    for (what, flags) in [
        ("unknown key", vec![format!("kafka.api_secrte={CANARY}")]),
        ("without key", vec![CANARY.to_owned()]),
        (
            "in a URL",
            vec![format!("registry.url=http://ana:{CANARY}@registry:8081")],
        ),
        (
            "two logins",
            vec![
                format!("registry.bearer_token={CANARY}"),
                format!("registry.api_key={CANARY}"),
                format!("registry.api_secret={CANARY}"),
            ],
        ),
    ] {
        let given = flags
            .iter()
            .fold(Given::required(), |given, flag| given.flag(flag));
        assert_not_shown(what, &given, CANARY);
    }
}

/// The settings are refused, and whatever is said about them is without the secret.
fn assert_not_shown(what: &str, given: &Given, secret: &str) {
    let errors = given.load().expect_err(what);
    let said = format!("{errors}\n{errors:?}\n{:?}", given.resolve());
    assert!(!said.contains(secret), "{what}: {said}");
}

#[test]
fn a_secret_among_the_properties_is_not_shown() {
    let given = Given::required().flag(&format!("kafka.properties.https.proxy.password={CANARY}"));
    let said = format!("{:?}", given.resolve());
    assert!(
        said.contains("https.proxy.password") && !said.contains(CANARY),
        "{said}"
    );
    let properties = given.config().kafka.properties;
    assert_eq!(
        properties.iter().next(),
        Some(("https.proxy.password", CANARY))
    );
}
