//! Answers from bytes, under any compatible writer's schema: fields are found by name, whatever the
//! record is called and wherever they stand; everything else is passed over.

use types::BorrowedText;

use crate::avro_reader::AvroReader;
use crate::decoding_plan::{DecodingPlan, PlanNode};
use crate::{AnswerFieldNames, DecodeError, SchemaRef, SchemaSet, split_frame};

/// Decodes the records of the answers' topic.
#[derive(Debug, Clone)]
pub struct AnswerDecoder {
    fields: AnswerFieldNames,
    max_text_bytes: usize,
}

/// The decoded fields of a record, before anybody has looked whom it concerns. Borrowed from the record: most
/// concern nobody here, and cost no copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodedAnswer<'a> {
    /// The wire id, unchecked.
    pub session_id: &'a str,
    /// The question it says it answers, unchecked.
    pub question_id: Option<&'a str>,
    /// The answer; `None` when null or absent.
    pub text: Option<BorrowedText<'a>>,
    /// The error, if the answering side named one.
    pub error: Option<BorrowedText<'a>>,
    /// The number of the part, unchecked.
    pub part: Option<i64>,
    /// True if it is the last part.
    pub is_final: Option<bool>,
    /// The number of the attempt, unchecked.
    pub attempt: Option<i64>,
    /// The answering side's metadata; `None` also when that is no text, or too long.
    pub metadata: Option<BorrowedText<'a>>,
}

impl AnswerDecoder {
    /// A decoder for fields of these names; a text of more than `max_text` bytes is an error.
    pub fn new(fields: AnswerFieldNames, max_text: usize) -> Self {
        Self {
            fields,
            max_text_bytes: max_text,
        }
    }

    /// Checks that records of a schema can be answers: that the session's id and the text are there and
    /// can be texts.
    ///
    /// # Errors
    ///
    /// [`DecodeError::MissingField`], [`DecodeError::WrongFieldType`], and [`DecodeError::UnknownSchema`]
    /// when the set lacks the schema.
    pub fn check_schema(&self, schema: SchemaRef, schemas: &SchemaSet) -> Result<(), DecodeError> {
        let plan = schemas.plan(schema);
        let plan = plan.ok_or(DecodeError::UnknownSchema(schema))?;
        for name in [&self.fields.session_id, &self.fields.text] {
            let mut fields = plan.fields.iter();
            let field = fields.find(|field| field.name == *name);
            let field = field.ok_or(DecodeError::MissingField)?;
            if !may_be_text(plan, field.node)? {
                return Err(DecodeError::WrongFieldType);
            }
        }
        Ok(())
    }

    /// Decodes one record; `header` is the record's `__value_schema_id`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::UnknownSchema`] when the set lacks the writer's schema; anything else is the
    /// writer's mistake and stays wrong.
    pub fn decode<'a>(
        &self,
        value: &'a [u8],
        header: Option<&[u8]>,
        schemas: &SchemaSet,
    ) -> Result<DecodedAnswer<'a>, DecodeError> {
        let framed = split_frame(value, header)?;
        let plan = schemas
            .plan(framed.schema)
            .ok_or(DecodeError::UnknownSchema(framed.schema))?;
        let mut cursor = AvroReader(framed.datum);
        let mut session_id = None;
        let mut question_id = None;
        let mut answer = None;
        let mut error = None;
        let (mut part, mut is_final, mut attempt, mut metadata) = (None, None, None, None);
        for field in &plan.fields {
            let slot = if field.name == self.fields.session_id {
                &mut session_id
            } else if field.name == self.fields.text {
                &mut answer
            } else if field.name == self.fields.question_id {
                &mut question_id
            } else if field.name == self.fields.error {
                &mut error
            } else {
                if field.name == self.fields.part {
                    part = decode_integer(plan, &mut cursor, field.node)?;
                } else if field.name == self.fields.attempt {
                    attempt = decode_integer(plan, &mut cursor, field.node)?;
                } else if field.name == self.fields.is_final {
                    is_final = decode_boolean(plan, &mut cursor, field.node)?;
                } else if field.name == self.fields.metadata {
                    metadata = self.decode_optional_text(plan, &mut cursor, field.node)?;
                } else {
                    plan.skip(&mut cursor, field.node)?;
                }
                continue;
            };
            *slot = self.decode_text(plan, &mut cursor, field.node)?;
        }
        if !cursor.0.is_empty() {
            return Err(DecodeError::TrailingBytes);
        }
        Ok(DecodedAnswer {
            session_id: session_id.ok_or(DecodeError::MissingField)?,
            question_id,
            text: answer.map(BorrowedText::new),
            error: error.map(BorrowedText::new),
            part,
            is_final,
            attempt,
            metadata: metadata.map(BorrowedText::new),
        })
    }

    /// A text that the answer can do without: what is none, or too long, says nothing.
    fn decode_optional_text<'a>(
        &self,
        plan: &DecodingPlan,
        cursor: &mut AvroReader<'a>,
        node: usize,
    ) -> Result<Option<&'a str>, DecodeError> {
        match resolve_union(plan, cursor, node)? {
            (PlanNode::Text, _) => {
                let bytes = cursor.read_length_prefixed()?;
                let text = str::from_utf8(bytes).ok();
                Ok(text.filter(|text| text.len() <= self.max_text_bytes))
            }
            (_, other) => plan.skip(cursor, other).map(|()| None),
        }
    }

    /// A string, bytes that are one, or a union of such with null.
    fn decode_text<'a>(
        &self,
        plan: &DecodingPlan,
        cursor: &mut AvroReader<'a>,
        node: usize,
    ) -> Result<Option<&'a str>, DecodeError> {
        match plan.node(node)? {
            PlanNode::Null => Ok(None),
            PlanNode::Text => {
                let bytes = cursor.read_length_prefixed()?;
                if bytes.len() > self.max_text_bytes {
                    return Err(DecodeError::TextTooLong);
                }
                let text = str::from_utf8(bytes).map_err(|_| DecodeError::InvalidUtf8)?;
                Ok(Some(text))
            }
            PlanNode::Union(branches) => {
                let branch = branches
                    .get(cursor.read_size()?)
                    .ok_or(DecodeError::Malformed)?;
                self.decode_text(plan, cursor, *branch)
            }
            PlanNode::Varint
            | PlanNode::Enum
            | PlanNode::Boolean
            | PlanNode::Fixed(_)
            | PlanNode::Array(_)
            | PlanNode::Map(_)
            | PlanNode::Record(_) => Err(DecodeError::WrongFieldType),
        }
    }
}

fn may_be_text(plan: &DecodingPlan, node: usize) -> Result<bool, DecodeError> {
    match plan.node(node)? {
        PlanNode::Text => Ok(true),
        PlanNode::Union(branches) => {
            let mut branches = branches.iter().map(|branch| may_be_text(plan, *branch));
            branches.try_fold(false, |found, branch| Ok(found | branch?))
        }
        PlanNode::Null
        | PlanNode::Varint
        | PlanNode::Enum
        | PlanNode::Boolean
        | PlanNode::Fixed(_)
        | PlanNode::Array(_)
        | PlanNode::Map(_)
        | PlanNode::Record(_) => Ok(false),
    }
}

/// An int or a long, or a union of such with null. A field of another type that happens to have the
/// name means something else and says nothing here.
fn decode_integer(
    plan: &DecodingPlan,
    cursor: &mut AvroReader<'_>,
    node: usize,
) -> Result<Option<i64>, DecodeError> {
    match resolve_union(plan, cursor, node)? {
        (PlanNode::Varint, _) => cursor.read_long().map(Some),
        (_, other) => plan.skip(cursor, other).map(|()| None),
    }
}

/// A boolean, or a union of one with null; as with [`decode_integer`].
fn decode_boolean(
    plan: &DecodingPlan,
    cursor: &mut AvroReader<'_>,
    node: usize,
) -> Result<Option<bool>, DecodeError> {
    match resolve_union(plan, cursor, node)? {
        (PlanNode::Boolean, _) => match cursor.read_bytes(1)? {
            [0] => Ok(Some(false)),
            [1] => Ok(Some(true)),
            _ => Err(DecodeError::Malformed),
        },
        (_, other) => plan.skip(cursor, other).map(|()| None),
    }
}

/// The type that stands there: a union's branch, else the node itself.
fn resolve_union<'p>(
    plan: &'p DecodingPlan,
    cursor: &mut AvroReader<'_>,
    node: usize,
) -> Result<(&'p PlanNode, usize), DecodeError> {
    let PlanNode::Union(branches) = plan.node(node)? else {
        return Ok((plan.node(node)?, node));
    };
    let branch = *branches
        .get(cursor.read_size()?)
        .ok_or(DecodeError::Malformed)?;
    Ok((plan.node(branch)?, branch))
}
