//! Detects an answering side that strips the suffix off wire ids.
//!
//! A question asked as `id~suffix` whose answer comes back under the bare `id`, without a question id, cannot be
//! attributed: the answer counts as late and the question times out. Nothing is guessed from it: only that the
//! answering side breaks the contract, once it has happened [`StrippedSuffixDetector::THRESHOLD`] times with no
//! answer under a suffix in between.

use std::time::{Duration, Instant};

/// Counts answers that came under a bare session id although the session asked under a suffix.
#[derive(Debug, Default)]
pub(crate) struct StrippedSuffixDetector {
    /// Such answers since the last one under a suffix; at most [`Self::THRESHOLD`].
    bare_answers: u32,
    /// The time at which the last such answer stops counting.
    expires_at: Option<Instant>,
}

impl StrippedSuffixDetector {
    /// The number of such answers in a row that is taken for a broken contract rather than for duplicates of earlier
    /// answers.
    pub(crate) const THRESHOLD: u32 = 3;

    /// Counts an answer under a bare id, and says whether the contract counts as broken by it now.
    pub(crate) fn on_bare_answer(&mut self, now: Instant, ttl: Duration) -> bool {
        if !self.counts_at(now) {
            self.bare_answers = 0;
        }
        self.bare_answers = (self.bare_answers + 1).min(Self::THRESHOLD);
        self.expires_at = Some(now + ttl);
        self.bare_answers == Self::THRESHOLD
    }

    /// Notes an answer under a suffix: the answering side copies wire ids as they stand.
    pub(crate) fn on_suffixed_answer(&mut self) {
        *self = Self::default();
    }

    /// Tells whether the answering side counts as stripping suffixes.
    pub(crate) fn is_detected(&self, now: Instant) -> bool {
        self.bare_answers == Self::THRESHOLD && self.counts_at(now)
    }

    fn counts_at(&self, now: Instant) -> bool {
        self.expires_at.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(240);

    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn three_bare_answers_in_a_row_are_a_broken_contract_until_their_time_is_over() {
        let (mut detector, now) = (StrippedSuffixDetector::default(), now());
        assert!(!detector.on_bare_answer(now, TTL));
        assert!(!detector.on_bare_answer(now, TTL));
        assert!(!detector.is_detected(now));
        assert!(detector.on_bare_answer(now, TTL));
        assert!(
            detector.on_bare_answer(now, TTL),
            "a count never passes its bound"
        );
        assert!(detector.is_detected(now));
        assert!(!detector.is_detected(now + TTL));
        assert!(!detector.on_bare_answer(now + TTL, TTL), "it counts anew");
    }

    #[test]
    fn one_answer_under_a_suffix_clears_the_suspicion() {
        let (mut detector, now) = (StrippedSuffixDetector::default(), now());
        for _ in 0..5 {
            detector.on_bare_answer(now, TTL);
        }
        detector.on_suffixed_answer();
        assert!(!detector.is_detected(now));
        assert!(!detector.on_bare_answer(now, TTL));
    }
}
