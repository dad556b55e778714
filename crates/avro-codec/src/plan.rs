//! A writer's schema compiled into what the reader has to do: skip this, take that.
//!
//! Nodes stand in one table and refer to each other by index, so that recursive schemas compile.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, RecordSchema, UuidSchema};

use crate::cursor::Cursor;
use crate::definitions::{self, Definitions};
use crate::portable::Portable;
use crate::{DecodeError, SchemaError};

/// How deep values may nest before they are refused as malformed.
const MAX_DEPTH: usize = 64;
/// How many types a schema may have.
const MAX_NODES: usize = 10_000;

type NodeId = usize;

/// One type of the writer's schema, by its binary form.
#[derive(Debug)]
pub(crate) enum Node {
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
    Union(Vec<NodeId>),
    /// Blocks of values.
    Array(NodeId),
    /// Blocks of keys and values.
    Map(NodeId),
    /// One value after the other, those without bytes left out.
    Record(Vec<NodeId>),
}

/// A compiled writer's schema: its types, and the fields of the record at the top.
#[derive(Debug)]
pub(crate) struct Plan {
    nodes: Vec<Node>,
    /// Name and type of each top-level field, in the writer's order.
    pub(crate) fields: Vec<Field>,
}

/// A top-level field.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) node: NodeId,
}

impl Plan {
    /// Compiles `schema`; `references` are the other schemas it names.
    pub(crate) fn compile(schema: &str, references: &[String]) -> Result<Self, SchemaError> {
        let portable = Portable::new(schema, references)?;
        let (schema, others) = Schema::parse_str_with_list(&portable.text, &portable.references)
            .map_err(|_| SchemaError::Invalid)?;
        let mut compiler = Compiler {
            nodes: Vec::new(),
            names: HashMap::new(),
            definitions: definitions::of(&schema, &others)?,
        };
        let Schema::Record(record) = &schema else {
            return Err(SchemaError::NotARecord);
        };
        let (_, types) = compiler.record(record)?;
        let fields = portable.fields.into_iter().zip(types);
        let fields = fields.map(|(name, node)| Field { name, node });
        Ok(Self {
            fields: fields.collect(),
            nodes: compiler.nodes,
        })
    }

    /// The type of a node.
    pub(crate) fn node(&self, id: NodeId) -> Result<&Node, DecodeError> {
        self.nodes.get(id).ok_or(DecodeError::Malformed)
    }

    /// Passes over one value.
    pub(crate) fn skip(&self, cursor: &mut Cursor<'_>, id: NodeId) -> Result<(), DecodeError> {
        self.skip_at(cursor, id, 0)
    }

    fn skip_at(
        &self,
        cursor: &mut Cursor<'_>,
        id: NodeId,
        depth: usize,
    ) -> Result<(), DecodeError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::Malformed);
        }
        match self.node(id)? {
            Node::Null => Ok(()),
            Node::Varint | Node::Enum => cursor.long().map(drop),
            Node::Boolean => cursor.bytes(1).map(drop),
            Node::Fixed(size) => cursor.bytes(*size).map(drop),
            Node::Text => cursor.prefixed().map(drop),
            Node::Union(branches) => {
                let branch = branches.get(cursor.size()?).ok_or(DecodeError::Malformed)?;
                self.skip_at(cursor, *branch, depth + 1)
            }
            Node::Array(item) => self.skip_blocks(cursor, *item, false, depth),
            Node::Map(value) => self.skip_blocks(cursor, *value, true, depth),
            Node::Record(fields) => fields
                .iter()
                .try_for_each(|field| self.skip_at(cursor, *field, depth + 1)),
        }
    }

    fn skip_blocks(
        &self,
        cursor: &mut Cursor<'_>,
        item: NodeId,
        keyed: bool,
        depth: usize,
    ) -> Result<(), DecodeError> {
        loop {
            let count = cursor.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // A negative count is followed by the block's size in bytes.
                let size = cursor.size()?;
                cursor.bytes(size)?;
                continue;
            }
            for _ in 0..count {
                let before = cursor.0.len();
                if keyed {
                    cursor.prefixed()?;
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

struct Compiler<'s> {
    nodes: Vec<Node>,
    names: HashMap<Name, NodeId>,
    definitions: Definitions<'s>,
}

impl Compiler<'_> {
    fn node(&mut self, schema: &Schema) -> Result<NodeId, SchemaError> {
        if self.nodes.len() >= MAX_NODES {
            return Err(SchemaError::Invalid);
        }
        let node = match schema {
            Schema::Null => Node::Null,
            Schema::Boolean => Node::Boolean,
            Schema::Float => Node::Fixed(4),
            Schema::Double => Node::Fixed(8),
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
            | Schema::LocalTimestampNanos => Node::Varint,
            Schema::Bytes
            | Schema::String
            | Schema::BigDecimal
            | Schema::Uuid(UuidSchema::String | UuidSchema::Bytes) => Node::Text,
            Schema::Enum(named) => return Ok(self.named(&named.name, Node::Enum)),
            Schema::Fixed(fixed)
            | Schema::Duration(fixed)
            | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                return Ok(self.named(&fixed.name, Node::Fixed(fixed.size)));
            }
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => Node::Text,
                InnerDecimalSchema::Fixed(fixed) => {
                    return Ok(self.named(&fixed.name, Node::Fixed(fixed.size)));
                }
            },
            Schema::Array(array) => Node::Array(self.node(&array.items)?),
            Schema::Map(map) => Node::Map(self.node(&map.types)?),
            Schema::Union(union) => {
                let branches = union.variants().iter().map(|branch| self.node(branch));
                Node::Union(branches.collect::<Result<_, _>>()?)
            }
            Schema::Record(record) => return Ok(self.record(record)?.0),
            Schema::Ref { name } => return self.reference(name),
        };
        Ok(self.push(node))
    }

    /// The record's node, and the types of all its fields.
    fn record(&mut self, record: &RecordSchema) -> Result<(NodeId, Vec<NodeId>), SchemaError> {
        // Known before its fields are, so that they may refer to it.
        let id = self.named(&record.name, Node::Record(vec![self.nodes.len()]));
        let fields = record.fields.iter().map(|field| self.node(&field.schema));
        let fields = fields.collect::<Result<Vec<NodeId>, _>>()?;
        // What has no bytes is not passed over: by names alone there may be more of it than ever ends.
        let with_bytes = fields
            .iter()
            .copied()
            .filter(|field| self.has_bytes(*field));
        let with_bytes = with_bytes.collect();
        if let Some(node) = self.nodes.get_mut(id) {
            *node = Node::Record(with_bytes);
        }
        Ok((id, fields))
    }

    fn has_bytes(&self, id: NodeId) -> bool {
        match self.nodes.get(id) {
            None | Some(Node::Null | Node::Fixed(0)) => false,
            Some(Node::Record(fields)) => !fields.is_empty(),
            Some(
                Node::Varint
                | Node::Enum
                | Node::Boolean
                | Node::Fixed(_)
                | Node::Text
                | Node::Union(_)
                | Node::Array(_)
                | Node::Map(_),
            ) => true,
        }
    }

    fn reference(&mut self, name: &Name) -> Result<NodeId, SchemaError> {
        if let Some(known) = self.names.get(name) {
            return Ok(*known);
        }
        let definition = self.definitions.get(name).copied();
        self.node(definition.ok_or(SchemaError::Invalid)?)
    }

    fn named(&mut self, name: &Name, node: Node) -> NodeId {
        let id = self.push(node);
        self.names.insert(name.clone(), id);
        id
    }

    fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }
}
