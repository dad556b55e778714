//! Every way this server closes a WebSocket, as one table: code, reason, whether to come back.

use std::fmt;

use session_core::CloseReason;

/// Why this server closes a WebSocket. The low half of the 4000s asks the client to reconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Close {
    /// The client broke the WebSocket protocol itself (RFC 6455, section 7.4.1).
    ProtocolError,
    /// A binary frame.
    Binary,
    /// Text that is not UTF-8 (RFC 6455, section 7.4.1).
    InvalidText,
    /// A frame or message over `ws.max_frame_bytes`.
    TooBig,
    /// This process drains.
    Draining,
    /// This process cannot go on with the session.
    Internal,
    /// The client does not read what waits for it.
    SlowConsumer,
    /// Nothing was heard after a ping.
    NoPong,
    /// Too many frames in a second.
    RateLimited,
    /// A resume token that nobody who knows the key has made (version 2).
    InvalidToken,
    /// The first frame is not `start` (version 2).
    BadRequest,
    /// No `start` in time (version 2).
    NoStart,
    /// An operator ended the session.
    ForcedOut,
    /// The token belongs to another subject (version 2).
    Forbidden,
    /// The session goes on with another connection.
    Superseded,
    /// A version of the protocol that this server does not speak.
    UnknownVersion,
}

/// Whether a client does well to connect again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconnect {
    /// Again, at once or after a moment.
    Yes,
    /// Not with the same behaviour, or not at all.
    No,
}

impl Close {
    /// Every row of the table, by code.
    pub const ALL: [Self; 16] = [
        Self::ProtocolError,
        Self::Binary,
        Self::InvalidText,
        Self::TooBig,
        Self::Draining,
        Self::Internal,
        Self::SlowConsumer,
        Self::NoPong,
        Self::RateLimited,
        Self::InvalidToken,
        Self::BadRequest,
        Self::NoStart,
        Self::ForcedOut,
        Self::Forbidden,
        Self::Superseded,
        Self::UnknownVersion,
    ];

    /// The status code on the wire.
    pub fn code(self) -> u16 {
        self.row().0
    }

    /// The reason on the wire; at most [`Self::MAX_REASON_LEN`] bytes.
    pub fn reason(self) -> &'static str {
        self.row().2
    }

    /// Whether the client does well to connect again.
    pub fn reconnect(self) -> Reconnect {
        self.row().3
    }

    /// The metric label: the code as text.
    pub fn label(self) -> &'static str {
        self.row().1
    }

    /// A close frame's payload is at most 125 bytes, two of which are the code (RFC 6455, 5.5).
    pub const MAX_REASON_LEN: usize = 123;

    fn row(self) -> (u16, &'static str, &'static str, Reconnect) {
        use Reconnect::{No, Yes};
        match self {
            Self::ProtocolError => (1002, "1002", "protocol error", No),
            Self::Binary => (1003, "1003", "binary frames are not accepted", No),
            Self::InvalidText => (1007, "1007", "text is not UTF-8", No),
            Self::TooBig => (1009, "1009", "message too big", No),
            Self::Draining => (4001, "4001", "draining, please reconnect", Yes),
            Self::Internal => (4004, "4004", "internal error", Yes),
            Self::SlowConsumer => (4008, "4008", "client reads too slowly", Yes),
            Self::NoPong => (4012, "4012", "no pong", Yes),
            Self::RateLimited => (4013, "4013", "too many frames", Yes),
            Self::InvalidToken => (4500, "4500", "invalid resume token", No),
            Self::BadRequest => (4501, "4501", "the first frame must be start", No),
            Self::NoStart => (4502, "4502", "no start in time", No),
            Self::ForcedOut => (4503, "4503", "ended by an operator", No),
            Self::Forbidden => (4507, "4507", "the token belongs to somebody else", No),
            Self::Superseded => (4509, "4509", "the session has another connection", No),
            Self::UnknownVersion => (
                4510,
                "4510",
                "unsupported version; see answer-gateway.v2.json",
                No,
            ),
        }
    }
}

impl From<CloseReason> for Close {
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::Draining => Self::Draining,
            CloseReason::Superseded => Self::Superseded,
        }
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.code(), self.reason())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    #[test]
    fn reasons_fit_into_a_close_frame_and_labels_are_the_codes() {
        for close in Close::ALL {
            assert!(close.reason().len() <= Close::MAX_REASON_LEN, "{close}");
            assert_eq!(close.label(), close.code().to_string());
        }
    }

    #[test]
    fn in_the_4000s_the_low_half_says_reconnect_and_the_high_half_does_not() {
        for close in Close::ALL.into_iter().filter(|close| close.code() >= 4000) {
            let expected = if close.code() < 4500 {
                Reconnect::Yes
            } else {
                Reconnect::No
            };
            assert_eq!(close.reconnect(), expected, "{close}");
        }
    }

    #[test]
    fn the_table_in_the_protocols_pages_is_this_one() {
        let mut table = String::from("| code | reason | reconnect |\n|---|---|---|\n");
        for close in Close::ALL {
            let reconnect = match close.reconnect() {
                Reconnect::Yes => "yes",
                Reconnect::No => "no",
            };
            let (code, reason) = (close.code(), close.reason());
            writeln!(table, "| {code} | {reason} | {reconnect} |").unwrap();
        }
        for page in [
            include_str!("../../../docs/protocol-v1.md"),
            include_str!("../../../docs/protocol-v2.md"),
        ] {
            assert!(page.contains(&table), "lacks:\n{table}");
        }
    }
}
