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

    /// The places of its values, and one more for what is none of them.
    pub(crate) fn places(&self) -> std::ops::RangeInclusive<usize> {
        0..=self.values.len()
    }

    /// Where that value stands.
    pub(crate) fn place_of(&self, value: &str) -> usize {
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
        KeyValue::new(self.label, value.unwrap_or(Self::UNLISTED))
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
