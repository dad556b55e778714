//! Writes what apache-avro has read, in both forms that the specification has for arrays and maps:
//! apache-avro writes one of them only, and not everything that it reads.

use apache_avro::types::Value;

/// How the items of arrays and maps stand.
#[derive(Debug, Clone, Copy)]
pub enum Blocks {
    /// All in one block, which says their number.
    One,
    /// Each in a block of its own, which says its size too.
    Sized,
}

impl Blocks {
    /// The value's bytes.
    pub fn written(self, value: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(value, &mut bytes);
        bytes
    }

    fn write(self, value: &Value, bytes: &mut Vec<u8>) {
        match value {
            Value::Null => {}
            Value::Boolean(flag) => bytes.push(u8::from(*flag)),
            Value::Int(number) | Value::Date(number) | Value::TimeMillis(number) => {
                long(i64::from(*number), bytes);
            }
            Value::Long(number)
            | Value::TimestampMillis(number)
            | Value::TimestampMicros(number) => long(*number, bytes),
            Value::Float(number) => bytes.extend(number.to_le_bytes()),
            Value::Double(number) => bytes.extend(number.to_le_bytes()),
            Value::Bytes(content) => prefixed(content, bytes),
            Value::String(text) => prefixed(text.as_bytes(), bytes),
            Value::Fixed(_, content) => bytes.extend(content),
            Value::Enum(index, _) => long(i64::from(*index), bytes),
            // apache-avro reads a number of no bytes and cannot give them back.
            Value::Decimal(number) => prefixed(&Vec::try_from(number).unwrap_or_default(), bytes),
            Value::Uuid(id) => prefixed(id.to_string().as_bytes(), bytes),
            Value::Union(branch, inner) => {
                long(i64::from(*branch), bytes);
                self.write(inner, bytes);
            }
            Value::Array(items) => {
                self.blocks(items.iter().map(|item| self.written(item)).collect(), bytes);
            }
            Value::Map(items) => {
                let pair = |(key, item): (&String, &Value)| {
                    let mut pair = Vec::new();
                    prefixed(key.as_bytes(), &mut pair);
                    self.write(item, &mut pair);
                    pair
                };
                self.blocks(items.iter().map(pair).collect(), bytes);
            }
            Value::Record(fields) => fields
                .iter()
                .for_each(|(_, field)| self.write(field, bytes)),
            other => panic!("no writer here has {other:?}"),
        }
    }

    fn blocks(self, items: Vec<Vec<u8>>, bytes: &mut Vec<u8>) {
        match self {
            Self::One if items.is_empty() => {}
            Self::One => {
                long(count(&items), bytes);
                bytes.extend(items.concat());
            }
            Self::Sized => items.iter().for_each(|item| {
                long(-1, bytes);
                prefixed(item, bytes);
            }),
        }
        bytes.push(0);
    }
}

fn prefixed(content: &[u8], bytes: &mut Vec<u8>) {
    long(count(content), bytes);
    bytes.extend(content);
}

fn count<T>(items: &[T]) -> i64 {
    i64::try_from(items.len()).expect("fits in memory")
}

/// A zig-zag variable-length integer.
fn long(number: i64, bytes: &mut Vec<u8>) {
    let mut rest = (number << 1 ^ number >> 63).cast_unsigned();
    while rest >= 0x80 {
        bytes.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    bytes.push(rest.to_le_bytes()[0]);
}
