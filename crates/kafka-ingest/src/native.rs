//! The three things librdkafka knows or does and its Rust binding does not, or does with a panic.
//!
//! The only unsafe code of this crate. Each function borrows what it reads from, so the pointers it
//! passes live as long as the call.
#![expect(
    unsafe_code,
    reason = "the binding does not expose the cached watermarks and the removal of a header, and \
              panics on a header whose name is not UTF-8, which anybody can write"
)]

use std::ffi::{CStr, CString};
use std::ptr;

use rdkafka::ClientContext;
use rdkafka::bindings::{
    rd_kafka_get_watermark_offsets, rd_kafka_header_get_all, rd_kafka_header_remove,
    rd_kafka_headers_t, rd_kafka_message_headers, rd_kafka_resp_err_t,
};
use rdkafka::client::Client;
use rdkafka::message::{BorrowedMessage, OwnedHeaders};

const OK: rd_kafka_resp_err_t = rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;

/// The high watermark of the partition's latest fetch response, negative when there is none (see
/// [`crate::floor::Marks`]). Asks no broker. `None` for a partition librdkafka does not know.
pub(crate) fn cached_high_watermark<C: ClientContext>(
    client: &Client<C>,
    topic: &CStr,
    partition: i32,
) -> Option<i64> {
    let (mut low, mut high) = (0, 0);
    // SAFETY: the client outlives the call, the topic ends in NUL, and both numbers are ours to be
    // written. librdkafka is thread-safe.
    let outcome = unsafe {
        rd_kafka_get_watermark_offsets(
            client.native_ptr(),
            topic.as_ptr(),
            partition,
            &raw mut low,
            &raw mut high,
        )
    };
    (outcome == OK).then_some(high)
}

/// A consumed message's headers, name and value, in order. Names are whatever bytes the producer
/// wrote.
pub(crate) fn headers<'a>(
    message: &'a BorrowedMessage<'_>,
) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
    let mut headers = ptr::null_mut();
    // SAFETY: the message is alive and the pointer is ours to be written.
    let outcome = unsafe { rd_kafka_message_headers(message.ptr(), &raw mut headers) };
    let count = if outcome == OK { usize::MAX } else { 0 };
    (0..count).map_while(move |index| {
        let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
        // SAFETY: librdkafka keeps the headers inside the message, which is borrowed for `'a`; an
        // index past the last is answered with an error.
        let outcome = unsafe {
            rd_kafka_header_get_all(
                headers,
                index,
                &raw mut name,
                &raw mut value,
                &raw mut length,
            )
        };
        if outcome != OK {
            return None;
        }
        // SAFETY: on success the name ends in NUL and stays in the message for `'a`.
        let name = unsafe { CStr::from_ptr(name) }.to_bytes();
        let value = value.cast::<u8>();
        // SAFETY: a value that is not null has `length` bytes and stays in the message for `'a`.
        let value =
            (!value.is_null()).then(|| unsafe { std::slice::from_raw_parts(value, length) });
        Some((name, value))
    })
}

/// Takes every header of that name away; the others stay as they are, whatever bytes they hold.
pub(crate) fn remove_header(headers: &mut OwnedHeaders, name: &CStr) {
    // The borrowed form is the address of librdkafka's own list, and nothing else.
    let list = ptr::from_ref(headers.as_borrowed()).cast_mut();
    let list = list.cast::<rd_kafka_headers_t>();
    // SAFETY: the headers are owned and borrowed for writing, so the list lives and nobody else
    // reads it; the name ends in NUL. That there is none of that name is no failure.
    unsafe { rd_kafka_header_remove(list, name.as_ptr()) };
}

/// A topic's name as librdkafka takes it.
pub(crate) fn topic_name(topic: &str) -> Option<CString> {
    CString::new(topic).ok()
}
