//! The Avro records of answer-gateway, pure: Confluent framing, questions to bytes, answers from bytes.
//!
//! No network: a schema id that is not in the [`SchemaSet`] is the returned value
//! [`DecodeError::UnknownSchema`], and whoever has a network fetches it and tries again.

mod constant;
mod cursor;
mod decoder;
mod definitions;
mod encoder;
mod error;
mod fields;
mod framing;
mod plan;
mod portable;
mod references;
mod schema_set;

pub use decoder::{AnswerDecoder, DecodedAnswer};
pub use encoder::QuestionEncoder;
pub use error::{DecodeError, SchemaError};
pub use fields::{AnswerFields, MINIMAL_ANSWER, MINIMAL_QUESTION, QuestionFields};
pub use framing::{Framed, SchemaRef, frame};
pub use schema_set::SchemaSet;
