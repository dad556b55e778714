//! The file's layer: TOML or YAML, by the file's ending.
//!
//! Parsers quote the lines they stumble over, and a line may hold a secret: only the place of a
//! mistake is handed on.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ::config::{FileFormat, Map, Source, Value, ValueKind};

use super::{ConfigLayer, join_name};
use crate::config::key::ConfigKey;
use crate::config::keys;
use crate::config::problem::ValueOrigin;

/// The longest file taken, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

pub(super) fn read_file(path: &Path) -> ConfigLayer {
    let mut layer = ConfigLayer::default();
    let shown = path.display().to_string();
    let origin = ValueOrigin::from_file(&shown);
    let Some((format, language)) = file_format(path) else {
        layer.report_problem(
            "--config",
            &origin,
            "has no known ending; name it `.toml`, `.yaml` or `.yml`",
        );
        return layer;
    };
    let text = match file_text(path) {
        Ok(text) => text,
        Err(error) => {
            let right =
                format!("cannot be read ({error}); give the path of a file this process can read");
            layer.report_problem("--config", &origin, right);
            return layer;
        }
    };
    match ::config::File::from_str(&text, format).collect() {
        Ok(tree) => offer_tree(&mut layer, "", tree, &origin),
        Err(error) => {
            let place = error_place(&error.to_string());
            let right = format!(
                "is not valid {language}{place}; the line is not shown, as it may hold a secret"
            );
            layer.report_problem("--config", &origin, right);
        }
    }
    layer
}

/// The secret whose file `name` names: `kafka.api_secret_file` for `kafka.api_secret`.
pub(super) fn key_of_file_setting(name: &str) -> Option<&'static ConfigKey> {
    let key = keys::find_key(name.strip_suffix("_file")?)?;
    key.secret.then_some(key)
}

fn offer_tree(
    layer: &mut ConfigLayer,
    above: &str,
    tree: Map<String, Value>,
    origin: &ValueOrigin,
) {
    for (name, value) in tree {
        let name = join_name(above, &name);
        let by_file = key_of_file_setting(&name);
        match (keys::find_key(&name), by_file, value.kind) {
            (_, _, ValueKind::Nil) if is_known(&name) => {}
            (Some(key), _, kind) => layer.offer(key, kind, origin),
            (None, Some(key), ValueKind::String(path)) => layer.offer_file(key, &path, origin),
            (None, Some(_), _) => {
                layer.report_problem(name, origin, "is no path; put the path in quotes")
            }
            (None, None, ValueKind::Table(below)) => offer_tree(layer, &name, below, origin),
            (None, None, _) if is_section(&name) => {
                layer.report_problem(&name, origin, "is a section, not a value");
            }
            (None, None, _) => {
                layer.report_unknown(
                    &name,
                    origin,
                    keys::all_keys().map(|key| key.name.to_owned()),
                );
            }
        }
    }
}

fn is_known(name: &str) -> bool {
    keys::find_key(name).is_some() || key_of_file_setting(name).is_some() || is_section(name)
}

fn is_section(name: &str) -> bool {
    keys::all_keys().any(|key| {
        let below = key.name.strip_prefix(name);
        below.is_some_and(|below| below.starts_with('.'))
    })
}

fn file_format(path: &Path) -> Option<(FileFormat, &'static str)> {
    match path.extension()?.to_str()? {
        "toml" => Some((FileFormat::Toml, "TOML")),
        "yaml" | "yml" => Some((FileFormat::Yaml, "YAML")),
        _ => None,
    }
}

fn file_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other("longer than 1 MiB"));
    }
    Ok(text)
}

/// ` at line 3, column 7`, from a parser's text; empty when it names no place.
fn error_place(error: &str) -> String {
    let number_after = |word: &str| {
        let (_, rest) = error.split_once(word)?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        (!digits.is_empty()).then_some(digits)
    };
    match (number_after("line "), number_after("column ")) {
        (Some(line), Some(column)) => format!(" at line {line}, column {column}"),
        (Some(line), None) => format!(" at line {line}"),
        (None, _) => String::new(),
    }
}
