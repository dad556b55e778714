//! What the fuzz targets share. Knows avro-codec only from outside, as its users do.
//!
//! The seeds are the golden records behind a zero byte, or behind their header and its length, and the
//! golden schemas; two trees at and beyond the decoder's depth, and a schema with a default of every type.

pub mod blocks;
pub mod grammar;
pub mod writers;

/// An input as a header and a value: the first byte says how long the header is, 0 that there is none.
pub fn header_and_value(input: &[u8]) -> (Option<&[u8]>, &[u8]) {
    match input.split_first() {
        None | Some((0, _)) => (None, input.get(1..).unwrap_or_default()),
        Some((length, rest)) => {
            let (header, value) = rest.split_at(rest.len().min(usize::from(*length) - 1));
            (Some(header), value)
        }
    }
}
