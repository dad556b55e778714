//! Everything this crate logs, one function per thing that happens. Plain log lines: what runs here
//! is the demo's outside world, which the gateway's metrics do not count.

use tracing::info;

pub(crate) fn broker_started(bootstrap_servers: &str) {
    info!(bootstrap_servers, "embedded broker started");
}

pub(crate) fn broker_stopped(bootstrap_servers: &str) {
    info!(bootstrap_servers, "embedded broker stopped");
}

pub(crate) fn registry_started(url: &str) {
    info!(url, "embedded schema registry started");
}

pub(crate) fn registry_stopped(url: &str) {
    info!(url, "embedded schema registry stopped");
}
