//! The Avro records of answer-gateway, pure: Confluent framing, questions to bytes, answers from bytes.
//!
//! No network: a schema id that is not in the [`SchemaSet`] is the returned value
//! [`DecodeError::UnknownSchema`], and whoever has a network fetches it and tries again.

mod answer_decoder;
mod avro_reader;
mod confluent_framing;
mod constant_fields;
mod decoding_plan;
mod error;
mod field_names;
mod named_types;
mod question_encoder;
mod rewritten_schema;
mod schema_references;
mod schema_set;

pub use answer_decoder::{AnswerDecoder, DecodedAnswer};
pub use confluent_framing::{FramedValue, SchemaRef, split_frame};
pub use error::{DecodeError, SchemaError};
pub use field_names::{
    AnswerFieldNames, MINIMAL_ANSWER_SCHEMA, MINIMAL_QUESTION_SCHEMA, QuestionFieldNames,
};
pub use question_encoder::QuestionEncoder;
pub use schema_set::SchemaSet;
