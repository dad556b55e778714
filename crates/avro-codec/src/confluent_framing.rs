//! Confluent's wire format: which schema a value was written with, and where its Avro begins.

use std::fmt;

use crate::DecodeError;

/// Names a writer's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SchemaRef {
    /// The registry's number.
    Id(u32),
    /// The registry's globally unique id.
    Guid([u8; 16]),
}

/// A value taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FramedValue<'a> {
    /// The schema it was written with.
    pub schema: SchemaRef,
    /// Its Avro.
    pub datum: &'a [u8],
}

const MAGIC_ID: u8 = 0;
const MAGIC_GUID: u8 = 1;

/// Takes `value` apart: by the header `__value_schema_id` if there is one of either form (0x01 and a
/// 16-byte GUID, or 0x00 and a 4-byte id; the value is then bare Avro), else by the value's own prefix
/// (0x00 and a 4-byte big-endian id).
///
/// # Errors
///
/// [`DecodeError::UnknownFraming`] when neither is there, [`DecodeError::Truncated`] for a prefix cut short.
pub fn split_frame<'a>(
    value: &'a [u8],
    header: Option<&[u8]>,
) -> Result<FramedValue<'a>, DecodeError> {
    if let Some(schema) = header.and_then(schema_from_header) {
        return Ok(FramedValue {
            schema,
            datum: value,
        });
    }
    let Some((&MAGIC_ID, rest)) = value.split_first() else {
        return Err(DecodeError::UnknownFraming);
    };
    let (id, datum) = rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
    Ok(FramedValue {
        schema: SchemaRef::Id(u32::from_be_bytes(*id)),
        datum,
    })
}

fn schema_from_header(header: &[u8]) -> Option<SchemaRef> {
    match header.split_first()? {
        (&MAGIC_GUID, guid) => Some(SchemaRef::Guid(guid.try_into().ok()?)),
        (&MAGIC_ID, id) => Some(SchemaRef::Id(u32::from_be_bytes(id.try_into().ok()?))),
        _ => None,
    }
}

/// A number, or a GUID in its hyphenated form.
impl fmt::Display for SchemaRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Guid(guid) => {
                for (place, byte) in guid.iter().enumerate() {
                    let hyphen = if matches!(place, 4 | 6 | 8 | 10) {
                        "-"
                    } else {
                        ""
                    };
                    write!(f, "{hyphen}{byte:02x}")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_names_the_schema() {
        let framed = split_frame(&[0, 0, 0, 1, 2, 9], None).unwrap();
        assert_eq!(
            framed,
            FramedValue {
                schema: SchemaRef::Id(258),
                datum: &[9]
            }
        );
    }

    #[test]
    fn a_header_names_the_schema_and_leaves_the_value_bare() {
        let guid: [u8; 16] = core::array::from_fn(|place| place as u8);
        let header = [&[1], &guid[..]].concat();
        let framed = split_frame(&[9], Some(&header)).unwrap();
        assert_eq!(
            framed,
            FramedValue {
                schema: SchemaRef::Guid(guid),
                datum: &[9]
            }
        );
        assert_eq!(
            framed.schema.to_string(),
            "00010203-0405-0607-0809-0a0b0c0d0e0f"
        );
        assert_eq!(
            split_frame(&[9], Some(&[0, 0, 0, 0, 7])).unwrap().schema,
            SchemaRef::Id(7)
        );
    }

    #[test]
    fn an_unusable_header_falls_back_to_the_prefix() {
        for header in [&[][..], &[1, 2], &[2, 0, 0, 0, 7], b"text"] {
            assert_eq!(
                split_frame(&[0, 0, 0, 0, 5], Some(header)).unwrap().schema,
                SchemaRef::Id(5)
            );
        }
    }

    #[test]
    fn anything_else_is_refused() {
        assert_eq!(split_frame(&[], None), Err(DecodeError::UnknownFraming));
        assert_eq!(split_frame(b"{}", None), Err(DecodeError::UnknownFraming));
        assert_eq!(split_frame(&[0, 0, 0], None), Err(DecodeError::Truncated));
    }
}
