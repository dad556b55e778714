//! The process's limit of open files: raised as far as the system allows, then held against the
//! settings. Every socket takes an open file.

use gateway::config::Config;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use ws_gateway::DescriptorBudget;

/// The limit of open files (`RLIMIT_NOFILE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenFileLimit {
    /// The soft limit when the process was started.
    pub(crate) before: u64,
    /// The soft limit now, which is the one that counts.
    pub(crate) now: u64,
}

/// A setting that the limit of open files has no room for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shortage {
    /// The part that does not fit.
    pub(crate) seen: String,
    /// The advice to the operator.
    pub(crate) advice: String,
}

impl OpenFileLimit {
    /// Raises the soft limit to the hard one, which every process may. One that cannot be raised
    /// stays as it is.
    pub(crate) fn raise() -> Self {
        let before = getrlimit(Resource::Nofile);
        let raised = Rlimit {
            current: before.maximum,
            ..before
        };
        let now = match setrlimit(Resource::Nofile, raised) {
            Ok(()) => raised,
            Err(_) => before,
        };
        // `None` is no limit.
        let number = |limit: Rlimit| limit.current.unwrap_or(u64::MAX);
        Self {
            before: number(before),
            now: number(now),
        }
    }

    /// Returns the shares of the limit.
    pub(crate) fn budget(self) -> DescriptorBudget {
        DescriptorBudget::new(self.now)
    }

    /// Holds the settings against it. Both are reported with the larger need.
    pub(crate) fn shortage(self, config: &Config) -> Option<Shortage> {
        let room = self.budget().public_connections();
        let (sessions, connections) = (config.limits.connections, config.server.max_connections);
        let too_many = match (sessions > room, connections > room) {
            (true, _) => format!(
                "`limits.connections` is {sessions} and `server.max_connections` is {connections}"
            ),
            (false, true) => format!("`server.max_connections` is {connections}"),
            (false, false) => return None,
        };
        let (limit, needed) = (self.now, DescriptorBudget::limit_for(connections));
        Some(Shortage {
            seen: format!(
                "{too_many}, and the limit of {limit} open files has room for {room} connections: \
                 more are refused with HTTP 503"
            ),
            advice: format!(
                "raise the hard limit of open files to {needed} (systemd: LimitNOFILE; containers: \
                 the runtime's ulimit), or lower the settings to {room}"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use gateway::config::{ConfigInputs, Environment, Purpose};

    use super::*;

    fn config(sessions: usize, connections: usize) -> Config {
        let set = [
            format!("limits.connections={sessions}"),
            format!("server.max_connections={connections}"),
        ];
        let inputs = ConfigInputs {
            command: Purpose::Demo,
            file: None,
            environment: &Environment::default(),
            set: &set,
        };
        Config::load(&inputs).expect("right").config
    }

    fn shortage(limit: u64, sessions: usize, connections: usize) -> Option<Shortage> {
        let limit = OpenFileLimit {
            before: limit,
            now: limit,
        };
        limit.shortage(&config(sessions, connections))
    }

    #[test]
    fn settings_that_fit_are_not_remarked_upon() {
        assert_eq!(shortage(u64::MAX, 15_000, 16_000), None);
        assert_eq!(shortage(16_256, 15_000, 16_000), None);
        assert_eq!(shortage(1024, 700, 768), None);
    }

    #[test]
    fn settings_that_do_not_fit_are_named_with_what_would_do() {
        let both = shortage(4096, 15_000, 16_000).expect("too many");
        assert!(both.seen.contains("`limits.connections` is 15000"));
        assert!(both.seen.contains("`server.max_connections` is 16000"));
        assert!(both.seen.contains("room for 3840 connections"));
        assert!(both.advice.contains("to 16256 "), "{}", both.advice);
        let one = shortage(16_255, 15_000, 16_000).expect("too many");
        assert!(!one.seen.contains("limits.connections"), "{}", one.seen);
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let raised = OpenFileLimit::raise();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert_eq!(raised.now, limit.maximum.unwrap_or(u64::MAX));
        assert!(raised.before <= raised.now);
    }
}
