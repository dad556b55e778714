//! Every way this server closes a WebSocket, as one table: code, reason, whether to come back.

use std::fmt;

use session_core::CloseReason;

/// The reason for which this server closes a WebSocket. The low half of the 4000s asks the client to reconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// The client broke the WebSocket protocol itself (RFC 6455, section 7.4.1).
    ProtocolError,
    /// A binary frame.
    BinaryFrame,
    /// Text that is not UTF-8 (RFC 6455, section 7.4.1).
    InvalidText,
    /// A frame or message over `ws.max_frame_bytes`.
    MessageTooBig,
    /// This process drains.
    Draining,
    /// This process cannot go on with the session.
    InternalError,
    /// The client does not read what waits for it.
    SlowConsumer,
    /// Nothing was heard after a ping.
    NoPong,
    /// Too many frames in a second.
    RateLimited,
    /// A resume token that nobody who knows the key has made (version 2).
    InvalidToken,
    /// The first frame is not `start` (version 2).
    FirstFrameNotStart,
    /// No `start` in time (version 2).
    StartTimeout,
    /// An operator ended the session.
    EndedByOperator,
    /// The token belongs to another subject (version 2).
    ForeignToken,
    /// The session goes on with another connection.
    Superseded,
    /// A version of the protocol that this server does not speak.
    UnknownVersion,
}

/// The advice whether to connect again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReconnectAdvice {
    /// Again, at once or after a moment.
    Yes,
    /// Not with the same behaviour, or not at all.
    No,
}

impl CloseCode {
    /// Every row of the table, by code.
    pub const ALL: [Self; 16] = [
        Self::ProtocolError,
        Self::BinaryFrame,
        Self::InvalidText,
        Self::MessageTooBig,
        Self::Draining,
        Self::InternalError,
        Self::SlowConsumer,
        Self::NoPong,
        Self::RateLimited,
        Self::InvalidToken,
        Self::FirstFrameNotStart,
        Self::StartTimeout,
        Self::EndedByOperator,
        Self::ForeignToken,
        Self::Superseded,
        Self::UnknownVersion,
    ];

    /// The status code on the wire.
    pub fn as_u16(self) -> u16 {
        self.properties().0
    }

    /// The reason on the wire; at most [`Self::MAX_REASON_LEN`] bytes.
    pub fn reason(self) -> &'static str {
        self.properties().2
    }

    /// Returns the advice whether to connect again.
    pub fn reconnect(self) -> ReconnectAdvice {
        self.properties().3
    }

    /// The metric label: the code as text.
    pub fn label(self) -> &'static str {
        self.properties().1
    }

    /// A close frame's payload is at most 125 bytes, two of which are the code (RFC 6455, 5.5).
    pub const MAX_REASON_LEN: usize = 123;

    fn properties(self) -> (u16, &'static str, &'static str, ReconnectAdvice) {
        use ReconnectAdvice::{No, Yes};
        match self {
            Self::ProtocolError => (1002, "1002", "protocol error", No),
            Self::BinaryFrame => (1003, "1003", "binary frames are not accepted", No),
            Self::InvalidText => (1007, "1007", "text is not UTF-8", No),
            Self::MessageTooBig => (1009, "1009", "message too big", No),
            Self::Draining => (4001, "4001", "draining, please reconnect", Yes),
            Self::InternalError => (4004, "4004", "internal error", Yes),
            Self::SlowConsumer => (4008, "4008", "client reads too slowly", Yes),
            Self::NoPong => (4012, "4012", "no pong", Yes),
            Self::RateLimited => (4013, "4013", "too many frames", Yes),
            Self::InvalidToken => (4500, "4500", "invalid resume token", No),
            Self::FirstFrameNotStart => (4501, "4501", "the first frame must be start", No),
            Self::StartTimeout => (4502, "4502", "no start in time", No),
            Self::EndedByOperator => (4503, "4503", "ended by an operator", No),
            Self::ForeignToken => (4507, "4507", "the token belongs to somebody else", No),
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

impl From<CloseReason> for CloseCode {
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::Draining => Self::Draining,
            CloseReason::Superseded => Self::Superseded,
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.as_u16(), self.reason())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    #[test]
    fn reasons_fit_into_a_close_frame_and_labels_are_the_codes() {
        for close in CloseCode::ALL {
            assert!(close.reason().len() <= CloseCode::MAX_REASON_LEN, "{close}");
            assert_eq!(close.label(), close.as_u16().to_string());
        }
    }

    #[test]
    fn in_the_4000s_the_low_half_says_reconnect_and_the_high_half_does_not() {
        for close in CloseCode::ALL
            .into_iter()
            .filter(|close| close.as_u16() >= 4000)
        {
            let expected = if close.as_u16() < 4500 {
                ReconnectAdvice::Yes
            } else {
                ReconnectAdvice::No
            };
            assert_eq!(close.reconnect(), expected, "{close}");
        }
    }

    #[test]
    fn the_table_in_the_protocols_pages_is_this_one() {
        let mut table = String::from("| code | reason | reconnect |\n|---|---|---|\n");
        for close in CloseCode::ALL {
            let reconnect = match close.reconnect() {
                ReconnectAdvice::Yes => "yes",
                ReconnectAdvice::No => "no",
            };
            let (code, reason) = (close.as_u16(), close.reason());
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
