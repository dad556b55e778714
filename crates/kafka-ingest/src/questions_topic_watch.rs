//! Looks at the questions' topic from time to time, so that a missing topic or right is known before
//! the first question. A look also tells librdkafka what the brokers say now; on its own it goes on
//! refusing questions for seconds after a topic or a right has come.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::producer::Producer as _;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::producer_thread::{ProducerHandle, SharedProducer};
use crate::publisher_reporting::PublisherReporting;
use crate::topic_offsets::{TopicUnavailable, WRITE_RIGHTS, fetch_partition_count};

/// Looks for ever: with back-off while the topic is not to be had, else seldom and on doubt.
pub(crate) async fn watch_questions_topic(
    line: Arc<ProducerHandle>,
    reporting: Arc<PublisherReporting>,
) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        let producer = line.get().clone();
        let found = match producer {
            Some(producer) => check_questions_topic(producer, Arc::clone(&reporting)).await,
            None => false,
        };
        if found {
            backoff.reset();
            drop(timeout(CHECK_INTERVAL, reporting.topic_doubtful.notified()).await);
        }
        sleep(backoff.next_wait(rand::random())).await;
    }
}

/// True when the topic is there. The call blocks, hence the thread.
async fn check_questions_topic(
    producer: SharedProducer,
    reporting: Arc<PublisherReporting>,
) -> bool {
    let looked = spawn_blocking(move || {
        match fetch_partition_count(producer.client(), &reporting.topic, WRITE_RIGHTS) {
            Ok(_) => {
                reporting.on_topic_found();
                true
            }
            Err(TopicUnavailable::Missing(missing)) => {
                reporting.report_missing(missing);
                false
            }
            // The producer's thread says so from the state of the connections.
            Err(TopicUnavailable::Down(_)) => false,
        }
    });
    // An error is a runtime that shuts down.
    looked.await.unwrap_or(false)
}

const CHECK_INTERVAL: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
