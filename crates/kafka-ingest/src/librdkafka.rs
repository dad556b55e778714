//! The five things librdkafka knows or does and its Rust binding does not, or does with a panic.
//!
//! The only unsafe code of this crate. Each function borrows what it reads from, so the pointers it
//! passes live as long as the call.
#![expect(
    unsafe_code,
    reason = "the binding does not expose the cached watermarks, where an error stands, the removal of a \
              header and the rights on a topic, and panics on a header whose name is not UTF-8, which \
              anybody can write"
)]

use std::ffi::{CStr, CString};
use std::ptr;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::bindings::{
    rd_kafka_AclOperation_t, rd_kafka_AdminOptions_destroy, rd_kafka_AdminOptions_new,
    rd_kafka_AdminOptions_set_include_authorized_operations, rd_kafka_DescribeTopics,
    rd_kafka_DescribeTopics_result_topics, rd_kafka_TopicCollection_destroy,
    rd_kafka_TopicCollection_of_topic_names, rd_kafka_TopicDescription_authorized_operations,
    rd_kafka_admin_op_t, rd_kafka_consumer_poll, rd_kafka_error_destroy,
    rd_kafka_event_DescribeTopics_result, rd_kafka_event_destroy, rd_kafka_event_error,
    rd_kafka_event_error_string, rd_kafka_event_t, rd_kafka_get_watermark_offsets,
    rd_kafka_header_get_all, rd_kafka_header_remove, rd_kafka_headers_t, rd_kafka_message_destroy,
    rd_kafka_message_headers, rd_kafka_queue_destroy, rd_kafka_queue_new, rd_kafka_queue_poll,
    rd_kafka_resp_err_t,
};
use rdkafka::client::Client;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{BorrowedMessage, OwnedHeaders};

use crate::check::TopicRight;

const OK: rd_kafka_resp_err_t = rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;

/// The high watermark of the partition's latest fetch response, negative when there is none (see
/// [`crate::watermarks::Watermarks`]). Asks no broker. `None` for a partition librdkafka does not know.
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

/// The position of a record or an error of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PolledPosition {
    pub(crate) partition: i32,
    /// Of the record; of an error, the offset that it is about.
    pub(crate) offset: i64,
    pub(crate) error: Option<RDKafkaErrorCode>,
}

/// Takes the next record or error off a consumer's queue and says where it stands. Does not wait.
pub(crate) fn poll_position<C: ClientContext>(client: &Client<C>) -> Option<PolledPosition> {
    // SAFETY: the client is a consumer and outlives the call. The message, if there is one, is this
    // function's own until it is destroyed, once and after its last use.
    unsafe {
        let message = rd_kafka_consumer_poll(client.native_ptr(), 0);
        if message.is_null() {
            return None;
        }
        let polled = PolledPosition {
            partition: (*message).partition,
            offset: (*message).offset,
            error: ((*message).err != OK).then(|| (*message).err.into()),
        };
        rd_kafka_message_destroy(message);
        Some(polled)
    }
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

/// Asks a broker for the rights of this login on `topic`, within `patience`. `None`: it does not tell.
///
/// # Errors
///
/// In librdkafka's words, when no broker answers.
pub(crate) fn fetch_topic_rights<C: ClientContext>(
    client: &Client<C>,
    topic: &CStr,
    patience: Duration,
) -> Result<Option<Vec<TopicRight>>, String> {
    let millis = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
    let mut names = [topic.as_ptr()];
    // SAFETY: the client outlives every call. What is made here is destroyed here, each once and after
    // its last use: the event last of all, since the result and the descriptions are inside it. The
    // name ends in NUL and is copied by librdkafka. Each pointer that may be null is looked at first.
    unsafe {
        let queue = rd_kafka_queue_new(client.native_ptr());
        let options = rd_kafka_AdminOptions_new(
            client.native_ptr(),
            rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
        );
        let refused = rd_kafka_AdminOptions_set_include_authorized_operations(options, 1);
        if !refused.is_null() {
            rd_kafka_error_destroy(refused);
        }
        let topics = rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
        rd_kafka_DescribeTopics(client.native_ptr(), topics, options, queue);
        rd_kafka_TopicCollection_destroy(topics);
        rd_kafka_AdminOptions_destroy(options);
        let event = rd_kafka_queue_poll(queue, millis);
        let rights = read_rights(event);
        if !event.is_null() {
            rd_kafka_event_destroy(event);
        }
        rd_kafka_queue_destroy(queue);
        rights
    }
}

/// # Safety
///
/// `event` is null, or an event that lives as long as the call.
unsafe fn read_rights(event: *mut rd_kafka_event_t) -> Result<Option<Vec<TopicRight>>, String> {
    if event.is_null() {
        return Err("no broker answers".to_owned());
    }
    // SAFETY: the event is alive; what is read is inside it and copied.
    unsafe {
        if rd_kafka_event_error(event) != OK {
            let words = rd_kafka_event_error_string(event);
            return Err(CStr::from_ptr(words).to_string_lossy().into_owned());
        }
        let result = rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return Err("the broker answers something else".to_owned());
        }
        let mut count = 0;
        let described = rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if described.is_null() || count == 0 {
            return Ok(None);
        }
        let operations =
            rd_kafka_TopicDescription_authorized_operations(*described, &raw mut count);
        if operations.is_null() {
            return Ok(None);
        }
        let operations = std::slice::from_raw_parts(operations, count);
        Ok(Some(operations.iter().filter_map(parse_right).collect()))
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the other operations are of no use here"
)]
fn parse_right(operation: &rd_kafka_AclOperation_t) -> Option<TopicRight> {
    match operation {
        rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_DESCRIBE => Some(TopicRight::Describe),
        rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_READ => Some(TopicRight::Read),
        rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_WRITE => Some(TopicRight::Write),
        _ => None,
    }
}
