//! Settings that take one of a few words.

/// A closed set of words.
pub(crate) trait ConfigChoice: Sized + Copy + 'static {
    /// Every word and what it means.
    const WORDS: &'static [(&'static str, Self)];
    /// Words the product's documents name that this version does not serve.
    const RESERVED_WORDS: &'static [&'static str];
    /// The right values, as a sentence's end.
    const EXPECTED: &'static str;
}

/// Declares an enum that is read from one of its words; case does not matter.
macro_rules! choice {
    (
        $(#[$about:meta])*
        $name:ident {
            $( $(#[$doc:meta])+ $variant:ident = $word:literal, )+
        } $(later [$($later:literal),+])?
        right $right:literal
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $( $(#[$doc])+ $variant, )+ }

        impl ConfigChoice for $name {
            const WORDS: &'static [(&'static str, Self)] = &[$( ($word, Self::$variant) ),+];
            const RESERVED_WORDS: &'static [&'static str] = &[$( $($later),+ )?];
            const EXPECTED: &'static str = $right;
        }
    };
}

choice! {
    /// `kafka.security_protocol`: how a connection to Kafka is secured.
    SecurityProtocol {
        /// Neither encrypted nor authenticated.
        Plaintext = "PLAINTEXT",
        /// TLS, with a client certificate if one is set.
        Ssl = "SSL",
        /// SASL in the clear.
        SaslPlaintext = "SASL_PLAINTEXT",
        /// SASL inside TLS.
        SaslSsl = "SASL_SSL",
    }
    right "`PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`"
}

choice! {
    /// `kafka.sasl_mechanism`: how the gateway proves to Kafka who it is.
    SaslMechanism {
        /// User name and password.
        Plain = "PLAIN",
        /// Challenge and response with SHA-256.
        ScramSha256 = "SCRAM-SHA-256",
        /// Challenge and response with SHA-512.
        ScramSha512 = "SCRAM-SHA-512",
        /// A token fetched from an OpenID Connect provider.
        OauthBearer = "OAUTHBEARER",
    }
    right "`PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER`"
}

choice! {
    /// `kafka.auto_offset_reset`: where a consumer group without offsets starts.
    OffsetReset {
        /// At the end.
        Latest = "latest",
        /// At the beginning.
        Earliest = "earliest",
    }
    right "`latest` or `earliest`"
}

choice! {
    /// `delivery.mode`: which replica reads which answers.
    DeliveryMode {
        /// Every replica reads every answer.
        Broadcast = "broadcast",
        /// A consumer group shares the answers out.
        Group = "group",
    }
    right "`broadcast` or `group`"
}

choice! {
    /// `session.wire_id`: what a question carries as `session_id` in Kafka.
    WireId {
        /// `plain` for version 1 of the protocol, `question` for version 2.
        Auto = "auto",
        /// The session's own id, with a suffix only after an ambiguity.
        Plain = "plain",
        /// The session's id and a fresh suffix, always.
        Question = "question",
    }
    right "`auto`, `plain` or `question`"
}

choice! {
    /// `auth.mode`: who may open a WebSocket.
    AuthMode {
        /// Everybody.
        None = "none",
    }
    later ["jwt"]
    right "`none`"
}

choice! {
    /// `log.format`: how log lines look.
    LogFormat {
        /// Human lines on a terminal, JSON elsewhere.
        Auto = "auto",
        /// One line of text an event.
        Human = "human",
        /// One JSON object an event.
        Json = "json",
    }
    right "`auto`, `human` or `json`"
}
