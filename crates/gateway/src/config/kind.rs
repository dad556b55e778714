//! Kinds of values: how each is read from what a person wrote, and what to tell who wrote it wrong.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::filter::EnvFilter;
use url::Url;

use super::choice::ConfigChoice;
use super::properties::KafkaProperties;
use super::secret::Secret;

/// A value as it was written, before anybody knows what it means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RawValue {
    /// A text: everything from the environment and from flags, strings of a file.
    Text(String),
    /// A number or boolean of a file.
    Scalar(String),
    /// A list of a file.
    List(Vec<String>),
    /// Values by name.
    Map(BTreeMap<String, String>),
    /// Something else of a file: nothing is written so.
    Other,
}

/// Parses one kind of value.
pub(crate) struct ValueParser<T> {
    /// The form of a right value: the end of "give …".
    pub(crate) expected: &'static str,
    /// True when its values must not be shown.
    pub(crate) secret: bool,
    /// True when it holds values by free names.
    pub(crate) map: bool,
    pub(crate) parse: fn(&RawValue) -> Result<T, ParseFault>,
}

/// The reason for which a value was not taken. Never holds a part of a secret.
#[derive(Debug, PartialEq)]
pub(crate) enum ParseFault {
    /// It does not look like a right one.
    Shape,
    /// It does, and still is not right.
    Reason(String),
}

impl<T> ValueParser<T> {
    const fn new(right: &'static str, parse: fn(&RawValue) -> Result<T, ParseFault>) -> Self {
        Self {
            expected: right,
            secret: false,
            map: false,
            parse,
        }
    }
}

/// One of an enum's words.
pub(crate) const fn choice<T: ConfigChoice>() -> ValueParser<T> {
    ValueParser::new(T::EXPECTED, |raw| {
        let word = raw_scalar(raw)?;
        let same = |known: &str| known.eq_ignore_ascii_case(word);
        if let Some((_, value)) = T::WORDS.iter().find(|(known, _)| same(known)) {
            return Ok(*value);
        }
        if T::RESERVED_WORDS.iter().any(|later| same(later)) {
            let reason = "is not available in this version";
            return Err(ParseFault::Reason(reason.to_owned()));
        }
        Err(ParseFault::Shape)
    })
}

pub(crate) const ADDRESS: ValueParser<IpAddr> =
    ValueParser::new("an IP address like `127.0.0.1`, `0.0.0.0` or `::`", |raw| {
        raw_scalar(raw)?.parse().map_err(|_| ParseFault::Shape)
    });

pub(crate) const PORT: ValueParser<u16> = ValueParser::new(
    "a port from 1 to 65535, or 0 for any free one",
    parse_number,
);

pub(crate) const SWITCH: ValueParser<bool> =
    ValueParser::new("`true` or `false`", |raw| match raw_scalar(raw)? {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(ParseFault::Shape),
    });

/// The longest duration taken: far below what overflows a clock.
pub(crate) const LONGEST_DURATION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

pub(crate) const DURATION: ValueParser<Duration> = ValueParser::new(
    "a duration from `1ms` to `7days`, like `500ms`, `30s` or `2m`",
    |raw| match parse_duration(raw)? {
        Duration::ZERO => Err(ParseFault::Shape),
        duration => Ok(duration),
    },
);

pub(crate) const DURATION_OR_ZERO: ValueParser<Duration> = ValueParser::new(
    "a duration from `0s` to `7days`, like `500ms`, `30s` or `2m`",
    parse_duration,
);

pub(crate) const SIZE: ValueParser<usize> = ValueParser::new(
    "a size from `1B` to `1GiB`, like `512B`, `64KiB` or `1MiB`",
    parse_size,
);

pub(crate) const COUNT: ValueParser<usize> =
    ValueParser::new("a whole number from 1 to 100000000", |raw| {
        let count = parse_number(raw)?;
        (1..=100_000_000)
            .contains(&count)
            .then_some(count)
            .ok_or(ParseFault::Shape)
    });

pub(crate) const PER_SECOND: ValueParser<NonZeroU32> =
    ValueParser::new("a whole number from 1 to 4294967295", parse_number);

pub(crate) const RATE_LIMIT: ValueParser<Option<NonZeroU32>> = ValueParser::new(
    "a whole number from 1 to 4294967295, or 0 for no limit",
    |raw| parse_number(raw).map(NonZeroU32::new),
);

pub(crate) const TEXT: ValueParser<String> = ValueParser::new("a text that is not empty", |raw| {
    raw_text(raw).map(str::to_owned)
});

pub(crate) const SECRET: ValueParser<Secret> = ValueParser {
    expected: "a text that is not empty, or its file in the variable with `_FILE` at the end",
    secret: true,
    map: false,
    parse: |raw| raw_text(raw).map(Secret::new),
};

/// A key that authenticates: who guesses it can forge.
pub(crate) const TOKEN_KEY: ValueParser<Secret> = ValueParser {
    expected: "a text of at least 32 characters, drawn at random, or its file in the variable with `_FILE` at the end",
    secret: true,
    map: false,
    parse: |raw| match raw_text(raw)? {
        key if key.chars().count() < 32 => Err(ParseFault::Reason("is too short".to_owned())),
        key => Ok(Secret::new(key)),
    },
};

pub(crate) const READABLE_FILE: ValueParser<PathBuf> =
    ValueParser::new("the path of a file this process can read", |raw| {
        let path = PathBuf::from(raw_text(raw)?);
        match File::open(&path).and_then(|file| file.metadata()) {
            Ok(metadata) if metadata.is_file() => Ok(path),
            Ok(_) => Err(ParseFault::Reason("is not a file".to_owned())),
            Err(error) => Err(ParseFault::Reason(format!(
                "cannot be read ({})",
                error.kind()
            ))),
        }
    });

pub(crate) const BOOTSTRAP_SERVERS: ValueParser<String> = ValueParser::new(
    "`host:port`, several separated by commas, like `kafka-1:9092,kafka-2:9092`",
    |raw| {
        let brokers = raw_list(raw)?;
        if !brokers.is_empty() && brokers.iter().all(|broker| is_broker(broker)) {
            Ok(brokers.join(","))
        } else {
            Err(ParseFault::Shape)
        }
    },
);

pub(crate) const HTTP_URL: ValueParser<String> = ValueParser::new(
    "a URL like `http://schema-registry:8081`, without user name and password in it",
    |raw| {
        let text = raw_text(raw)?.trim();
        let url = Url::parse(text).map_err(|_| ParseFault::Shape)?;
        let http = matches!(url.scheme(), "http" | "https") && url.has_host();
        let bare = url.username().is_empty() && url.password().is_none();
        if http && bare && url.query().is_none() && url.fragment().is_none() {
            Ok(text.trim_end_matches('/').to_owned())
        } else {
            Err(ParseFault::Shape)
        }
    },
);

pub(crate) const TOPIC: ValueParser<String> = ValueParser::new(
    "a topic name: 1 to 249 characters of `A-Z a-z 0-9 . _ -`",
    |raw| {
        let topic = raw_text(raw)?;
        let accepted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let named = topic.len() <= 249 && topic.chars().all(accepted);
        (named && topic != "." && topic != "..")
            .then(|| topic.to_owned())
            .ok_or(ParseFault::Shape)
    },
);

pub(crate) const AVRO_NAME: ValueParser<String> = ValueParser::new(
    "the name of an Avro field: letters, digits and `_`, no digit first",
    |raw| {
        let name = raw_text(raw)?;
        let accepted = |c: char| c.is_ascii_alphanumeric() || c == '_';
        (name.chars().all(accepted) && !name.starts_with(|c: char| c.is_ascii_digit()))
            .then(|| name.to_owned())
            .ok_or(ParseFault::Shape)
    },
);

pub(crate) const ORIGINS: ValueParser<Vec<String>> = ValueParser::new(
    "origins like `https://chat.example.org`, separated by commas; empty allows all",
    |raw| {
        let origins = raw_list(raw)?;
        if origins.iter().all(|origin| is_origin(origin)) {
            Ok(origins.iter().map(|o| o.to_ascii_lowercase()).collect())
        } else {
            Err(ParseFault::Shape)
        }
    },
);

pub(crate) const HOSTS: ValueParser<Vec<String>> = ValueParser::new(
    "host names without ports like `gateway.internal`, separated by commas",
    |raw| {
        let hosts = raw_list(raw)?;
        if hosts.iter().all(|host| is_host_name(host)) {
            Ok(hosts.iter().map(|h| h.to_ascii_lowercase()).collect())
        } else {
            Err(ParseFault::Shape)
        }
    },
);

pub(crate) const LOG_FILTER: ValueParser<String> = ValueParser::new(
    "a level (`error`, `warn`, `info`, `debug`, `trace`), or levels by target like `info,kafka_ingest=debug`",
    |raw| {
        let filter = raw_text(raw)?;
        EnvFilter::try_new(filter)
            .map(|_| filter.to_owned())
            .map_err(|_| ParseFault::Shape)
    },
);

pub(crate) const PROPERTIES: ValueParser<KafkaProperties> = ValueParser {
    expected: "librdkafka properties, like `client.id=gateway-1;socket.keepalive.enable=true`",
    secret: false,
    map: true,
    parse: |raw| match raw {
        RawValue::Map(map) => Ok(KafkaProperties::new(map.clone())),
        RawValue::Text(_) | RawValue::Scalar(_) | RawValue::List(_) | RawValue::Other => {
            Err(ParseFault::Shape)
        }
    },
};

/// A text as it was written, quoted if it came from a file: `0123` unquoted would lose its zero.
fn raw_text(raw: &RawValue) -> Result<&str, ParseFault> {
    match raw {
        RawValue::Text(text) if !text.is_empty() => Ok(text),
        RawValue::Scalar(_) => Err(ParseFault::Reason(
            "is not a text: put it in quotes".to_owned(),
        )),
        RawValue::Text(_) | RawValue::List(_) | RawValue::Map(_) | RawValue::Other => {
            Err(ParseFault::Shape)
        }
    }
}

fn raw_scalar(raw: &RawValue) -> Result<&str, ParseFault> {
    match raw {
        RawValue::Text(text) | RawValue::Scalar(text) => Ok(text.trim()),
        RawValue::List(_) | RawValue::Map(_) | RawValue::Other => Err(ParseFault::Shape),
    }
}

/// A list of a file, or texts separated by commas.
fn raw_list(raw: &RawValue) -> Result<Vec<String>, ParseFault> {
    match raw {
        RawValue::List(items) => Ok(items.clone()),
        RawValue::Text(text) => Ok(text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()),
        RawValue::Scalar(_) | RawValue::Map(_) | RawValue::Other => Err(ParseFault::Shape),
    }
}

fn parse_number<T: std::str::FromStr>(raw: &RawValue) -> Result<T, ParseFault> {
    raw_scalar(raw)?.parse().map_err(|_| ParseFault::Shape)
}

fn parse_duration(raw: &RawValue) -> Result<Duration, ParseFault> {
    let duration = humantime::parse_duration(raw_scalar(raw)?).map_err(|_| ParseFault::Shape)?;
    let whole_millis = duration.subsec_nanos() % 1_000_000 == 0;
    (whole_millis && duration <= LONGEST_DURATION)
        .then_some(duration)
        .ok_or(ParseFault::Shape)
}

fn parse_size(raw: &RawValue) -> Result<usize, ParseFault> {
    const UNITS: [(&str, usize); 4] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("B", 1),
    ];
    let text = raw_scalar(raw)?;
    let (count, unit) = UNITS
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))
        .ok_or(ParseFault::Shape)?;
    let count: usize = count.trim_end().parse().map_err(|_| ParseFault::Shape)?;
    let bytes = count.checked_mul(unit).ok_or(ParseFault::Shape)?;
    (1..=1 << 30)
        .contains(&bytes)
        .then_some(bytes)
        .ok_or(ParseFault::Shape)
}

fn is_broker(broker: &str) -> bool {
    let (host, port) = broker.rsplit_once(':').unwrap_or((broker, "9092"));
    let named =
        !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || "/@,".contains(c));
    let single = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
    named && single && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn is_host_name(host: &str) -> bool {
    let accepted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    host.len() <= 253
        && host.chars().all(accepted)
        && !host.starts_with('.')
        && !host.ends_with('.')
}

fn is_origin(origin: &str) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else {
        return false;
    };
    let accepted = |c: char| c.is_ascii_alphanumeric() || ".-+[]:_".contains(c);
    !scheme.is_empty() && !host.is_empty() && origin.replace("://", "").chars().all(accepted)
}
