//! A writer's schema compiled into what the reader has to do: skip this, take that.
//!
//! Nodes stand in one table and refer to each other by index, so that recursive schemas compile.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, RecordSchema, UuidSchema};

use crate::avro_reader::AvroReader;
use crate::named_types::{self, NamedTypes};
use crate::rewritten_schema::RewrittenSchema;
use crate::{DecodeError, SchemaError};

/// The deepest nesting of values before they are refused as malformed.
const MAX_VALUE_DEPTH: usize = 64;
/// The most types of a schema.
const MAX_NODES: usize = 10_000;

type PlanNodeId = usize;

/// One type of the writer's schema, by its binary form.
#[derive(Debug)]
pub(crate) enum PlanNode {
    /// Nothing on the wire.
    Null,
    /// A variable-length integer.
    Varint,
    /// A variable-length integer that numbers a symbol.
    Enum,
    /// One byte: 0 or 1.
    Boolean,
    /// So many bytes.
    Fixed(usize),
    /// A string, or bytes that promote to one.
    Text,
    /// A branch number and its value.
    Union(Vec<PlanNodeId>),
    /// Blocks of values.
    Array(PlanNodeId),
    /// Blocks of keys and values.
    Map(PlanNodeId),
    /// One value after the other, those without bytes left out.
    Record(Vec<PlanNodeId>),
}

/// A compiled writer's schema: its types, and the fields of the record at the top.
#[derive(Debug)]
pub(crate) struct DecodingPlan {
    nodes: Vec<PlanNode>,
    /// Name and type of each top-level field, in the writer's order.
    pub(crate) fields: Vec<PlanField>,
}

/// A top-level field.
#[derive(Debug)]
pub(crate) struct PlanField {
    pub(crate) name: String,
    pub(crate) node: PlanNodeId,
}

impl DecodingPlan {
    /// Compiles `schema`; `references` are the other schemas it names.
    pub(crate) fn compile(schema: &str, references: &[String]) -> Result<Self, SchemaError> {
        let portable = RewrittenSchema::new(schema, references)?;
        let (schema, others) = Schema::parse_str_with_list(&portable.text, &portable.references)
            .map_err(|_| SchemaError::Invalid)?;
        let mut compiler = PlanCompiler {
            nodes: Vec::new(),
            names: HashMap::new(),
            definitions: named_types::collect_named_types(&schema, &others)?,
        };
        let Schema::Record(record) = &schema else {
            return Err(SchemaError::NotARecord);
        };
        let (_, types) = compiler.compile_record(record)?;
        let fields = portable.fields.into_iter().zip(types);
        let fields = fields.map(|(name, node)| PlanField { name, node });
        Ok(Self {
            fields: fields.collect(),
            nodes: compiler.nodes,
        })
    }

    /// The type of a node.
    pub(crate) fn node(&self, id: PlanNodeId) -> Result<&PlanNode, DecodeError> {
        self.nodes.get(id).ok_or(DecodeError::Malformed)
    }

    /// Passes over one value.
    pub(crate) fn skip(
        &self,
        cursor: &mut AvroReader<'_>,
        id: PlanNodeId,
    ) -> Result<(), DecodeError> {
        self.skip_at(cursor, id, 0)
    }

    fn skip_at(
        &self,
        cursor: &mut AvroReader<'_>,
        id: PlanNodeId,
        depth: usize,
    ) -> Result<(), DecodeError> {
        if depth > MAX_VALUE_DEPTH {
            return Err(DecodeError::Malformed);
        }
        match self.node(id)? {
            PlanNode::Null => Ok(()),
            PlanNode::Varint | PlanNode::Enum => cursor.read_long().map(drop),
            PlanNode::Boolean => cursor.read_bytes(1).map(drop),
            PlanNode::Fixed(size) => cursor.read_bytes(*size).map(drop),
            PlanNode::Text => cursor.read_length_prefixed().map(drop),
            PlanNode::Union(branches) => {
                let branch = branches
                    .get(cursor.read_size()?)
                    .ok_or(DecodeError::Malformed)?;
                self.skip_at(cursor, *branch, depth + 1)
            }
            PlanNode::Array(item) => self.skip_blocks(cursor, *item, false, depth),
            PlanNode::Map(value) => self.skip_blocks(cursor, *value, true, depth),
            PlanNode::Record(fields) => fields
                .iter()
                .try_for_each(|field| self.skip_at(cursor, *field, depth + 1)),
        }
    }

    fn skip_blocks(
        &self,
        cursor: &mut AvroReader<'_>,
        item: PlanNodeId,
        keyed: bool,
        depth: usize,
    ) -> Result<(), DecodeError> {
        loop {
            let count = cursor.read_long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // A negative count is followed by the block's size in bytes.
                let size = cursor.read_size()?;
                cursor.read_bytes(size)?;
                continue;
            }
            for _ in 0..count {
                let before = cursor.0.len();
                if keyed {
                    cursor.read_length_prefixed()?;
                }
                self.skip_at(cursor, item, depth + 1)?;
                if cursor.0.len() == before {
                    // Items without bytes: whatever their count says, there is nothing to pass over.
                    break;
                }
            }
        }
    }
}

struct PlanCompiler<'s> {
    nodes: Vec<PlanNode>,
    names: HashMap<Name, PlanNodeId>,
    definitions: NamedTypes<'s>,
}

impl PlanCompiler<'_> {
    fn compile_node(&mut self, schema: &Schema) -> Result<PlanNodeId, SchemaError> {
        if self.nodes.len() >= MAX_NODES {
            return Err(SchemaError::Invalid);
        }
        let node = match schema {
            Schema::Null => PlanNode::Null,
            Schema::Boolean => PlanNode::Boolean,
            Schema::Float => PlanNode::Fixed(4),
            Schema::Double => PlanNode::Fixed(8),
            Schema::Int
            | Schema::Long
            | Schema::Date
            | Schema::TimeMillis
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => PlanNode::Varint,
            Schema::Bytes
            | Schema::String
            | Schema::BigDecimal
            | Schema::Uuid(UuidSchema::String | UuidSchema::Bytes) => PlanNode::Text,
            Schema::Enum(named) => return Ok(self.push_named(&named.name, PlanNode::Enum)),
            Schema::Fixed(fixed)
            | Schema::Duration(fixed)
            | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                return Ok(self.push_named(&fixed.name, PlanNode::Fixed(fixed.size)));
            }
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => PlanNode::Text,
                InnerDecimalSchema::Fixed(fixed) => {
                    return Ok(self.push_named(&fixed.name, PlanNode::Fixed(fixed.size)));
                }
            },
            Schema::Array(array) => PlanNode::Array(self.compile_node(&array.items)?),
            Schema::Map(map) => PlanNode::Map(self.compile_node(&map.types)?),
            Schema::Union(union) => {
                let branches = union
                    .variants()
                    .iter()
                    .map(|branch| self.compile_node(branch));
                PlanNode::Union(branches.collect::<Result<_, _>>()?)
            }
            Schema::Record(record) => return Ok(self.compile_record(record)?.0),
            Schema::Ref { name } => return self.resolve_reference(name),
        };
        Ok(self.push_node(node))
    }

    /// The record's node, and the types of all its fields.
    fn compile_record(
        &mut self,
        record: &RecordSchema,
    ) -> Result<(PlanNodeId, Vec<PlanNodeId>), SchemaError> {
        // Known before its fields are, so that they may refer to it.
        let id = self.push_named(&record.name, PlanNode::Record(vec![self.nodes.len()]));
        let fields = record
            .fields
            .iter()
            .map(|field| self.compile_node(&field.schema));
        let fields = fields.collect::<Result<Vec<PlanNodeId>, _>>()?;
        // What has no bytes is not passed over: by names alone there may be more of it than ever ends.
        let with_bytes = fields
            .iter()
            .copied()
            .filter(|field| self.has_bytes(*field));
        let with_bytes = with_bytes.collect();
        if let Some(node) = self.nodes.get_mut(id) {
            *node = PlanNode::Record(with_bytes);
        }
        Ok((id, fields))
    }

    fn has_bytes(&self, id: PlanNodeId) -> bool {
        match self.nodes.get(id) {
            None | Some(PlanNode::Null | PlanNode::Fixed(0)) => false,
            Some(PlanNode::Record(fields)) => !fields.is_empty(),
            Some(
                PlanNode::Varint
                | PlanNode::Enum
                | PlanNode::Boolean
                | PlanNode::Fixed(_)
                | PlanNode::Text
                | PlanNode::Union(_)
                | PlanNode::Array(_)
                | PlanNode::Map(_),
            ) => true,
        }
    }

    fn resolve_reference(&mut self, name: &Name) -> Result<PlanNodeId, SchemaError> {
        if let Some(known) = self.names.get(name) {
            return Ok(*known);
        }
        let definition = self.definitions.get(name).copied();
        self.compile_node(definition.ok_or(SchemaError::Invalid)?)
    }

    fn push_named(&mut self, name: &Name, node: PlanNode) -> PlanNodeId {
        let id = self.push_node(node);
        self.names.insert(name.clone(), id);
        id
    }

    fn push_node(&mut self, node: PlanNode) -> PlanNodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }
}
