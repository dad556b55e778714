//! The W3C trace context that travels in the records' headers.
//! Source: W3C Trace Context, level 1, sections 3.2 (traceparent) and 3.3 (tracestate).

use std::fmt;

/// A trace, one span of it, and whether it is sampled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// 16 bytes, never all zero.
    pub trace_id: u128,
    /// 8 bytes, never all zero.
    pub span_id: u64,
    /// Bit 0: sampled.
    pub flags: u8,
    /// `tracestate`, handed on untouched; at most [`Self::MAX_STATE_LEN`] bytes.
    pub state: Option<Box<str>>,
}

impl TraceContext {
    /// The longest `tracestate` that is handed on, in bytes (section 3.3.1.5 asks for at least 512).
    pub const MAX_STATE_LEN: usize = 512;

    /// Reads a `traceparent` and, if there is one, a `tracestate`. `None` when the parent is not
    /// valid: tracing then starts anew and nothing else changes.
    pub fn parse(parent: &str, state: Option<&str>) -> Option<Self> {
        let mut fields = parent.split('-');
        let (version, trace, span, flags) = (
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
        );
        let extended = fields.next().is_some();
        if version == "ff" || (version == "00" && extended) {
            return None;
        }
        parse_hex::<2>(version)?;
        let context = Self {
            trace_id: parse_hex::<32>(trace)?,
            span_id: u64::try_from(parse_hex::<16>(span)?).ok()?,
            flags: u8::try_from(parse_hex::<2>(flags)?).ok()?,
            state: state
                .filter(|state| state.len() <= Self::MAX_STATE_LEN)
                .map(Into::into),
        };
        (context.trace_id != 0 && context.span_id != 0).then_some(context)
    }
}

/// Writes the `traceparent`, version 00.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "00-{:032x}-{:016x}-{:02x}",
            self.trace_id, self.span_id, self.flags
        )
    }
}

/// `DIGITS` lower-case hexadecimal digits.
fn parse_hex<const DIGITS: usize>(text: &str) -> Option<u128> {
    let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == DIGITS && text.bytes().all(lower))
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_specifications_example_reads_and_writes_back() {
        let context = TraceContext::parse(EXAMPLE, Some("congo=t61rcWkgMzE")).expect("valid");
        assert_eq!(context.to_string(), EXAMPLE);
        assert_eq!(
            (context.flags, context.state.as_deref()),
            (1, Some("congo=t61rcWkgMzE"))
        );
    }

    #[test]
    fn a_later_version_may_have_more_fields() {
        let later = EXAMPLE.replacen("00", "01", 1) + "-more";
        assert!(TraceContext::parse(&later, None).is_some());
    }

    #[test]
    fn a_malformed_parent_is_no_context() {
        for bad in [
            "",
            "00",
            "00-0-0-0",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(bad, None), None, "{bad}");
        }
    }

    #[test]
    fn an_oversized_state_is_left_out() {
        let context = TraceContext::parse(EXAMPLE, Some(&"x".repeat(513))).expect("valid");
        assert_eq!(context.state, None);
    }
}
