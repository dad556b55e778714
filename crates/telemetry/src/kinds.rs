//! The three kinds of instrument in use, each with one label whose values are those of its row.

use opentelemetry::metrics::{Counter, Histogram, Meter};

use crate::row::{Kind, Row};

/// A counter. It is there from the start, at 0 under each value of its label, so that its first event
/// is an increase.
#[derive(Debug, Clone)]
pub struct Count {
    counter: Counter<u64>,
    row: &'static Row,
}

impl Count {
    pub(crate) const KIND: Kind = Kind::Counter;

    pub(crate) fn new(meter: &Meter, row: &'static Row) -> Self {
        let counter = meter
            .u64_counter(row.name)
            .with_unit(row.unit)
            .with_description(row.text)
            .build();
        for value in row.values {
            counter.add(0, &[row.labelled(value)]);
        }
        Self { counter, row }
    }

    /// Adds one under `value` of this counter's label.
    pub fn one(&self, value: &'static str) {
        self.add(1, value);
    }

    /// Adds `n` under `value` of this counter's label.
    pub fn add(&self, n: u64, value: &'static str) {
        self.counter.add(n, &[self.row.labelled(value)]);
    }
}

/// A value that goes up and down.
#[derive(Debug, Clone)]
pub struct Gauge {
    gauge: opentelemetry::metrics::Gauge<i64>,
    row: &'static Row,
}

impl Gauge {
    pub(crate) const KIND: Kind = Kind::Gauge;

    pub(crate) fn new(meter: &Meter, row: &'static Row) -> Self {
        let gauge = meter
            .i64_gauge(row.name)
            .with_unit(row.unit)
            .with_description(row.text)
            .build();
        Self { gauge, row }
    }

    /// Records the present value under `value` of this gauge's label.
    pub fn set(&self, number: impl TryInto<i64>, value: &'static str) {
        let number = number.try_into().unwrap_or(i64::MAX);
        self.gauge.record(number, &[self.row.labelled(value)]);
    }
}

/// A histogram of times, recorded in seconds.
#[derive(Debug, Clone)]
pub struct Seconds {
    histogram: Histogram<f64>,
    row: &'static Row,
}

impl Seconds {
    pub(crate) const KIND: Kind = Kind::Histogram;

    /// From half a millisecond (a healthy publish on one host) to five minutes (an answer near its
    /// deadline), about three buckets a decade, so that a quantile is right within a factor of two.
    pub(crate) const BOUNDARIES: [f64; 18] = [
        0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0,
        60.0, 120.0, 300.0,
    ];

    pub(crate) fn new(meter: &Meter, row: &'static Row) -> Self {
        let histogram = meter
            .f64_histogram(row.name)
            .with_unit(row.unit)
            .with_description(row.text)
            .with_boundaries(Self::BOUNDARIES.to_vec())
            .build();
        Self { histogram, row }
    }

    /// Records one duration under `value` of this histogram's label.
    pub fn record(&self, duration: std::time::Duration, value: &'static str) {
        let seconds = duration.as_secs_f64();
        self.histogram.record(seconds, &[self.row.labelled(value)]);
    }
}
