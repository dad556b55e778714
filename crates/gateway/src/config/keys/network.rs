//! Settings of what people connect to.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::config::key::{DefaultValue, section};
use crate::config::kind;
use crate::config::secret::Secret;

section! {
    /// The public port, for WebSockets and HTTP.
    Server "server" {
        /// Address to listen on.
        address: IpAddr = kind::ADDRESS, DefaultValue::ByCommand { run: Some("0.0.0.0"), demo: "127.0.0.1" };
        /// Port to listen on.
        port: u16 = kind::PORT, DefaultValue::Is("8080"), aliases: &["PORT"];
        /// Longest time for a client to send the head of a request.
        header_timeout: Duration = kind::DURATION, DefaultValue::Is("10s");
        /// TCP connections open at once, upgraded to WebSocket or not, as far as the limit of open files
        /// has room. Beyond them the oldest that is no WebSocket is closed, else the newcomer gets
        /// HTTP 503.
        max_connections: usize = kind::COUNT, DefaultValue::Is("16000");
    }
}

section! {
    /// The admin port, for probes and metrics. Not for the public: on loopback unless set.
    Admin "admin" {
        /// Address to listen on. `0.0.0.0` lets an orchestrator's probes and a metrics scraper in.
        address: IpAddr = kind::ADDRESS, DefaultValue::Is("127.0.0.1");
        /// Port to listen on.
        port: u16 = kind::PORT, DefaultValue::Is("9090");
        /// Lets an operator change things there: `PUT /log-level` with a filter as its body,
        /// `DELETE /sessions?all=true` to end every session with 4503.
        allow_changes: bool = kind::SWITCH, DefaultValue::Is("false");
        /// The token that authorises changes: `Authorization: Bearer` and this value. Reading
        /// needs none.
        token: Option<Secret> = kind::TOKEN_KEY, DefaultValue::Unset;
        /// Host names by which probes and scrapers may address it (header `Host`). `localhost` and
        /// every IP address always may: a host name that anybody can point here is refused.
        allowed_hosts: Vec<String> = kind::HOSTS, DefaultValue::Is("");
    }
}

section! {
    /// WebSocket frames and heartbeat.
    WebSocket "ws" {
        /// Longest question, in bytes of UTF-8. A longer one is refused with an error frame.
        max_question_bytes: usize = kind::SIZE, DefaultValue::Is("32KiB");
        /// Longest frame from a client. A longer one closes the connection with 1009.
        max_frame_bytes: usize = kind::SIZE, DefaultValue::Is("64KiB");
        /// Longest answer handed on. A longer one ends its question with an error frame and is counted.
        max_response_bytes: usize = kind::SIZE, DefaultValue::Is("1MiB");
        /// Bytes that may wait for one client to read them. More closes the connection with 4008.
        outbound_bytes: usize = kind::SIZE, DefaultValue::Is("1MiB");
        /// Time without a frame after which a connection is pinged.
        ping_interval: Duration = kind::DURATION, DefaultValue::Is("25s");
        /// Longest wait for a pong. No pong closes the connection with 4012.
        pong_timeout: Duration = kind::DURATION, DefaultValue::Is("10s");
        /// Version 2: longest part of an answer; a longer answer is sent in several.
        part_bytes: usize = kind::SIZE, DefaultValue::Is("64KiB");
        /// Version 2: how long a client may take to send its `start`; then it is closed with 4502.
        start_timeout: Duration = kind::DURATION, DefaultValue::Is("10s");
        /// Version 2: how long nothing is sent before a `heartbeat` is.
        heartbeat_interval: Duration = kind::DURATION, DefaultValue::Is("25s");
    }
}

section! {
    /// Limits of one process, and of one address.
    Limits "limits" {
        /// WebSockets open at once. Each takes an open file; 256 of those are left to everything else.
        connections: usize = kind::COUNT, DefaultValue::Is("15000");
        /// WebSockets open at once from one address. Behind a proxy everybody shares the proxy's
        /// address: raise it there, or take 0.
        connections_per_address: Option<NonZeroU32> = kind::RATE_LIMIT, DefaultValue::Is("1000");
        /// WebSockets opened in a second, from all addresses together.
        connects_per_second: Option<NonZeroU32> = kind::RATE_LIMIT, DefaultValue::Is("1000");
    }
}

section! {
    /// The pages that may connect.
    Security "security" {
        /// Values of the header `Origin` that may open a WebSocket. Empty: all, with a warning at
        /// start. Clients that are no browsers send none and are not held to it.
        allowed_origins: Vec<String> = kind::ORIGINS, DefaultValue::Is("");
    }
}

section! {
    /// The web page.
    Chat "chat" {
        /// Serve a page to ask questions on at `GET /chat`.
        enabled: bool = kind::SWITCH, DefaultValue::ByCommand { run: Some("false"), demo: "true" };
    }
}
