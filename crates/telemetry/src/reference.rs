//! The reference page of the metrics, made from the tables that define them.

use std::fmt::Write;

use crate::metric_definition::{MetricDefinition, MetricKind};
use crate::{Instruments, process_metrics};

/// The page in Markdown: every metric with its names, its label and its meaning.
pub fn reference() -> String {
    let mut page = include_str!("introduction.md").to_owned();
    write_section(&mut page, "The gateway", Instruments::TABLE.iter());
    write_section(
        &mut page,
        "The process",
        process_metrics::TABLE.iter().map(|figure| &figure.row),
    );
    let series: usize = Instruments::TABLE.iter().map(series_count).sum();
    let series = series + process_metrics::TABLE.len();
    write_line(
        &mut page,
        format_args!("\nAll together these are at most {series} series a process."),
    );
    page
}

/// Returns the most series that a row can have in Prometheus.
fn series_count(row: &MetricDefinition) -> usize {
    let each = match row.kind {
        MetricKind::Counter | MetricKind::Gauge => 1,
        // The buckets, the one without a bound, the sum and the count.
        MetricKind::Histogram => crate::metric_kinds::DurationHistogram::BOUNDARIES.len() + 3,
    };
    row.values.len().max(1) * each
}

fn write_section<'a>(
    page: &mut String,
    title: &str,
    rows: impl Iterator<Item = &'a MetricDefinition>,
) {
    write_line(page, format_args!("\n## {title}\n"));
    page.push_str("| Prometheus | OpenTelemetry | kind | unit | label | values | meaning |\n");
    page.push_str("|---|---|---|---|---|---|---|\n");
    for row in rows {
        let (prometheus, kind) = (row.prometheus_name(), row.kind.as_str());
        let (name, unit, doc) = (row.name, row.unit, row.doc.trim());
        let label = format_code(row.label);
        let values: Vec<_> = row.values.iter().copied().map(format_value).collect();
        let values = values.join(" ");
        write_line(
            page,
            format_args!(
                "| `{prometheus}` | `{name}` | {kind} | `{unit}` | {label} | {values} | {doc} |"
            ),
        );
    }
}

fn format_value(value: &str) -> String {
    if value == env!("CARGO_PKG_VERSION") {
        return "the version".to_owned();
    }
    format_code(value)
}

fn format_code(text: &str) -> String {
    if text.is_empty() {
        return "–".to_owned();
    }
    format!("`{text}`")
}

fn write_line(page: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(page, "{line}").expect("writing to a String cannot fail");
}
