//! What the process uses, as Linux tells it in `/proc/self`, under the names that Prometheus' own
//! client libraries give it. Read anew at each scrape; what cannot be read is not there.

use std::fs;

use opentelemetry::metrics::Meter;

use crate::row::{Kind, Row};

/// One figure and how it is read.
pub(crate) struct Observed {
    pub(crate) row: Row,
    read: fn() -> Option<f64>,
}

/// A row without a label.
const fn observed(
    name: &'static str,
    kind: Kind,
    unit: &'static str,
    text: &'static str,
    read: fn() -> Option<f64>,
) -> Observed {
    let row = Row {
        name,
        kind,
        label: "",
        values: &[],
        unit,
        text,
        doc: text,
    };
    Observed { row, read }
}

/// Every figure.
#[rustfmt::skip]
pub(crate) const TABLE: &[Observed] = &[
    observed("process.cpu", Kind::Counter, "s", "User and system CPU time", cpu_seconds),
    observed("process.resident_memory", Kind::Gauge, "By", "Resident memory", resident_bytes),
    observed("process.threads", Kind::Gauge, "{thread}", "Threads", threads),
    observed("process.open_fds", Kind::Gauge, "{file}", "Open files, sockets among them", open_files),
    observed("process.max_fds", Kind::Gauge, "{file}", "Files that may be open", max_files),
    observed("process.start_time", Kind::Gauge, "s", "When it was started, in seconds since 1970", start_time),
];

/// Has `meter` read every figure at each scrape.
pub(crate) fn observe(meter: &Meter) {
    for Observed { row, read } in TABLE {
        let observe = move |observer: &dyn opentelemetry::metrics::AsyncInstrument<f64>| {
            if let Some(value) = read() {
                observer.observe(value, &[]);
            }
        };
        // The meter keeps the callback; the handle carries nothing.
        match row.kind {
            Kind::Counter => drop(
                meter
                    .f64_observable_counter(row.name)
                    .with_unit(row.unit)
                    .with_description(row.text)
                    .with_callback(observe)
                    .build(),
            ),
            Kind::Gauge | Kind::Histogram => drop(
                meter
                    .f64_observable_gauge(row.name)
                    .with_unit(row.unit)
                    .with_description(row.text)
                    .with_callback(observe)
                    .build(),
            ),
        }
    }
}

/// The unit of times in `/proc`, on every architecture Linux counts them for user space.
const TICKS_A_SECOND: f64 = 100.0;

fn cpu_seconds() -> Option<f64> {
    Some((stat(14)? + stat(15)?) / TICKS_A_SECOND)
}

fn resident_bytes() -> Option<f64> {
    Some(number_after("/proc/self/status", "VmRSS:")? * 1024.0)
}

fn threads() -> Option<f64> {
    number_after("/proc/self/status", "Threads:")
}

fn open_files() -> Option<f64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    u32::try_from(count).ok().map(f64::from)
}

fn max_files() -> Option<f64> {
    number_after("/proc/self/limits", "Max open files")
}

fn start_time() -> Option<f64> {
    Some(number_after("/proc/stat", "btime")? + stat(22)? / TICKS_A_SECOND)
}

/// A field of `/proc/self/stat`, as proc(5) numbers them; the second is the program's name, in brackets.
fn stat(field: usize) -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, after_name) = text.rsplit_once(')')?;
    after_name
        .split_whitespace()
        .nth(field.checked_sub(3)?)?
        .parse()
        .ok()
}

/// The number that follows `words` at the start of a line.
fn number_after(file: &str, words: &str) -> Option<f64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(words))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_of_this_process_can_be_read_and_is_plausible() {
        for Observed { row, read } in TABLE {
            assert!(read().is_some_and(|value| value >= 0.0), "{}", row.name);
        }
        assert!(resident_bytes() > Some(1e6) && threads() >= Some(1.0));
        assert!(open_files() <= max_files());
        let seconds_since_1970 = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        let age = seconds_since_1970 - start_time().unwrap();
        assert!((-2.0..3600.0).contains(&age), "{age}");
    }
}
