//! Settings of this crate. Where the values come from, and whether they fit together, is
//! decided where configuration is read.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::{AdminToken, DescriptorBudget, ResumeTokenKeys};

/// Settings of each WebSocket session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSettings {
    /// Longest question, in bytes of UTF-8 (`ws.max_question_bytes`).
    pub max_question_bytes: usize,
    /// Longest frame, and longest message of several frames, from a client, in bytes
    /// (`ws.max_frame_bytes`). A longer one closes with 1009.
    pub max_frame_bytes: usize,
    /// Bytes that may wait for one client to read them (`ws.outbound_bytes`). More closes with 4008.
    pub outbound_bytes: usize,
    /// The time without a frame from a client after which it is pinged (`ws.ping_interval`).
    pub ping_interval: Duration,
    /// The time after a ping within which anything must be heard (`ws.pong_timeout`), else 4012.
    pub pong_timeout: Duration,
    /// The time for which a client may read nothing while bytes wait for it, else 4008.
    pub write_timeout: Duration,
    /// Frames a client may send in a second, in bursts of as many. Version 1 is closed with 4013 for
    /// more, version 2 for twice as many. `None`: no limit.
    pub frames_per_second: Option<NonZeroU32>,
    /// The time that a client of version 2 may take to send its `start` (`ws.start_timeout`), else 4502.
    pub start_timeout: Duration,
    /// After how long without any other frame version 2 is sent a heartbeat
    /// (`ws.heartbeat_interval`).
    pub heartbeat_interval: Duration,
    /// The time for which a lost session of version 2 can be resumed (`resume.window`).
    pub resume_window: Duration,
    /// The keys of resume tokens (`session.token_key`).
    pub token_keys: ResumeTokenKeys,
}

/// The values of the reference page, and a token key that no other process has.
impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            max_question_bytes: 32 * 1024,
            max_frame_bytes: 64 * 1024,
            outbound_bytes: 1024 * 1024,
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            frames_per_second: NonZeroU32::new(100),
            start_timeout: Duration::from_secs(10),
            heartbeat_interval: Duration::from_secs(25),
            resume_window: Duration::from_secs(600),
            token_keys: ResumeTokenKeys::new_random(),
        }
    }
}

/// Settings of the public server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSettings {
    /// The time that a client may take to send the head of a request (`server.header_timeout`).
    pub header_timeout: Duration,
    /// TCP connections open at once, upgraded or not (`server.max_connections`). Beyond them the oldest
    /// that is no WebSocket makes room, else HTTP 503.
    pub max_connections: usize,
    /// The process's limit of open files, which bounds the connections too.
    pub descriptors: DescriptorBudget,
    /// The limits of WebSockets.
    pub limits: WebSocketLimits,
    /// Values of `Origin` that may open a WebSocket (`security.allowed_origins`). Empty: all. A
    /// client that sends none is not held to it.
    pub allowed_origins: Vec<String>,
    /// True if `GET /chat` serves the page (`chat.enabled`).
    pub chat: bool,
}

/// The values of the reference page.
impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            max_connections: 16_000,
            descriptors: DescriptorBudget::default(),
            limits: WebSocketLimits::default(),
            allowed_origins: Vec::new(),
            chat: false,
        }
    }
}

/// Settings of the admin port.
#[derive(Debug, Clone, Default)]
pub struct AdminSettings {
    /// Host names that requests may be addressed to (`admin.allowed_hosts`), in lower case, besides
    /// `localhost` and every IP address.
    pub allowed_hosts: Vec<String>,
    /// True if an operator may change anything there (`admin.allow_changes`).
    pub allow_changes: bool,
    /// The token that authorises changes (`admin.token`); `None`: nothing.
    pub token: Option<AdminToken>,
    /// The process's limit of open files, which bounds the connections.
    pub descriptors: DescriptorBudget,
}

/// The limits of WebSockets, at once and by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSocketLimits {
    /// Open at once (`limits.connections`), else HTTP 503.
    pub connections: usize,
    /// Open at once from one address, an IPv6 /64 counting as one (`limits.connections_per_address`),
    /// else HTTP 503. `None`: no limit.
    pub connections_per_address: Option<NonZeroU32>,
    /// Opened in a second, in bursts of as many (`limits.connects_per_second`), else HTTP 429.
    /// `None`: no limit.
    pub connects_per_second: Option<NonZeroU32>,
}

/// The values of the reference page.
impl Default for WebSocketLimits {
    fn default() -> Self {
        Self {
            connections: 15_000,
            connections_per_address: NonZeroU32::new(1_000),
            connects_per_second: NonZeroU32::new(1_000),
        }
    }
}
