//! Describes one instrument as data: for its meter, for the reference page and for the tests.

use opentelemetry::KeyValue;

/// One instrument.
#[derive(Debug, Clone, Copy)]
pub struct MetricDefinition {
    /// Its OpenTelemetry name.
    pub name: &'static str,
    /// The kind of the metric.
    pub kind: MetricKind,
    /// Its only label; empty when it has none.
    pub label: &'static str,
    /// Everything the label can say.
    pub values: &'static [&'static str],
    /// Its unit, in UCUM's notation.
    pub unit: &'static str,
    /// One line, which Prometheus shows as `HELP`.
    pub description: &'static str,
    /// The meaning, for the reference page.
    pub doc: &'static str,
}

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Upwards only, from 0 at the start of the process.
    Counter,
    /// Up and down.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

impl MetricDefinition {
    /// The label value for one that is not in the table. Never seen, unless this program is wrong.
    pub const UNLISTED_VALUE: &'static str = "unlisted";

    /// Its Prometheus name, without the `_bucket`, `_sum` and `_count` of a histogram.
    pub fn prometheus_name(&self) -> String {
        let mut name = self.name.replace('.', "_");
        let unit = match self.unit {
            "s" => "_seconds",
            "By" => "_bytes",
            _ => "",
        };
        name.push_str(unit);
        if self.kind == MetricKind::Counter {
            name.push_str("_total");
        }
        name
    }

    /// The places of its values, and one more for what is none of them.
    pub(crate) fn value_indexes(&self) -> std::ops::RangeInclusive<usize> {
        0..=self.values.len()
    }

    /// Returns the index of that value.
    pub(crate) fn value_index(&self, value: &str) -> usize {
        let place = self.values.iter().position(|one| *one == value);
        debug_assert!(
            place.is_some(),
            "{} has no {} {value}",
            self.name,
            self.label
        );
        place.unwrap_or(self.values.len())
    }

    /// The label with the value that stands there.
    pub(crate) fn label_at(&self, place: usize) -> KeyValue {
        let value = self.values.get(place).copied();
        KeyValue::new(self.label, value.unwrap_or(Self::UNLISTED_VALUE))
    }
}

impl MetricKind {
    /// As Prometheus calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}
