//! Domain types of answer-gateway: the only things that pass between its I/O crates.
//!
//! Ids are checked newtypes (a bare `String` session id never crosses a crate edge), texts redact
//! themselves in `Debug`, outcomes are closed enums. Must not know serde, tokio, Kafka or sockets:
//! each edge has wire structs of its own and converts.

mod answer;
mod answer_lookup;
mod ask_id;
mod id;
mod lineage;
mod outcome;
mod publish_report;
mod question_record;
mod record_position;
mod redacted_text;
mod trace_context;

pub use answer::{Answer, AnswerBody, AnswerPart, PartOrder, QuestionIdEcho};
pub use answer_lookup::AnswerLookup;
pub use ask_id::AskId;
pub use id::{Generation, IdError, QuestionId, SessionId, SessionKey, WireId, WireIdSuffix};
pub use lineage::Lineage;
pub use outcome::{AnswerOutcome, QuestionOutcome};
pub use publish_report::{Persisted, PublishFailure, PublishReport};
pub use question_record::QuestionRecord;
pub use record_position::{MinOffsets, RecordPosition};
pub use redacted_text::{
    AnswerError, AnswerMetadata, AnswerText, BorrowedText, QuestionText, UserName,
};
pub use trace_context::TraceContext;
