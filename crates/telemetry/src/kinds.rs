//! The three kinds of instrument in use, each with at most one label whose values are closed.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter};

/// A counter, with or without one label.
#[derive(Debug, Clone)]
pub struct Count {
    counter: Counter<u64>,
    label: &'static str,
}

impl Count {
    pub(crate) fn new(
        meter: &Meter,
        name: &'static str,
        label: &'static str,
        unit: &'static str,
        description: &'static str,
    ) -> Self {
        let counter = meter
            .u64_counter(name)
            .with_unit(unit)
            .with_description(description)
            .build();
        Self { counter, label }
    }

    /// Adds one under `value` of this counter's label.
    pub fn one(&self, value: &'static str) {
        self.add(1, value);
    }

    /// Adds `n` under `value` of this counter's label.
    pub fn add(&self, n: u64, value: &'static str) {
        self.counter.add(n, &[KeyValue::new(self.label, value)]);
    }
}

/// A value that goes up and down, with one label.
#[derive(Debug, Clone)]
pub struct Gauge {
    gauge: opentelemetry::metrics::Gauge<i64>,
    label: &'static str,
}

impl Gauge {
    pub(crate) fn new(
        meter: &Meter,
        name: &'static str,
        label: &'static str,
        unit: &'static str,
        description: &'static str,
    ) -> Self {
        let gauge = meter
            .i64_gauge(name)
            .with_unit(unit)
            .with_description(description)
            .build();
        Self { gauge, label }
    }

    /// Records the present value under `value` of this gauge's label.
    pub fn set(&self, number: impl TryInto<i64>, value: &'static str) {
        let number = number.try_into().unwrap_or(i64::MAX);
        self.gauge
            .record(number, &[KeyValue::new(self.label, value)]);
    }
}

/// A histogram of times, recorded in seconds, with one label.
#[derive(Debug, Clone)]
pub struct Seconds {
    histogram: Histogram<f64>,
    label: &'static str,
}

impl Seconds {
    /// From half a millisecond (a healthy publish on one host) to five minutes (an answer near its
    /// deadline), about three buckets a decade, so that a quantile is right within a factor of two.
    const BOUNDARIES: [f64; 18] = [
        0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0,
        60.0, 120.0, 300.0,
    ];

    pub(crate) fn new(
        meter: &Meter,
        name: &'static str,
        label: &'static str,
        unit: &'static str,
        description: &'static str,
    ) -> Self {
        let histogram = meter
            .f64_histogram(name)
            .with_unit(unit)
            .with_description(description)
            .with_boundaries(Self::BOUNDARIES.to_vec())
            .build();
        Self { histogram, label }
    }

    /// Records one duration under `value` of this histogram's label.
    pub fn record(&self, duration: std::time::Duration, value: &'static str) {
        self.histogram
            .record(duration.as_secs_f64(), &[KeyValue::new(self.label, value)]);
    }
}
