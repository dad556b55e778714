//! Classifies a failed `accept`: somebody else's fault, no descriptor left, or the system's trouble.

use std::io;

use rustix::io::Errno;

/// The reason for which no connection came out of `accept`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AcceptFault {
    /// That one connection failed before it was accepted; the next one may not.
    Connection,
    /// This process (`EMFILE`) or the system (`ENFILE`) has no descriptor for it. It stays queued.
    Descriptors,
    /// Anything else: memory, most likely.
    System,
}

impl AcceptFault {
    /// Errors of the network below are reported by `accept` and concern one connection only:
    /// accept(2), "Error handling".
    const OF_ONE_CONNECTION: [Errno; 13] = [
        Errno::CONNABORTED,
        Errno::CONNREFUSED,
        Errno::CONNRESET,
        Errno::NOTCONN,
        Errno::INTR,
        Errno::PERM,
        Errno::PROTO,
        Errno::NOPROTOOPT,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::NETDOWN,
        Errno::NETUNREACH,
        Errno::OPNOTSUPP,
    ];

    /// Tells what `error` means.
    pub(crate) fn from_io_error(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE) => Self::Descriptors,
            Some(errno) if Self::OF_ONE_CONNECTION.contains(&errno) => Self::Connection,
            Some(_) | None => Self::System,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_process_lacks_holds_up_the_port() {
        for (errno, fault) in [
            (Errno::MFILE, AcceptFault::Descriptors),
            (Errno::NFILE, AcceptFault::Descriptors),
            (Errno::NOBUFS, AcceptFault::System),
            (Errno::NOMEM, AcceptFault::System),
            (Errno::CONNABORTED, AcceptFault::Connection),
            (Errno::CONNRESET, AcceptFault::Connection),
            (Errno::NETUNREACH, AcceptFault::Connection),
        ] {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            assert_eq!(AcceptFault::from_io_error(&error), fault, "{errno}");
        }
        assert_eq!(
            AcceptFault::from_io_error(&io::Error::other("no number")),
            AcceptFault::System
        );
    }
}
