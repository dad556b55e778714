//! What one instrument is, as data: for its meter, for the reference page and for the tests.

use opentelemetry::KeyValue;

/// One instrument.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its OpenTelemetry name.
    pub name: &'static str,
    /// How its values move.
    pub kind: Kind,
    /// Its only label; empty when it has none.
    pub label: &'static str,
    /// Everything the label can say.
    pub values: &'static [&'static str],
    /// Its unit, in UCUM's notation.
    pub unit: &'static str,
    /// One line, which Prometheus shows as `HELP`.
    pub text: &'static str,
    /// What it means, for the reference page.
    pub doc: &'static str,
}

/// How the values of an instrument move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Upwards only, from 0 at the start of the process.
    Counter,
    /// Up and down.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

impl Row {
    /// What a label says for a value that is not in the table. Never seen, unless this program is wrong.
    pub const UNLISTED: &'static str = "unlisted";

    /// Its Prometheus name, without the `_bucket`, `_sum` and `_count` of a histogram.
    pub fn prometheus(&self) -> String {
        let mut name = self.name.replace('.', "_");
        let unit = match self.unit {
            "s" => "_seconds",
            "By" => "_bytes",
            _ => "",
        };
        name.push_str(unit);
        if self.kind == Kind::Counter {
            name.push_str("_total");
        }
        name
    }

    /// The label with that value.
    pub(crate) fn labelled(&self, value: &'static str) -> KeyValue {
        let listed = self.values.contains(&value);
        debug_assert!(listed, "{} has no {} {value}", self.name, self.label);
        KeyValue::new(self.label, if listed { value } else { Self::UNLISTED })
    }
}

impl Kind {
    /// As Prometheus calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}
