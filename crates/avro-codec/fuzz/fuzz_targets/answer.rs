//! Any bytes as a record of the answers' topic: an answer or an error, never a panic, never more
//! memory than the record is long, and never something else than apache-avro reads.
#![no_main]

use std::alloc::System;
use std::sync::LazyLock;

use apache_avro::types::Value;
use avro_codec::{
    AnswerDecoder, AnswerFieldNames, DecodeError, DecodedAnswer, SchemaSet, split_frame,
};
use avro_codec_fuzz::header_and_value;
use avro_codec_fuzz::writers::{self, Accepted, Writer};
use libfuzzer_sys::fuzz_target;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use types::BorrowedText;

#[global_allocator]
static MEMORY: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

static WRITERS: LazyLock<(SchemaSet, Vec<Writer>)> = LazyLock::new(writers::load);

const MAX_TEXT: usize = 200;
/// How deep the decoder follows values.
const MAX_DEPTH: usize = 64;
/// The longest datum that is shown to apache-avro, which follows values as deep as they go.
const MAX_COMPARED: usize = 512;

fuzz_target!(|input: &[u8]| {
    let (header, value) = header_and_value(input);
    let (_, writers) = &*WRITERS;
    if decode(value, header).is_ok() {
        let longer = [value, &[0]].concat();
        assert_eq!(decode(&longer, header), Err(DecodeError::TrailingBytes));
        assert!(decode(shorter(value), header).is_err());
    }
    let datum = split_frame(value, header).map_or(value, |framed| framed.datum);
    for writer in writers {
        let value = prefixed(writer, datum);
        let ours = decode(&value, None);
        if datum.len() > MAX_COMPARED {
            continue;
        }
        let Some(read) = writer.read(datum) else {
            continue;
        };
        // Of an integer of more than 64 bits apache-avro takes the first 64.
        if read.is_clear && ours != Err(DecodeError::Malformed) {
            compare(&read, ours);
        }
        compare(&read, decode(&prefixed(writer, &read.in_one_block), None));
        let value = prefixed(writer, &read.in_sized_blocks);
        let sized = decode(&value, None);
        // Blocks that say their size are passed over however deep they are.
        if is_too_deep(&read) && sized.is_ok() {
            assert_eq!(sized, expected(&read), "{:?}", read.value);
        } else {
            compare(&read, sized);
        }
    }
});

fn decode<'a>(value: &'a [u8], header: Option<&[u8]>) -> Result<DecodedAnswer<'a>, DecodeError> {
    let decoder = AnswerDecoder::new(AnswerFieldNames::default(), MAX_TEXT);
    let (set, _) = &*WRITERS;
    let region = Region::new(MEMORY);
    let answer = decoder.decode(value, header, set);
    assert_eq!(region.change().bytes_allocated, 0, "nothing is copied");
    answer
}

fn shorter(value: &[u8]) -> &[u8] {
    value.split_last().map_or(value, |(_, shorter)| shorter)
}

fn prefixed(writer: &Writer, datum: &[u8]) -> Vec<u8> {
    [&[0], &writer.id.to_be_bytes()[..], datum].concat()
}

/// What apache-avro reads is what the decoder reads, but for the decoder's bounds.
fn compare(read: &Accepted, ours: Result<DecodedAnswer<'_>, DecodeError>) {
    let too_large = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > MAX_TEXT);
    if read.texts.iter().any(too_large) || is_too_deep(read) {
        assert!(ours.is_err(), "{:?} is beyond a bound", read.value);
    } else {
        assert_eq!(ours, expected(read), "{:?}", read.value);
    }
}

fn expected(read: &Accepted) -> Result<DecodedAnswer<'_>, DecodeError> {
    let [session_id, text, question_id, error] = read.texts.each_ref().map(Option::as_deref);
    Ok(DecodedAnswer {
        session_id: session_id.ok_or(DecodeError::MissingField)?,
        question_id,
        text: text.map(BorrowedText::new),
        error: error.map(BorrowedText::new),
        part: field(read, "part").and_then(integer),
        is_final: match field(read, "final") {
            Some(Value::Boolean(is_final)) => Some(*is_final),
            _ => None,
        },
        attempt: field(read, "attempt").and_then(integer),
        // The grammar has no such field.
        metadata: None,
    })
}

/// What stands in the writer's field, within its union if it is one.
fn field<'r>(read: &'r Accepted, name: &str) -> Option<&'r Value> {
    let Value::Record(fields) = &read.value else {
        panic!("a record")
    };
    let (_, value) = fields.iter().find(|(field, _)| field == name)?;
    match value {
        Value::Union(_, inner) => Some(inner),
        other => Some(other),
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(i64::from(*number)),
        Value::Long(number) => Some(*number),
        _ => None,
    }
}

fn is_too_deep(read: &Accepted) -> bool {
    // The record itself does not count.
    depth(&read.value) > MAX_DEPTH + 1
}

/// How many values are around the innermost.
fn depth(value: &Value) -> usize {
    let inner = match value {
        Value::Union(_, inner) => Some(depth(inner)),
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Map(items) => items.values().map(depth).max(),
        Value::Record(fields) => fields.iter().map(|(_, field)| depth(field)).max(),
        _ => None,
    };
    inner.map_or(0, |inner| inner + 1)
}
