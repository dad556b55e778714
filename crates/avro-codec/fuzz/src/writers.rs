//! The writers' schemas that the golden records were written with, and what apache-avro reads under them.

use std::io::{self, Read};

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use avro_codec::{SchemaRef, SchemaSet};

use crate::blocks::Blocks;

const GOLDEN: &str = include_str!("../../tests/golden/answers.json");

/// Every reader's fields, each of them optional.
const READER: &str = r#"{"type":"record","name":"Read","fields":[
    {"name":"session_id","type":["null","string"],"default":null},
    {"name":"resposta","type":["null","string"],"default":null},
    {"name":"question_id","type":["null","string"],"default":null},
    {"name":"error","type":["null","string"],"default":null}]}"#;

/// Deep in several ways at once, and wide where nothing is written.
const TREE: &str = r#"{"type":"record","name":"Tree","fields":[
    {"name":"children","type":{"type":"array","items":["Tree","null"]}},
    {"name":"session_id","type":"string"},
    {"name":"named","type":{"type":"map","values":{"type":"array","items":{"type":"map","values":"Tree"}}}},
    {"name":"nothing","type":{"type":"array","items":"null"}},
    {"name":"error","type":["null","bytes"]}]}"#;

/// One writer's schema.
pub struct Writer {
    /// Its number in the set.
    pub id: u32,
    theirs: Option<Theirs>,
}

/// The schema as apache-avro has it.
struct Theirs {
    reader: GenericDatumReader<'static>,
    has_blocks: bool,
}

/// A datum that apache-avro accepts.
pub struct Accepted {
    /// What is in it.
    pub value: Value,
    /// The texts of [`READER`]'s fields, in its order.
    pub texts: [Option<String>; 4],
    /// The value written again, each array and map in one block.
    pub in_one_block: Vec<u8>,
    /// The value written again, each array and map in many blocks that say their size.
    pub in_sized_blocks: Vec<u8>,
    /// Whether the datum itself can only be read like this, or not at all: a block may lie about its
    /// size, and apache-avro does not care.
    pub is_clear: bool,
}

/// Every schema compiled, and the writers by number. apache-avro may allocate as much as it is told
/// to allocate, and no more.
pub fn load() -> (SchemaSet, Vec<Writer>) {
    apache_avro::util::max_allocation_bytes(1 << 16);
    let document: serde_json::Value = serde_json::from_str(GOLDEN).expect("JSON");
    let cases = document["cases"].as_array().expect("a list of cases");
    let mut schemas: Vec<(String, Vec<String>)> = vec![(TREE.to_owned(), Vec::new())];
    let mut set = SchemaSet::default();
    for case in cases {
        let text = case["schema"].as_str().expect("a schema").to_owned();
        let references = case["references"].as_array().expect("a list of schemas");
        let references = references
            .iter()
            .map(|one| one.as_str().expect("a schema").to_owned());
        let references: Vec<String> = references.collect();
        // Under the numbers and ids of the golden records too, which are the seeds.
        let id = u32::try_from(case["id"].as_u64().expect("a number")).expect("small");
        let guid = guid(case["guid"].as_str().expect("a GUID"));
        for schema in [SchemaRef::Id(id), SchemaRef::Guid(guid)] {
            set.insert(schema, &text, &references)
                .expect("a usable schema");
        }
        if schemas.iter().all(|(known, _)| *known != text) {
            schemas.push((text, references));
        }
    }
    let writers = (0_u32..).zip(schemas).map(|(id, (text, references))| {
        set.insert(SchemaRef::Id(id), &text, &references)
            .expect("a usable schema");
        Writer {
            id,
            theirs: theirs(&text, &references),
        }
    });
    let writers = writers.collect();
    (set, writers)
}

impl Writer {
    /// What apache-avro reads, if it takes the datum to its last byte.
    pub fn read(&self, datum: &[u8]) -> Option<Accepted> {
        let theirs = self.theirs.as_ref()?;
        let mut source = Source {
            rest: datum,
            is_cut: false,
        };
        let value = theirs.reader.read_value(&mut source).ok()?;
        if source.is_cut || !source.rest.is_empty() {
            return None;
        }
        let reader = Schema::parse_str(READER).expect("a schema");
        let Value::Record(fields) = value.clone().resolve(&reader).ok()? else {
            panic!("a record")
        };
        let texts: Vec<Option<String>> = fields.into_iter().map(|(_, field)| text(field)).collect();
        Some(Accepted {
            texts: texts.try_into().expect("four fields"),
            in_one_block: Blocks::One.written(&value),
            in_sized_blocks: Blocks::Sized.written(&value),
            is_clear: !theirs.has_blocks,
            value,
        })
    }
}

/// A datum that knows whether more was wanted of it than there is: apache-avro takes what is cut off
/// for null.
struct Source<'d> {
    rest: &'d [u8],
    is_cut: bool,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_cut |= self.rest.len() < buffer.len();
        self.rest.read(buffer)
    }
}

fn text(field: Value) -> Option<String> {
    match field {
        Value::Union(_, inner) => text(*inner),
        Value::String(text) => Some(text),
        Value::Null => None,
        other => panic!("{other:?} is no text"),
    }
}

/// `None` for the schemas whose names apache-avro does not take.
fn theirs(text: &str, references: &[String]) -> Option<Theirs> {
    let (schema, others) = Schema::parse_str_with_list(text, references).ok()?;
    let all: Vec<&'static Schema> = others
        .into_iter()
        .chain([schema])
        .map(|one| &*Box::leak(Box::new(one)))
        .collect();
    let schema = *all.last().expect("pushed above");
    Some(Theirs {
        reader: GenericDatumReader::builder(schema)
            .writer_schemata(all.clone())
            .ok()?
            .build()
            .ok()?,
        has_blocks: text.contains("\"array\"") || text.contains("\"map\""),
    })
}

fn guid(text: &str) -> [u8; 16] {
    let digits = text.replace('-', "");
    u128::from_str_radix(&digits, 16)
        .expect("hexadecimal digits")
        .to_be_bytes()
}
