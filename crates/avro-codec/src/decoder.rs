//! Answers from bytes, under any compatible writer's schema: fields are found by name, whatever the
//! record is called and wherever they stand; everything else is passed over.

use types::BorrowedText;

use crate::cursor::Cursor;
use crate::plan::{Node, Plan};
use crate::{AnswerFields, DecodeError, SchemaRef, SchemaSet, frame};

/// Decodes the records of the answers' topic.
#[derive(Debug, Clone)]
pub struct AnswerDecoder {
    fields: AnswerFields,
    max_text: usize,
}

/// What a record says, before anybody has looked whom it concerns. Borrowed from the record: most
/// concern nobody here, and cost no copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodedAnswer<'a> {
    /// The wire id, unchecked.
    pub session_id: &'a str,
    /// The question it says it answers, unchecked.
    pub question_id: Option<&'a str>,
    /// The answer; `None` when null or absent.
    pub text: Option<BorrowedText<'a>>,
    /// What went wrong, if the answering side said so.
    pub error: Option<BorrowedText<'a>>,
    /// Which part of the answer it is, unchecked.
    pub part: Option<i64>,
    /// Whether it is the last part.
    pub is_final: Option<bool>,
    /// Which attempt at the answer it belongs to, unchecked.
    pub attempt: Option<i64>,
    /// What it says of itself; `None` also when that is no text, or too long.
    pub metadata: Option<BorrowedText<'a>>,
}

impl AnswerDecoder {
    /// A decoder for fields of these names; a text of more than `max_text` bytes is an error.
    pub fn new(fields: AnswerFields, max_text: usize) -> Self {
        Self { fields, max_text }
    }

    /// Whether records of a schema can be answers: that the session's id and the text are there and
    /// can be texts.
    ///
    /// # Errors
    ///
    /// [`DecodeError::MissingField`], [`DecodeError::FieldType`], and [`DecodeError::UnknownSchema`]
    /// when the set lacks the schema.
    pub fn fits(&self, schema: SchemaRef, schemas: &SchemaSet) -> Result<(), DecodeError> {
        let plan = schemas.plan(schema);
        let plan = plan.ok_or(DecodeError::UnknownSchema(schema))?;
        for name in [&self.fields.session_id, &self.fields.text] {
            let mut fields = plan.fields.iter();
            let field = fields.find(|field| field.name == *name);
            let field = field.ok_or(DecodeError::MissingField)?;
            if !may_be_text(plan, field.node)? {
                return Err(DecodeError::FieldType);
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
        let framed = frame(value, header)?;
        let plan = schemas
            .plan(framed.schema)
            .ok_or(DecodeError::UnknownSchema(framed.schema))?;
        let mut cursor = Cursor(framed.datum);
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
                    part = integer(plan, &mut cursor, field.node)?;
                } else if field.name == self.fields.attempt {
                    attempt = integer(plan, &mut cursor, field.node)?;
                } else if field.name == self.fields.is_final {
                    is_final = boolean(plan, &mut cursor, field.node)?;
                } else if field.name == self.fields.metadata {
                    metadata = self.remark(plan, &mut cursor, field.node)?;
                } else {
                    plan.skip(&mut cursor, field.node)?;
                }
                continue;
            };
            *slot = self.text(plan, &mut cursor, field.node)?;
        }
        if !cursor.0.is_empty() {
            return Err(DecodeError::Trailing);
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
    fn remark<'a>(
        &self,
        plan: &Plan,
        cursor: &mut Cursor<'a>,
        node: usize,
    ) -> Result<Option<&'a str>, DecodeError> {
        match taken(plan, cursor, node)? {
            (Node::Text, _) => {
                let bytes = cursor.prefixed()?;
                let text = str::from_utf8(bytes).ok();
                Ok(text.filter(|text| text.len() <= self.max_text))
            }
            (_, other) => plan.skip(cursor, other).map(|()| None),
        }
    }

    /// A string, bytes that are one, or a union of such with null.
    fn text<'a>(
        &self,
        plan: &Plan,
        cursor: &mut Cursor<'a>,
        node: usize,
    ) -> Result<Option<&'a str>, DecodeError> {
        match plan.node(node)? {
            Node::Null => Ok(None),
            Node::Text => {
                let bytes = cursor.prefixed()?;
                if bytes.len() > self.max_text {
                    return Err(DecodeError::TooLarge);
                }
                let text = str::from_utf8(bytes).map_err(|_| DecodeError::Utf8)?;
                Ok(Some(text))
            }
            Node::Union(branches) => {
                let branch = branches.get(cursor.size()?).ok_or(DecodeError::Malformed)?;
                self.text(plan, cursor, *branch)
            }
            Node::Varint
            | Node::Enum
            | Node::Boolean
            | Node::Fixed(_)
            | Node::Array(_)
            | Node::Map(_)
            | Node::Record(_) => Err(DecodeError::FieldType),
        }
    }
}

fn may_be_text(plan: &Plan, node: usize) -> Result<bool, DecodeError> {
    match plan.node(node)? {
        Node::Text => Ok(true),
        Node::Union(branches) => {
            let mut branches = branches.iter().map(|branch| may_be_text(plan, *branch));
            branches.try_fold(false, |found, branch| Ok(found | branch?))
        }
        Node::Null
        | Node::Varint
        | Node::Enum
        | Node::Boolean
        | Node::Fixed(_)
        | Node::Array(_)
        | Node::Map(_)
        | Node::Record(_) => Ok(false),
    }
}

/// An int or a long, or a union of such with null. A field of another type that happens to have the
/// name means something else and says nothing here.
fn integer(plan: &Plan, cursor: &mut Cursor<'_>, node: usize) -> Result<Option<i64>, DecodeError> {
    match taken(plan, cursor, node)? {
        (Node::Varint, _) => cursor.long().map(Some),
        (_, other) => plan.skip(cursor, other).map(|()| None),
    }
}

/// A boolean, or a union of one with null; as with [`integer`].
fn boolean(plan: &Plan, cursor: &mut Cursor<'_>, node: usize) -> Result<Option<bool>, DecodeError> {
    match taken(plan, cursor, node)? {
        (Node::Boolean, _) => match cursor.bytes(1)? {
            [0] => Ok(Some(false)),
            [1] => Ok(Some(true)),
            _ => Err(DecodeError::Malformed),
        },
        (_, other) => plan.skip(cursor, other).map(|()| None),
    }
}

/// The type that stands there: a union's branch, else the node itself.
fn taken<'p>(
    plan: &'p Plan,
    cursor: &mut Cursor<'_>,
    node: usize,
) -> Result<(&'p Node, usize), DecodeError> {
    let Node::Union(branches) = plan.node(node)? else {
        return Ok((plan.node(node)?, node));
    };
    let branch = *branches.get(cursor.size()?).ok_or(DecodeError::Malformed)?;
    Ok((plan.node(branch)?, branch))
}
