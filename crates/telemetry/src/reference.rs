//! The reference page of the metrics, made from the tables that define them.

use std::fmt::Write;

use crate::row::{Kind, Row};
use crate::{Instruments, process};

/// The page in Markdown: every metric with its names, its label and its meaning.
pub fn reference() -> String {
    let mut page = include_str!("introduction.md").to_owned();
    section(&mut page, "The gateway", Instruments::TABLE.iter());
    section(
        &mut page,
        "The process",
        process::TABLE.iter().map(|figure| &figure.row),
    );
    let series: usize = Instruments::TABLE.iter().map(series).sum();
    let series = series + process::TABLE.len();
    line(
        &mut page,
        format_args!("\nAll together these are at most {series} series a process."),
    );
    page
}

/// How many series a row can have in Prometheus.
fn series(row: &Row) -> usize {
    let each = match row.kind {
        Kind::Counter | Kind::Gauge => 1,
        // The buckets, the one without a bound, the sum and the count.
        Kind::Histogram => crate::kinds::Seconds::BOUNDARIES.len() + 3,
    };
    row.values.len().max(1) * each
}

fn section<'a>(page: &mut String, title: &str, rows: impl Iterator<Item = &'a Row>) {
    line(page, format_args!("\n## {title}\n"));
    page.push_str("| Prometheus | OpenTelemetry | kind | unit | label | values | meaning |\n");
    page.push_str("|---|---|---|---|---|---|---|\n");
    for row in rows {
        let (prometheus, kind) = (row.prometheus(), row.kind.as_str());
        let (name, unit, doc) = (row.name, row.unit, row.doc.trim());
        let label = code(row.label);
        let values: Vec<_> = row.values.iter().copied().map(value).collect();
        let values = values.join(" ");
        line(
            page,
            format_args!(
                "| `{prometheus}` | `{name}` | {kind} | `{unit}` | {label} | {values} | {doc} |"
            ),
        );
    }
}

fn value(value: &str) -> String {
    if value == env!("CARGO_PKG_VERSION") {
        return "the version".to_owned();
    }
    code(value)
}

fn code(text: &str) -> String {
    if text.is_empty() {
        return "–".to_owned();
    }
    format!("`{text}`")
}

fn line(page: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(page, "{line}").expect("writing to a String cannot fail");
}
