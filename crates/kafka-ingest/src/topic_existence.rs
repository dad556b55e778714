//! Decides whether the topic that is being read still exists. Pure.
//!
//! A broker that has just started may say for a moment that a topic does not exist, and to read a
//! whole topic again for that would be dear. So a sign is looked into, and only a topic that is
//! missing at every look for [`TopicExistence::GONE_AFTER`] is gone.

use std::time::{Duration, Instant};

/// The looks at a topic that seems to be missing.
#[derive(Debug, Default)]
pub(crate) struct TopicExistence {
    /// The time of the next check; `None` while nothing is amiss.
    check_at: Option<Instant>,
    /// Since when every look has found it missing.
    missing_since: Option<Instant>,
}

impl TopicExistence {
    /// The time for which a topic has to be missing to be gone.
    pub(crate) const GONE_AFTER: Duration = Duration::from_secs(10);
    /// The time between two looks.
    const PAUSE: Duration = Duration::from_secs(1);

    /// Something hints that the topic is missing.
    pub(crate) fn on_suspicion(&mut self, now: Instant) {
        self.check_at.get_or_insert(now);
    }

    /// True when it is time for a look, whose outcome is to be told here.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.check_at.is_some_and(|at| at <= now)
    }

    /// The look found no topic. True when it is gone.
    pub(crate) fn on_missing(&mut self, now: Instant) -> bool {
        let since = *self.missing_since.get_or_insert(now);
        self.check_at = Some(now + Self::PAUSE);
        now.duration_since(since) >= Self::GONE_AFTER
    }

    /// The look found nothing out.
    pub(crate) fn on_check_failed(&mut self, now: Instant) {
        self.missing_since = None;
        self.check_at = Some(now + Self::PAUSE);
    }

    /// The look found the topic, or it is being opened anew.
    pub(crate) fn on_found(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn nothing_is_looked_into_without_a_sign() {
        let (now, mut watch) = (Instant::now(), TopicExistence::default());
        assert!(!watch.is_due(now));
        watch.on_suspicion(now);
        assert!(watch.is_due(now));
        watch.on_found();
        assert!(!watch.is_due(now + SECOND));
    }

    #[test]
    fn looks_are_a_second_apart_however_many_signs_there_are() {
        let (now, mut watch) = (Instant::now(), TopicExistence::default());
        watch.on_suspicion(now);
        watch.on_missing(now);
        watch.on_suspicion(now);
        assert!(!watch.is_due(now));
        assert!(watch.is_due(now + SECOND));
    }

    #[test]
    fn a_topic_is_gone_only_when_it_is_missing_all_the_time() {
        let (start, mut watch) = (Instant::now(), TopicExistence::default());
        for second in 0..10 {
            assert!(!watch.on_missing(start + second * SECOND), "{second}");
        }
        watch.on_check_failed(start + 10 * SECOND);
        assert!(!watch.on_missing(start + 11 * SECOND), "counted anew");
        assert!(watch.on_missing(start + 21 * SECOND));
    }
}
