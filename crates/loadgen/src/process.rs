//! Reads another process's CPU time and memory from `/proc`.

use std::time::Duration;

use anyhow::{Context, Result};

/// One reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessSample {
    /// User and system time since the process began.
    pub(crate) cpu: Duration,
    /// Resident memory, in KiB.
    pub(crate) rss_kib: u64,
    /// The part of it that is no file, in KiB.
    pub(crate) anonymous_kib: u64,
}

impl ProcessSample {
    /// Reads the process now.
    pub(crate) fn read(pid: u32) -> Result<Self> {
        let read = |name: &str| {
            let path = format!("/proc/{pid}/{name}");
            std::fs::read_to_string(&path).with_context(|| format!("--gateway-pid {pid}: {path}"))
        };
        Self::parse(&read("stat")?, &read("status")?)
            .with_context(|| format!("/proc/{pid} is not understood"))
    }

    fn parse(stat: &str, status: &str) -> Option<Self> {
        // The second field is the program's name, which may hold spaces and brackets.
        let (_, after_name) = stat.rsplit_once(')')?;
        let mut fields = after_name.split_ascii_whitespace();
        let user: u64 = fields.nth(USER_TIME)?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_ascii_whitespace().next()?.parse().ok()
        };
        Some(Self {
            cpu: Duration::from_millis((user + system) * MILLIS_PER_TICK),
            rss_kib: kib("VmRSS:")?,
            anonymous_kib: kib("RssAnon:")?,
        })
    }
}

/// Index of `utime` among the fields after the name.
const USER_TIME: usize = 11;
/// The kernel's interface counts in hundredths of a second on every architecture but Alpha and IA-64.
const MILLIS_PER_TICK: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_adds_user_and_system_time_and_finds_the_memory() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 150 25 0 0 20 0 9 0 100 1 1";
        let status = "Name:\ta\nVmRSS:\t   2048 kB\nRssAnon:\t    1024 kB\n";
        let expected = ProcessSample {
            cpu: Duration::from_millis(1_750),
            rss_kib: 2_048,
            anonymous_kib: 1_024,
        };
        assert_eq!(ProcessSample::parse(stat, status), Some(expected));
    }

    #[test]
    fn this_very_process_can_be_read() {
        assert!(ProcessSample::read(std::process::id()).unwrap().rss_kib > 0);
    }
}
