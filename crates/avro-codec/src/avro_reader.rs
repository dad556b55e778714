//! Reads Avro's binary encoding from a slice. Never allocates; a lying length is an error.
//! Source: Apache Avro specification 1.12, "Binary Encoding".

use crate::DecodeError;

/// The unread rest of a datum.
#[derive(Debug)]
pub(crate) struct AvroReader<'a>(pub(crate) &'a [u8]);

impl<'a> AvroReader<'a> {
    /// A zig-zag variable-length integer of at most 64 bits.
    pub(crate) fn read_long(&mut self) -> Result<i64, DecodeError> {
        let mut bits = 0_u64;
        for place in 0..10 {
            let (&byte, rest) = self.0.split_first().ok_or(DecodeError::Truncated)?;
            self.0 = rest;
            if place == 9 && byte > 1 {
                return Err(DecodeError::Malformed);
            }
            bits |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed());
            }
        }
        Err(DecodeError::Malformed)
    }

    /// A length or count or branch: a long that is not negative.
    pub(crate) fn read_size(&mut self) -> Result<usize, DecodeError> {
        usize::try_from(self.read_long()?).map_err(|_| DecodeError::Malformed)
    }

    /// The next `count` bytes.
    pub(crate) fn read_bytes(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Bytes or a string with their length before them.
    pub(crate) fn read_length_prefixed(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.read_size()?;
        self.read_bytes(length)
    }
}
