//! A bug panics while the sessions' state is being changed: nothing is served from it any more.

use tokio::time::timeout;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::{PATIENCE, Sessions};

/// The bug: the span of a question cannot be created, which is tried under the lock.
struct Bug;

impl Subscriber for Bug {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span()
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        panic!("as a bug would")
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn after_a_panic_the_process_is_told_and_whoever_comes_still_is_closed_4004() {
    let sessions = Sessions::new();
    let mut client = sessions.connect("s-1").await;
    client.assert_nothing_more().await;
    let bug = tracing::subscriber::set_default(Bug);
    client.ask("onde?").await;
    timeout(PATIENCE, sessions.manager.wait_for_panic())
        .await
        .unwrap();
    drop(bug);
    client.assert_cut_off().await;
    let mut late = sessions.connect("s-2").await;
    assert_eq!(late.close_code().await, 4004);
}
