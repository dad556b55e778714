//! Tests the command line, and the output of `config`.

use clap::{CommandFactory, Parser};
use gateway::cli::{Cli, CliCommand, completions, config};
use gateway::config::{Environment, keys, reference};

use crate::support::REQUIRED;

fn parsed(line: &str) -> CliCommand {
    let words = std::iter::once("answer-gateway").chain(line.split_whitespace());
    Cli::try_parse_from(words).expect("right").into_command()
}

/// The standard output and standard error of `config …`, and its exit code.
fn printed(line: &str, variables: &[(&str, &str)]) -> (String, String, u8) {
    let CliCommand::Config(arguments) = parsed(&format!("config {line}")) else {
        panic!("`config` is the command");
    };
    let environment: Environment = variables.iter().copied().collect();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = config::run_config(&arguments, &environment, &mut out, &mut err).expect("written");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (text(out), text(err), code)
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn without_a_command_the_gateway_runs() {
    assert!(matches!(parsed(""), CliCommand::Run(_)));
    assert!(matches!(parsed("demo"), CliCommand::Demo(_)));
}

#[test]
fn settings_count_before_and_after_the_command() {
    let CliCommand::Run(settings) =
        parsed("--set a=1 --config one.toml run --set b=2 --config two.toml")
    else {
        panic!("`run` is the command");
    };
    assert_eq!(settings.set, ["a=1", "b=2"]);
    assert_eq!(settings.file.as_deref(), Some("two.toml".as_ref()));
    let CliCommand::Run(settings) = parsed("--config one.toml --set a=1") else {
        panic!("`run` is the default");
    };
    assert_eq!(settings.set, ["a=1"]);
    assert_eq!(settings.file.as_deref(), Some("one.toml".as_ref()));
}

#[test]
fn every_command_has_examples_in_its_help() {
    let mut command = Cli::command();
    let help = command.render_long_help().to_string();
    assert!(help.contains("Examples:"), "{help}");
    for sub in command
        .get_subcommands_mut()
        .filter(|sub| sub.get_name() != "help")
    {
        let help = sub.render_long_help().to_string();
        assert!(
            help.contains("Examples:") && help.contains("answer-gateway"),
            "{help}"
        );
    }
}

#[test]
fn config_lists_every_setting_with_value_and_origin() {
    let secret = ("KAFKA_API_SECRET", "canary-77");
    let variables = [REQUIRED[0], REQUIRED[1], secret, ("PORT", "8181")];
    let (out, err, code) = printed("--set log.format=json", &variables);
    assert_eq!(code, 0, "{err}");
    let row = |key: &str| {
        let line = out
            .lines()
            .find(|line| line.split_whitespace().next() == Some(key));
        let line = line.unwrap_or_else(|| panic!("{key} is listed: {out}"));
        line.split_whitespace()
            .skip(1)
            .collect::<Vec<_>>()
            .join(" ")
    };
    for key in keys::all_keys() {
        row(key.name);
    }
    assert_eq!(row("server.port"), "8181 environment PORT");
    assert_eq!(row("log.format"), "json flag --set");
    assert_eq!(row("kafka.api_secret"), "*** environment KAFKA_API_SECRET");
    assert_eq!(row("kafka.ssl_ca"), "– default");
    assert_eq!(row("drain.budget"), "25s default");
    assert!(!out.contains("canary-77") && !err.contains("canary-77"));
}

#[test]
fn config_prints_json_for_machines() {
    let (out, _, code) = printed("--format json", &REQUIRED);
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(code, 0);
    assert_eq!(json["server.port"]["value"], "8080");
    assert_eq!(json["server.port"]["origin"], "default");
    assert_eq!(
        json["kafka.bootstrap_servers"]["origin"],
        "environment KAFKA_BOOTSTRAP_SERVERS"
    );
    assert!(json["kafka.api_secret"]["value"].is_null());
    assert_eq!(
        json.as_object().map(|object| object.len()),
        Some(keys::all_keys().count())
    );
}

#[test]
fn config_prints_what_there_is_beside_what_is_wrong() {
    let (out, err, code) = printed("", &[("PORT", "http")]);
    assert_eq!(code, 1);
    assert!(out.contains("server.port") && out.contains("http"), "{out}");
    assert!(err.starts_with("3 settings are wrong:"), "{err}");
}

#[test]
fn config_shows_the_demos_settings_too() {
    let (out, err, code) = printed("--command demo", &[]);
    assert_eq!(code, 0, "{err}");
    let chat = out
        .lines()
        .find(|line| line.starts_with("chat.enabled"))
        .expect("listed");
    assert!(chat.contains("true"), "{chat}");
}

#[test]
fn the_reference_page_is_what_the_key_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let (expected, _, code) = printed("--reference", &[]);
    assert_eq!((code, &expected), (0, &reference()));
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, &expected).expect("written");
    }
    let page = std::fs::read_to_string(path).expect("docs/configuration.md is there");
    assert!(
        page == expected,
        "docs/configuration.md is not what the key table says: run this test with UPDATE_EXPECT=1"
    );
    for key in keys::all_keys() {
        assert!(
            page.contains(&format!("| `{}` | `{}`", key.name, key.env())),
            "{}",
            key.name
        );
    }
}

#[test]
fn names_that_scripts_elsewhere_use_are_there() {
    let names: Vec<_> = keys::all_keys().flat_map(|key| key.env_names()).collect();
    for name in [
        "GATEWAY__ADMIN__PORT",
        "GATEWAY__ADMIN__ADDRESS",
        "GATEWAY__SERVER__ADDRESS",
        "GATEWAY__DELIVERY__MODE",
        "GATEWAY__SESSION__ANSWER_TIMEOUT",
        "GATEWAY__SESSION__TOKEN_KEY",
        "GATEWAY__SESSION__WIRE_ID",
        "GATEWAY__RESUME__WINDOW",
        "GATEWAY__AUTH__MODE",
        "GATEWAY__LIMITS__CONNECTIONS_PER_ADDRESS",
        "GATEWAY__LIMITS__CONNECTS_PER_SECOND",
        "GATEWAY__KAFKA__PROPERTIES",
        "GATEWAY__KAFKA__QUESTIONS_TOPIC",
        "GATEWAY__KAFKA__ANSWERS_TOPIC",
        "GATEWAY__REGISTRY__AUTO_REGISTER",
        "KAFKA_BOOTSTRAP_SERVERS",
        "KAFKA_SCHEMA_REGISTRY_URL",
        "SCHEMA_REGISTRY_URL",
        "KAFKA_CONSUMER_GROUP_ID",
        "KAFKA_CONSUMER_GROUP",
        "KAFKA_AUTO_OFFSET_RESET",
        "KAFKA_SECURITY_PROTOCOL",
        "KAFKA_SASL_MECHANISM",
        "KAFKA_API_KEY",
        "KAFKA_API_SECRET",
        "SCHEMA_REGISTRY_API_KEY",
        "SCHEMA_REGISTRY_API_SECRET",
        "PORT",
        "RUST_LOG",
    ] {
        assert_eq!(
            names.iter().filter(|known| *known == name).count(),
            1,
            "{name}"
        );
    }
}

#[test]
fn no_name_means_two_settings() {
    let mut names: Vec<_> = keys::all_keys()
        .flat_map(|key| {
            let own = [key.name.to_owned()];
            let by_file = key.env_names().map(|name| format!("{name}_FILE"));
            let by_file: Vec<_> = if key.secret {
                by_file.collect()
            } else {
                Vec::new()
            };
            own.into_iter()
                .chain(key.env_names())
                .chain(by_file)
                .collect::<Vec<_>>()
        })
        .collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn completions_name_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let CliCommand::Completions { shell } = parsed(&format!("completions {shell}")) else {
            panic!("`completions` is the command");
        };
        let mut out = Vec::new();
        completions(shell, &mut out).expect("written");
        let script = String::from_utf8(out).expect("UTF-8");
        assert!(
            script.contains("demo") && script.contains("completions"),
            "{shell}"
        );
    }
}
