//! The reference page, made from the key table.

use std::fmt::Write;

use super::key::{ConfigKey, DefaultValue, SectionTable};
use super::keys;
use super::properties::REFUSED_PROPERTIES;

const INTRODUCTION: &str = include_str!("introduction.md");

const REFUSED_INTRODUCTION: &str = "
## librdkafka properties that are not taken

Everything else that librdkafka knows passes through `kafka.properties`. These are refused at start,
by name, because what the gateway guarantees rests on them or because they have a setting of their own.
A name that ends in `.` stands for all that begin with it.

| property | why, or what to set instead |
|---|---|
";

/// The reference in Markdown: every setting with its names, its default and its meaning.
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    for section in keys::SECTIONS {
        write_section(&mut page, section);
    }
    page.push_str(REFUSED_INTRODUCTION);
    for refused in REFUSED_PROPERTIES {
        write_line(
            &mut page,
            format_args!("| `{}` | {} |", refused.name, refused.reason),
        );
    }
    page
}

fn write_section(page: &mut String, section: &SectionTable) {
    write_line(
        page,
        format_args!("\n## {}\n\n{}\n", section.name, section.doc.trim()),
    );
    page.push_str("| setting | environment | default | what it is |\n|---|---|---|---|\n");
    for key in section.keys {
        let names: Vec<_> = key.env_names().map(|name| format!("`{name}`")).collect();
        let (names, default, doc) = (names.join("<br>"), default_text(key), key.doc.trim());
        let secret = if key.secret { " A secret." } else { "" };
        let right = key.expected;
        write_line(
            page,
            format_args!(
                "| `{}` | {names} | {default} | {doc}{secret} Takes {right}. |",
                key.name
            ),
        );
    }
}

fn default_text(key: &ConfigKey) -> String {
    let code = |text: &str| {
        if text.is_empty() {
            "empty".to_owned()
        } else {
            format!("`{text}`")
        }
    };
    match key.default {
        DefaultValue::Unset => "–".to_owned(),
        DefaultValue::Is(text) => code(text),
        DefaultValue::ByCommand {
            run: Some(run),
            demo,
        } => format!("{}, in the demo {}", code(run), code(demo)),
        DefaultValue::ByCommand { run: None, .. } => "must be set".to_owned(),
        DefaultValue::From { says, .. } => says.to_owned(),
    }
}

fn write_line(page: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(page, "{line}").expect("writing to a String cannot fail");
}
