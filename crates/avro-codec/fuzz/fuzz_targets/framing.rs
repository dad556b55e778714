//! Any bytes as a value and a header: the schema that is named, and where the Avro begins, are what
//! Confluent's wire format says, told here once more in other words.
#![no_main]

use avro_codec::{DecodeError, FramedValue, SchemaRef, split_frame};
use avro_codec_fuzz::header_and_value;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let (header, value) = header_and_value(input);
    let framed = split_frame(value, header);
    assert_eq!(framed, expected(header, value));
    if let Ok(framed) = framed {
        reads_back(framed.schema);
    }
});

fn expected<'a>(header: Option<&[u8]>, value: &'a [u8]) -> Result<FramedValue<'a>, DecodeError> {
    let (schema, datum) = match (header, value) {
        (Some([1, guid @ ..]), _) if guid.len() == 16 => (
            SchemaRef::Guid(core::array::from_fn(|place| guid[place])),
            value,
        ),
        (Some(&[0, a, b, c, d]), _) => (SchemaRef::Id(u32::from_be_bytes([a, b, c, d])), value),
        (_, [0, a, b, c, d, datum @ ..]) => {
            (SchemaRef::Id(u32::from_be_bytes([*a, *b, *c, *d])), datum)
        }
        (_, [0, ..]) => return Err(DecodeError::Truncated),
        _ => return Err(DecodeError::UnknownFraming),
    };
    Ok(FramedValue { schema, datum })
}

/// What is shown to people names the same schema.
fn reads_back(schema: SchemaRef) {
    let shown = schema.to_string();
    match schema {
        SchemaRef::Id(id) => assert_eq!(shown.parse(), Ok(id)),
        SchemaRef::Guid(guid) => {
            let groups: Vec<usize> = shown.split('-').map(str::len).collect();
            assert_eq!(groups, [8, 4, 4, 4, 12], "{shown}");
            let number = u128::from_str_radix(&shown.replace('-', ""), 16);
            assert_eq!(number, Ok(u128::from_be_bytes(guid)), "{shown}");
        }
    }
}
