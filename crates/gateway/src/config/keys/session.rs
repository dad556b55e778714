//! Settings of sessions: how long they wait, and how their answers are told apart.

use std::time::Duration;

use crate::config::choice::{AuthMode, DeliveryMode, WireId};
use crate::config::key::{DefaultValue, section};
use crate::config::kind;
use crate::config::secret::Secret;
use crate::config::values::ConfigValues;

section! {
    /// The sharing of answers among replicas.
    Delivery "delivery" {
        /// `broadcast`: every replica reads every answer and keeps those of its sessions; right
        /// with any number of replicas. `group`: the consumer group `kafka.group_id` shares the
        /// answers out and keeps how far they were read; right with one replica only.
        mode: DeliveryMode = kind::choice::<DeliveryMode>(), DefaultValue::Is("broadcast");
    }
}

section! {
    /// One question at a time, and how long it waits.
    Session "session" {
        /// Time for which a question waits for its answer.
        answer_timeout: Duration = kind::DURATION, DefaultValue::Is("120s");
        /// Time for which a question whose answer comes in parts waits for the next part.
        part_timeout: Duration = kind::DURATION, DefaultValue::Is("30s");
        /// Time for which such a question waits in all.
        max_answer_time: Duration = kind::DURATION,
            DefaultValue::From { says: "the larger of `10min` and `session.answer_timeout`", compute: max_answer_time };
        /// Time after a timeout or a lost connection in which an answer may still come, and the session's
        /// questions carry a suffix; after an uncertain publish those of every session.
        answer_ttl: Duration = kind::DURATION,
            DefaultValue::From { says: "2 × `session.answer_timeout`", compute: answer_ttl };
        /// The form of a question's `session_id` in Kafka. `plain`: the session's id, with a
        /// suffix only after an ambiguity. `question`: always with a fresh suffix, which makes
        /// attribution exact with any answering side that copies the field. `auto`: `plain` for
        /// version 1 of the WebSocket protocol, `question` for version 2.
        wire_id: WireId = kind::choice::<WireId>(), DefaultValue::Is("auto");
        /// Departed sessions remembered as still owed an answer. While they are that many, every
        /// further question carries a suffix.
        max_owed: usize = kind::COUNT, DefaultValue::Is("100000");
        /// Key of the resume tokens of version 2 of the protocol, the same at every replica. When it
        /// is not set each process draws one: sessions then resume at the same process only, until
        /// it ends.
        token_key: Option<Secret> = kind::TOKEN_KEY, DefaultValue::Unset;
        /// The key before, whose tokens are still taken: set it while `session.token_key` is changed,
        /// for `resume.window` and `session.answer_timeout` together.
        previous_token_key: Option<Secret> = kind::TOKEN_KEY, DefaultValue::Unset;
    }
}

section! {
    /// The clients that may connect.
    Auth "auth" {
        /// `none`: everybody. (`jwt` comes with a later version.)
        mode: AuthMode = kind::choice::<AuthMode>(), DefaultValue::Is("none");
    }
}

section! {
    /// Resuming on another connection, at any replica: version 2 of the protocol.
    Resume "resume" {
        /// Time for which a lost session can be resumed after its last token was made, beside
        /// `session.answer_timeout`. What was written to the answers' topic is remembered that long.
        window: Duration = kind::DURATION, DefaultValue::Is("10min");
    }
}

fn max_answer_time(values: &ConfigValues) -> Option<String> {
    let answer_timeout = values.value("session.answer_timeout", &kind::DURATION)?;
    let in_all = answer_timeout.max(Duration::from_secs(600));
    Some(humantime::format_duration(in_all).to_string())
}

fn answer_ttl(values: &ConfigValues) -> Option<String> {
    let answer_timeout = values.value("session.answer_timeout", &kind::DURATION)?;
    let ttl = (answer_timeout * 2).min(kind::LONGEST_DURATION);
    Some(humantime::format_duration(ttl).to_string())
}
