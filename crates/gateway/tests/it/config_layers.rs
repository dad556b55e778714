//! Tests which layer wins, and what happens when one layer says two things.

use gateway::config::keys;

use crate::support::{Given, effective};

const FILE: &str = "[kafka]\ngroup_id = 'from-file'\n";

#[test]
fn a_file_wins_over_a_default_the_environment_over_a_file_and_a_flag_over_all() {
    let group = |given: Given| effective(&given.resolve(), "kafka.group_id");
    let expect = |value: &str, origin: &str, (got, from): (Option<String>, String)| {
        assert_eq!(got.as_deref(), Some(value));
        assert!(from.starts_with(origin), "{from}");
    };
    expect("rag-flink-ui-group", "default", group(Given::required()));
    let given = || Given::required().file("a.toml", FILE);
    expect("from-file", "file ", group(given()));
    let given = || given().variable("KAFKA_CONSUMER_GROUP_ID", "from-env");
    expect(
        "from-env",
        "environment KAFKA_CONSUMER_GROUP_ID",
        group(given()),
    );
    let given = || given().flag("kafka.group_id=from-flag");
    expect("from-flag", "flag --set", group(given()));
}

#[test]
fn the_admin_port_is_found_without_what_only_the_gateway_needs() {
    let given = Given::nothing().variable("GATEWAY__ADMIN__PORT", "9091");
    assert!(given.load().is_err(), "the gateway itself needs more");
    assert_eq!(given.load_admin().expect("found").port, 9091);
    let given = Given::nothing().variable("GATEWAY__ADMIN__PORT", "none");
    let mistake = given.load_admin().expect_err("no port").to_string();
    assert!(mistake.contains("admin.port"), "{mistake}");
}

#[test]
fn of_a_flag_given_twice_the_last_counts() {
    let given = Given::required()
        .flag("server.port=1")
        .flag("server.port=2");
    assert_eq!(given.config().server.port, 2);
}

#[test]
fn an_empty_variable_counts_as_unset() {
    for key in keys::all_keys() {
        let mut given = Given::required();
        for name in key
            .env_names()
            .filter(|name| !name.starts_with("KAFKA_BOOT"))
        {
            if name != "KAFKA_SCHEMA_REGISTRY_URL" {
                given = given.variable(&name, "");
            }
        }
        let resolved = given.resolve();
        let plain = Given::required().resolve();
        assert_eq!(effective(&resolved, key.name), effective(&plain, key.name));
    }
}

#[test]
fn an_alias_and_its_own_variable_that_differ_are_a_mistake_naming_both() {
    let aliased = keys::all_keys().filter(|key| !key.aliases.is_empty());
    for key in aliased {
        let own = key.env();
        for alias in key.aliases {
            let given = Given::required_but(key)
                .variable(&own, "one")
                .variable(alias, "other");
            let mistakes = given.mistakes();
            let said = format!("environment {own} and environment {alias} say different things");
            assert!(mistakes.contains(&said), "{mistakes}");
        }
    }
}

#[test]
fn two_aliases_that_differ_are_a_mistake_too() {
    let mistakes = Given::required()
        .variable("SCHEMA_REGISTRY_URL", "http://elsewhere:8081")
        .mistakes();
    assert!(
        mistakes.contains("KAFKA_SCHEMA_REGISTRY_URL and environment SCHEMA_REGISTRY_URL"),
        "{mistakes}"
    );
}

#[test]
fn an_alias_and_its_own_variable_that_agree_are_fine() {
    let given = Given::required()
        .variable("GATEWAY__SERVER__PORT", "8181")
        .variable("PORT", " 8181 ");
    assert_eq!(given.config().server.port, 8181);
}

#[test]
fn properties_of_several_layers_add_up_name_by_name() {
    let given = Given::required()
        .file(
            "a.toml",
            "[kafka.properties]\n'client.id' = 'file'\n'linger.ms' = 1\n'fetch.wait.max.ms' = 9\n",
        )
        .variable("GATEWAY__KAFKA__PROPERTIES", "client.id=env;linger.ms=2")
        .flag("kafka.properties.client.id=flag")
        .flag("kafka.properties.debug=broker");
    let properties = given.config().kafka.properties;
    let properties: Vec<_> = properties.iter().collect();
    let expected = [
        ("client.id", "flag"),
        ("debug", "broker"),
        ("fetch.wait.max.ms", "9"),
        ("linger.ms", "2"),
    ];
    assert_eq!(properties, expected);
    let (_, origin) = effective(&given.resolve(), "kafka.properties");
    for part in [
        "file ",
        "environment GATEWAY__KAFKA__PROPERTIES",
        "flag --set",
    ] {
        assert!(origin.contains(part), "{origin}");
    }
}

#[test]
fn variables_that_are_none_of_the_gateways_are_left_alone() {
    // Kubernetes sets such ones for a service named `gateway`.
    let given = Given::required()
        .variable("GATEWAY_PORT", "tcp://10.0.0.1:80")
        .variable("GATEWAY_SERVICE_HOST", "10.0.0.1")
        .variable("KAFKA_PORT", "tcp://10.0.0.2:9092");
    assert!(given.load().is_ok());
}
