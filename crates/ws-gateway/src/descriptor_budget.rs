//! Shares a process's limit of open files between the public port and everything else. Pure:
//! whoever starts the process knows the limit.

use std::os::fd::RawFd;

/// The shares of one limit of open files (`RLIMIT_NOFILE`).
///
/// The public port leaves the *reserve* to the admin port, Kafka, the schema registry and telemetry,
/// so that no number of clients takes the process's probes or its Kafka away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorBudget {
    limit: u64,
}

impl DescriptorBudget {
    /// Enough for the admin port, the connections being refused, and four Kafka clients that
    /// reconnect to a dozen brokers.
    const RESERVE: u64 = 256;

    /// Shares a limit of so many open files.
    pub fn new(limit: u64) -> Self {
        Self { limit }
    }

    /// Descriptors that the public port leaves to everything else: 256, or half of a smaller limit.
    pub fn reserve(self) -> u64 {
        Self::RESERVE.min(self.limit / 2)
    }

    /// TCP connections for which the limit has room on the public port.
    pub fn public_connections(self) -> usize {
        usize::try_from(self.limit - self.reserve()).unwrap_or(usize::MAX)
    }

    /// The limit of open files that so many connections on the public port need.
    pub fn limit_for(public_connections: usize) -> u64 {
        let connections = u64::try_from(public_connections).unwrap_or(u64::MAX);
        connections.saturating_add(Self::RESERVE)
    }

    /// The first descriptor that no connection of the public port may have.
    ///
    /// Descriptors are given out lowest first, so one this high means that all below are taken: the
    /// rest of the process holds more than was reckoned, and the public port has to stop here.
    pub(crate) fn public_descriptor_ceiling(self) -> RawFd {
        let ceiling = self.limit - self.reserve() / 2;
        RawFd::try_from(ceiling).unwrap_or(RawFd::MAX)
    }

    /// Connections at once on the admin port.
    pub(crate) fn admin_connections(self) -> usize {
        self.share_of_reserve(4)
    }

    /// Connections of the public port that are being refused at once.
    pub(crate) fn max_refusals(self) -> usize {
        self.share_of_reserve(8)
    }

    fn share_of_reserve(self, part: u64) -> usize {
        let share = self.reserve() / part;
        usize::try_from(share.max(1)).unwrap_or(usize::MAX)
    }
}

/// No limit worth mentioning.
impl Default for DescriptorBudget {
    fn default() -> Self {
        Self::new(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_port_has_everything_but_the_reserve() {
        for (limit, public, admin, refusals, ceiling) in [
            (20_000, 19_744, 64, 32, 19_872),
            (1024, 768, 64, 32, 896),
            (512, 256, 64, 32, 384),
            (256, 128, 32, 16, 192),
            (64, 32, 8, 4, 48),
            (2, 1, 1, 1, 2),
            (0, 0, 1, 1, 0),
        ] {
            let budget = DescriptorBudget::new(limit);
            assert_eq!(budget.public_connections(), public, "{limit}");
            assert_eq!(budget.admin_connections(), admin, "{limit}");
            assert_eq!(budget.max_refusals(), refusals, "{limit}");
            assert_eq!(budget.public_descriptor_ceiling(), ceiling, "{limit}");
        }
    }

    #[test]
    fn admin_port_and_refusals_fit_above_what_the_public_port_may_take() {
        for limit in 64..5_000 {
            let budget = DescriptorBudget::new(limit);
            let ceiling = u64::try_from(budget.public_descriptor_ceiling()).unwrap();
            let others = u64::try_from(budget.admin_connections() + budget.max_refusals()).unwrap();
            assert!(ceiling + others <= limit, "{limit}");
        }
    }

    #[test]
    fn the_limit_that_connections_need_has_room_for_them() {
        for connections in [257, 1_000, 16_000] {
            let needed = DescriptorBudget::limit_for(connections);
            assert_eq!(
                DescriptorBudget::new(needed).public_connections(),
                connections
            );
            assert!(DescriptorBudget::new(needed - 1).public_connections() < connections);
        }
    }

    #[test]
    fn without_a_limit_nothing_is_refused_for_its_sake() {
        let budget = DescriptorBudget::default();
        assert_eq!(budget.public_descriptor_ceiling(), RawFd::MAX);
        assert!(budget.public_connections() > 100_000_000);
    }
}
