//! The file's layer: TOML or YAML, by the file's ending.
//!
//! Parsers quote the lines they stumble over, and a line may hold a secret: only the place of a
//! mistake is handed on.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ::config::{FileFormat, Map, Source, Value, ValueKind};

use super::{Layer, join};
use crate::config::key::Key;
use crate::config::keys;
use crate::config::problem::Origin;

/// The longest file taken, in bytes.
const LONGEST: u64 = 1 << 20;

pub(super) fn read(path: &Path) -> Layer {
    let mut layer = Layer::default();
    let shown = path.display().to_string();
    let origin = Origin::file(&shown);
    let Some((format, language)) = format(path) else {
        layer.problem(
            "--config",
            &origin,
            "has no known ending; name it `.toml`, `.yaml` or `.yml`",
        );
        return layer;
    };
    let text = match text(path) {
        Ok(text) => text,
        Err(error) => {
            let right =
                format!("cannot be read ({error}); give the path of a file this process can read");
            layer.problem("--config", &origin, right);
            return layer;
        }
    };
    match ::config::File::from_str(&text, format).collect() {
        Ok(tree) => walk(&mut layer, "", tree, &origin),
        Err(error) => {
            let place = place(&error.to_string());
            let right = format!(
                "is not valid {language}{place}; the line is not shown, as it may hold a secret"
            );
            layer.problem("--config", &origin, right);
        }
    }
    layer
}

/// The secret whose file `name` names: `kafka.api_secret_file` for `kafka.api_secret`.
pub(super) fn names_a_file(name: &str) -> Option<&'static Key> {
    let key = keys::find(name.strip_suffix("_file")?)?;
    key.secret.then_some(key)
}

fn walk(layer: &mut Layer, above: &str, tree: Map<String, Value>, origin: &Origin) {
    for (name, value) in tree {
        let name = join(above, &name);
        let by_file = names_a_file(&name);
        match (keys::find(&name), by_file, value.kind) {
            (_, _, ValueKind::Nil) if is_known(&name) => {}
            (Some(key), _, kind) => layer.offer(key, kind, origin),
            (None, Some(key), ValueKind::String(path)) => layer.offer_file(key, &path, origin),
            (None, Some(_), _) => layer.problem(name, origin, "is no path; put the path in quotes"),
            (None, None, ValueKind::Table(below)) => walk(layer, &name, below, origin),
            (None, None, _) if is_section(&name) => {
                layer.problem(&name, origin, "is a section, not a value");
            }
            (None, None, _) => {
                layer.unknown(&name, origin, keys::all().map(|key| key.name.to_owned()));
            }
        }
    }
}

fn is_known(name: &str) -> bool {
    keys::find(name).is_some() || names_a_file(name).is_some() || is_section(name)
}

fn is_section(name: &str) -> bool {
    keys::all().any(|key| {
        let below = key.name.strip_prefix(name);
        below.is_some_and(|below| below.starts_with('.'))
    })
}

fn format(path: &Path) -> Option<(FileFormat, &'static str)> {
    match path.extension()?.to_str()? {
        "toml" => Some((FileFormat::Toml, "TOML")),
        "yaml" | "yml" => Some((FileFormat::Yaml, "YAML")),
        _ => None,
    }
}

fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(LONGEST + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(io::Error::other("longer than 1 MiB"));
    }
    Ok(text)
}

/// ` at line 3, column 7`, from a parser's text; empty when it names no place.
fn place(error: &str) -> String {
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
