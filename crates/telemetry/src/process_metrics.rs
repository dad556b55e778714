//! Reads the process's resource usage, as Linux tells it in `/proc/self`, under the names that Prometheus' own
//! client libraries give it. Read anew at each scrape; what cannot be read is not there.

use std::fs;

use opentelemetry::metrics::Meter;

use crate::metric_definition::{MetricDefinition, MetricKind};

/// One figure and how it is read.
pub(crate) struct ProcessMetric {
    pub(crate) row: MetricDefinition,
    read: fn() -> Option<f64>,
}

/// A row without a label.
const fn process_metric(
    name: &'static str,
    kind: MetricKind,
    unit: &'static str,
    text: &'static str,
    read: fn() -> Option<f64>,
) -> ProcessMetric {
    let row = MetricDefinition {
        name,
        kind,
        label: "",
        values: &[],
        unit,
        description: text,
        doc: text,
    };
    ProcessMetric { row, read }
}

/// Every figure.
#[rustfmt::skip]
pub(crate) const TABLE: &[ProcessMetric] = &[
    process_metric("process.cpu", MetricKind::Counter, "s", "User and system CPU time", cpu_seconds),
    process_metric("process.resident_memory", MetricKind::Gauge, "By", "Resident memory", resident_bytes),
    process_metric("process.threads", MetricKind::Gauge, "{thread}", "Threads", threads),
    process_metric("process.open_fds", MetricKind::Gauge, "{file}", "Open files, sockets among them", open_files),
    process_metric("process.max_fds", MetricKind::Gauge, "{file}", "Files that may be open", max_files),
    process_metric("process.start_time", MetricKind::Gauge, "s", "When it was started, in seconds since 1970", start_time),
];

/// Has `meter` read every figure at each scrape.
pub(crate) fn register_process_metrics(meter: &Meter) {
    for ProcessMetric { row, read } in TABLE {
        let observe = move |observer: &dyn opentelemetry::metrics::AsyncInstrument<f64>| {
            if let Some(value) = read() {
                observer.observe(value, &[]);
            }
        };
        // The meter keeps the callback; the handle carries nothing.
        match row.kind {
            MetricKind::Counter => drop(
                meter
                    .f64_observable_counter(row.name)
                    .with_unit(row.unit)
                    .with_description(row.description)
                    .with_callback(observe)
                    .build(),
            ),
            MetricKind::Gauge | MetricKind::Histogram => drop(
                meter
                    .f64_observable_gauge(row.name)
                    .with_unit(row.unit)
                    .with_description(row.description)
                    .with_callback(observe)
                    .build(),
            ),
        }
    }
}

/// The unit of times in `/proc`, on every architecture Linux counts them for user space.
const TICKS_PER_SECOND: f64 = 100.0;

fn cpu_seconds() -> Option<f64> {
    Some((read_stat(14)? + read_stat(15)?) / TICKS_PER_SECOND)
}

fn resident_bytes() -> Option<f64> {
    Some(read_number_after("/proc/self/status", "VmRSS:")? * 1024.0)
}

fn threads() -> Option<f64> {
    read_number_after("/proc/self/status", "Threads:")
}

fn open_files() -> Option<f64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    u32::try_from(count).ok().map(f64::from)
}

fn max_files() -> Option<f64> {
    read_number_after("/proc/self/limits", "Max open files")
}

fn start_time() -> Option<f64> {
    Some(read_number_after("/proc/stat", "btime")? + read_stat(22)? / TICKS_PER_SECOND)
}

/// A field of `/proc/self/stat`, as proc(5) numbers them; the second is the program's name, in brackets.
fn read_stat(field: usize) -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, after_name) = text.rsplit_once(')')?;
    after_name
        .split_whitespace()
        .nth(field.checked_sub(3)?)?
        .parse()
        .ok()
}

/// The number that follows `words` at the start of a line.
fn read_number_after(file: &str, words: &str) -> Option<f64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(words))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_of_this_process_can_be_read_and_is_plausible() {
        for ProcessMetric { row, read } in TABLE {
            assert!(read().is_some_and(|value| value >= 0.0), "{}", row.name);
        }
        assert!(resident_bytes() > Some(1e6) && threads() >= Some(1.0));
        assert!(open_files() <= max_files());
        let seconds_since_1970 = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        let age = seconds_since_1970 - start_time().unwrap();
        assert!((-2.0..3600.0).contains(&age), "{age}");
    }
}
