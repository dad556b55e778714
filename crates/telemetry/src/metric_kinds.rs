//! The three kinds of instrument in use, each with one label whose values are those of its row.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use opentelemetry::metrics::{Histogram, Meter};

use crate::metric_definition::{MetricDefinition, MetricKind};

/// A counter. It is there from the start, at 0 under each value of its label, so that its first event
/// is an increase. Counting is one addition, without a lock: what is counted is read when somebody
/// wants to know.
#[derive(Debug, Clone)]
pub struct LabelledCounter {
    row: &'static MetricDefinition,
    /// One a value of the label, and a last one for what is none of them.
    values: Arc<[AtomicU64]>,
}

impl LabelledCounter {
    pub(crate) const KIND: MetricKind = MetricKind::Counter;

    pub(crate) fn new(meter: &Meter, row: &'static MetricDefinition) -> Self {
        let cells: Arc<[AtomicU64]> = row.value_indexes().map(|_| AtomicU64::new(0)).collect();
        let read = Arc::clone(&cells);
        // The meter keeps the callback; what is built carries nothing.
        let _built = meter
            .u64_observable_counter(row.name)
            .with_unit(row.unit)
            .with_description(row.description)
            .with_callback(move |observer| {
                for (place, cell) in row.value_indexes().zip(&*read) {
                    let count = cell.load(Ordering::Relaxed);
                    if count > 0 || place < row.values.len() {
                        observer.observe(count, &[row.label_at(place)]);
                    }
                }
            })
            .build();
        Self { row, values: cells }
    }

    /// Adds one under `value` of this counter's label.
    pub fn increment(&self, value: &'static str) {
        self.add(1, value);
    }

    /// Adds `n` under `value` of this counter's label.
    pub fn add(&self, n: u64, value: &'static str) {
        if let Some(cell) = self.values.get(self.row.value_index(value)) {
            cell.fetch_add(n, Ordering::Relaxed);
        }
    }
}

/// A value that goes up and down. It is there from when it is first set.
#[derive(Debug, Clone)]
pub struct LabelledGauge {
    row: &'static MetricDefinition,
    values: Arc<[AtomicI64]>,
}

impl LabelledGauge {
    pub(crate) const KIND: MetricKind = MetricKind::Gauge;
    /// Not set yet: nothing here is ever that low.
    const UNSET: i64 = i64::MIN;

    pub(crate) fn new(meter: &Meter, row: &'static MetricDefinition) -> Self {
        let cells: Arc<[AtomicI64]> = row
            .value_indexes()
            .map(|_| AtomicI64::new(Self::UNSET))
            .collect();
        let read = Arc::clone(&cells);
        // The meter keeps the callback; what is built carries nothing.
        let _built = meter
            .i64_observable_gauge(row.name)
            .with_unit(row.unit)
            .with_description(row.description)
            .with_callback(move |observer| {
                for (place, cell) in row.value_indexes().zip(&*read) {
                    let number = cell.load(Ordering::Relaxed);
                    if number != Self::UNSET {
                        observer.observe(number, &[row.label_at(place)]);
                    }
                }
            })
            .build();
        Self { row, values: cells }
    }

    /// Records the present value under `value` of this gauge's label.
    pub fn set(&self, number: impl TryInto<i64>, value: &'static str) {
        let number = number.try_into().unwrap_or(i64::MAX);
        if let Some(cell) = self.values.get(self.row.value_index(value)) {
            cell.store(number, Ordering::Relaxed);
        }
    }
}

/// A histogram of times, recorded in seconds.
#[derive(Debug, Clone)]
pub struct DurationHistogram {
    histogram: Histogram<f64>,
    row: &'static MetricDefinition,
}

impl DurationHistogram {
    pub(crate) const KIND: MetricKind = MetricKind::Histogram;

    /// From half a millisecond (a healthy publish on one host) to five minutes (an answer near its
    /// deadline), about three buckets a decade, so that a quantile is right within a factor of two.
    pub(crate) const BOUNDARIES: [f64; 18] = [
        0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0,
        60.0, 120.0, 300.0,
    ];

    pub(crate) fn new(meter: &Meter, row: &'static MetricDefinition) -> Self {
        let histogram = meter
            .f64_histogram(row.name)
            .with_unit(row.unit)
            .with_description(row.description)
            .with_boundaries(Self::BOUNDARIES.to_vec())
            .build();
        Self { histogram, row }
    }

    /// Records one duration under `value` of this histogram's label.
    pub fn record(&self, duration: std::time::Duration, value: &'static str) {
        let seconds = duration.as_secs_f64();
        self.histogram
            .record(seconds, &[self.row.label_at(self.row.value_index(value))]);
    }
}
