//! Looks at the questions' topic from time to time, so that a missing topic or right is known before
//! the first question. A look also tells librdkafka what the brokers say now; on its own it goes on
//! refusing questions for seconds after a topic or a right has come.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::producer::Producer as _;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::positions::{Unready, WRITE, partition_count};
use crate::producer_loop::{InUse, Line};
use crate::publisher_reporting::PublisherReporting;

/// Looks for ever: with back-off while the topic is not to be had, else seldom and on doubt.
pub(crate) async fn watch(line: Arc<Line>, reporting: Arc<PublisherReporting>) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        let producer = line.get().clone();
        let found = match producer {
            Some(producer) => look(producer, Arc::clone(&reporting)).await,
            None => false,
        };
        if found {
            backoff.succeeded();
            drop(timeout(INTERVAL, reporting.doubt.notified()).await);
        }
        sleep(backoff.after_failure(rand::random())).await;
    }
}

/// True when the topic is there. The call blocks, hence the thread.
async fn look(producer: InUse, reporting: Arc<PublisherReporting>) -> bool {
    let looked = spawn_blocking(move || {
        match partition_count(producer.client(), &reporting.topic, WRITE) {
            Ok(_) => {
                reporting.topic_found();
                true
            }
            Err(Unready::Missing(missing)) => {
                reporting.missing(missing);
                false
            }
            // The producer's thread says so from the state of the connections.
            Err(Unready::Down(_)) => false,
        }
    });
    // An error is a runtime that shuts down.
    looked.await.unwrap_or(false)
}

const INTERVAL: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
