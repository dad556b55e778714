//! An answer that comes in parts: which are here, which attempt they belong to, when it is whole.
//!
//! Parts are joined within one attempt, by number or in the order they were written; a later attempt
//! starts anew. Numbered parts may come in any order and more than once.

use std::collections::BTreeMap;
use std::fmt;

use types::{AnswerText, PartOrder, RecordPosition};

/// The parts of one answer that are here.
#[derive(Default)]
pub(crate) struct Parts {
    attempt: u32,
    ready: Ready,
    next: u32,
    /// Numbered parts behind a gap; at most [`Parts::MAX_AHEAD`].
    ahead: BTreeMap<u32, AnswerText>,
    ahead_bytes: usize,
    /// The number of the last part, once it is known.
    last: Option<u32>,
    /// Where the newest part stands, if they are not numbered.
    written: Option<RecordPosition>,
    is_whole: bool,
}

/// What is here without a gap and was not taken out yet.
enum Ready {
    /// One text, taken out when the answer is whole. Parts without text, however many, take nothing.
    Joined(String),
    /// Text by text, taken out after each part.
    Apart(Vec<AnswerText>),
}

/// One part, with what its record says of it.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) order: PartOrder,
    pub(crate) is_final: bool,
    pub(crate) attempt: u32,
    pub(crate) at: RecordPosition,
    pub(crate) text: AnswerText,
}

/// What became of a part.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// It is kept; others are missing.
    Kept,
    /// All are here.
    Whole,
    /// It was here already.
    Again,
    /// It belongs to an attempt that was given up.
    Outdated,
    /// It and the others are longer than an answer may be.
    TooLarge,
    /// It contradicts the others: numbered and not, after the end, in another partition, or too far
    /// ahead. No whole answer can come of this attempt.
    Broken,
}

impl Parts {
    /// How many numbered parts may wait for one before them.
    pub(crate) const MAX_AHEAD: usize = 1_000;

    /// Whether more parts may come although the question has its answer: of an earlier attempt, or of
    /// one that did not come to its end.
    pub(crate) fn may_have_stragglers(&self) -> bool {
        self.attempt > 0 || !self.is_whole
    }

    /// None yet of an answer whose parts are sent on as they come.
    pub(crate) fn apart() -> Self {
        Self {
            ready: Ready::Apart(Vec::new()),
            ..Self::default()
        }
    }

    /// Whether a part of this attempt would start the answer anew.
    pub(crate) fn is_restarted_by(&self, attempt: u32) -> bool {
        attempt > self.attempt
    }

    /// Takes out what can go on: nothing or the whole when parts are joined, else those that are here
    /// without a gap, in order.
    pub(crate) fn release(&mut self) -> Vec<AnswerText> {
        match &mut self.ready {
            Ready::Joined(text) if self.is_whole => vec![AnswerText::new(std::mem::take(text))],
            Ready::Joined(_) => Vec::new(),
            Ready::Apart(texts) => std::mem::take(texts),
        }
    }

    /// Takes a part. What is here and not taken out may have `max_bytes`.
    pub(crate) fn take(&mut self, part: Part, max_bytes: usize) -> Joined {
        if part.attempt < self.attempt {
            return Joined::Outdated;
        }
        if self.is_restarted_by(part.attempt) {
            *self = Self {
                attempt: part.attempt,
                ready: self.ready.emptied(),
                ..Self::default()
            };
        }
        match part.order {
            PartOrder::Numbered(number) => self.take_numbered(number, part, max_bytes),
            PartOrder::AsWritten => self.take_written(part, max_bytes),
        }
    }

    fn take_numbered(&mut self, number: u32, part: Part, max_bytes: usize) -> Joined {
        if self.written.is_some() {
            return Joined::Broken;
        }
        if number < self.next || self.ahead.contains_key(&number) {
            return Joined::Again;
        }
        // Its number is new, and so none that is compared here is equal to it.
        let after_the_end = self
            .last
            .is_some_and(|last| number >= last || part.is_final);
        let newest = self.ahead.last_key_value().map(|(newest, _)| *newest);
        let ends_early = part.is_final && newest.is_some_and(|newest| newest >= number);
        let too_far_ahead = number != self.next && self.ahead.len() >= Self::MAX_AHEAD;
        if after_the_end || ends_early || too_far_ahead {
            return Joined::Broken;
        }
        let bytes = part.text.expose().len();
        if self.ready.bytes() + self.ahead_bytes + bytes > max_bytes {
            return Joined::TooLarge;
        }
        if part.is_final {
            self.last = Some(number);
        }
        self.ahead_bytes += bytes;
        self.ahead.insert(number, part.text);
        self.join();
        if self.last.is_some() && self.ahead.is_empty() {
            return self.whole();
        }
        Joined::Kept
    }

    /// Moves what follows on without a gap from `ahead` to `ready`.
    fn join(&mut self) {
        while let Some(text) = self.ahead.remove(&self.next) {
            self.ahead_bytes -= text.expose().len();
            self.ready.push(text);
            self.next += 1;
        }
    }

    fn take_written(&mut self, part: Part, max_bytes: usize) -> Joined {
        match self.written {
            None if self.next > 0 || !self.ahead.is_empty() => return Joined::Broken,
            Some(newest) if newest.partition != part.at.partition => return Joined::Broken,
            Some(newest) if newest.offset >= part.at.offset => return Joined::Again,
            None | Some(_) => {}
        }
        if self.ready.bytes() + part.text.expose().len() > max_bytes {
            return Joined::TooLarge;
        }
        self.written = Some(part.at);
        self.ready.push(part.text);
        if part.is_final {
            return self.whole();
        }
        Joined::Kept
    }

    fn whole(&mut self) -> Joined {
        self.is_whole = true;
        Joined::Whole
    }
}

impl Ready {
    fn bytes(&self) -> usize {
        match self {
            Self::Joined(text) => text.len(),
            Self::Apart(texts) => texts.iter().map(|text| text.expose().len()).sum(),
        }
    }

    fn push(&mut self, text: AnswerText) {
        match self {
            Self::Joined(joined) => joined.push_str(text.expose()),
            Self::Apart(texts) => texts.push(text),
        }
    }

    fn emptied(&self) -> Self {
        match self {
            Self::Joined(_) => Self::Joined(String::new()),
            Self::Apart(_) => Self::Apart(Vec::new()),
        }
    }
}

impl Default for Ready {
    fn default() -> Self {
        Self::Joined(String::new())
    }
}

/// Without the texts.
impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("attempt", &self.attempt)
            .field("next", &self.next)
            .field("ahead", &self.ahead.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 10;

    fn numbered(number: u32, attempt: u32, text: &str) -> Part {
        Part {
            order: PartOrder::Numbered(number),
            is_final: text.ends_with('.'),
            attempt,
            at: RecordPosition {
                partition: 0,
                offset: 0,
            },
            text: AnswerText::new(text),
        }
    }

    fn written(partition: i32, offset: i64, text: &str) -> Part {
        Part {
            order: PartOrder::AsWritten,
            at: RecordPosition { partition, offset },
            ..numbered(0, 0, text)
        }
    }

    type Taken = Result<AnswerText, Joined>;

    fn whole(text: &str) -> Taken {
        Ok(AnswerText::new(text))
    }

    fn taken(parts: &mut Parts, part: Part, max_bytes: usize) -> Taken {
        let taken = parts.take(part, max_bytes);
        if taken == Joined::Whole {
            Ok(parts.release().pop().unwrap())
        } else {
            Err(taken)
        }
    }

    /// Takes every part; what became of the last.
    fn join(parts: impl IntoIterator<Item = Part>) -> Taken {
        let mut joining = Parts::default();
        let mut last = Err(Joined::Kept);
        for part in parts {
            assert_eq!(last, Err(Joined::Kept));
            last = taken(&mut joining, part, MAX);
        }
        last
    }

    #[test]
    fn numbered_parts_are_joined_in_any_order() {
        let (a, b, c) = ((0, "a"), (1, "b"), (2, "c."));
        for order in [
            [a, b, c],
            [a, c, b],
            [b, a, c],
            [b, c, a],
            [c, a, b],
            [c, b, a],
        ] {
            let parts = order.map(|(number, text)| numbered(number, 0, text));
            assert_eq!(join(parts), whole("abc."), "{order:?}");
        }
        assert_eq!(join([numbered(0, 7, "all.")]), whole("all."));
    }

    #[test]
    fn a_part_that_is_here_changes_nothing() {
        let mut parts = Parts::default();
        for (number, expected) in [
            (0, Err(Joined::Kept)),
            (2, Err(Joined::Kept)),
            (0, Err(Joined::Again)),
            (2, Err(Joined::Again)),
        ] {
            assert_eq!(
                taken(&mut parts, numbered(number, 0, "x"), MAX),
                expected,
                "{number}"
            );
        }
        assert_eq!(
            taken(&mut parts, numbered(1, 0, "y"), MAX),
            Err(Joined::Kept)
        );
        assert_eq!(taken(&mut parts, numbered(3, 0, "."), MAX), whole("xyx."));
    }

    #[test]
    fn a_later_attempt_starts_anew_and_an_earlier_one_is_outdated() {
        let mut parts = Parts::default();
        assert_eq!(
            taken(&mut parts, numbered(0, 0, "old"), MAX),
            Err(Joined::Kept)
        );
        assert_eq!(
            taken(&mut parts, numbered(1, 2, "b."), MAX),
            Err(Joined::Kept)
        );
        assert_eq!(
            taken(&mut parts, numbered(1, 0, "old."), MAX),
            Err(Joined::Outdated)
        );
        assert_eq!(taken(&mut parts, numbered(0, 2, "a"), MAX), whole("ab."));
    }

    #[test]
    fn parts_without_numbers_are_joined_as_they_were_written() {
        assert_eq!(
            join([written(3, 7, "a"), written(3, 9, "b.")]),
            whole("ab.")
        );
        let mut parts = Parts::default();
        assert_eq!(
            taken(&mut parts, written(3, 7, "a"), MAX),
            Err(Joined::Kept)
        );
        assert_eq!(
            taken(&mut parts, written(3, 7, "a"), MAX),
            Err(Joined::Again)
        );
        assert_eq!(
            taken(&mut parts, written(4, 8, "b"), MAX),
            Err(Joined::Broken)
        );
    }

    #[test]
    fn what_cannot_be_one_answer_is_broken() {
        for parts in [
            [numbered(0, 0, "a"), written(0, 1, "b")],
            [numbered(1, 0, "a"), written(0, 1, "b")],
            [written(0, 1, "a"), numbered(1, 0, "b")],
            [numbered(1, 0, "b."), numbered(2, 0, "c")],
            [numbered(1, 0, "b."), numbered(0, 0, "a.")],
            [numbered(2, 0, "c"), numbered(1, 0, "b.")],
        ] {
            let said = format!("{parts:?}");
            assert_eq!(join(parts), Err(Joined::Broken), "{said}");
        }
    }

    #[test]
    fn an_answer_at_the_limit_is_taken_and_one_over_it_is_not() {
        assert_eq!(
            join([numbered(1, 0, "12345."), numbered(0, 0, "1234")]),
            whole("123412345.")
        );
        assert_eq!(
            join([numbered(1, 0, "123456."), numbered(0, 0, "1234")]),
            Err(Joined::TooLarge)
        );
        assert_eq!(
            join([
                numbered(0, 0, "1234"),
                numbered(1, 0, "567"),
                numbered(2, 0, "89.")
            ]),
            whole("123456789.")
        );
        assert_eq!(
            join([written(0, 0, "1234567890"), written(0, 1, ".")]),
            Err(Joined::TooLarge)
        );
        assert_eq!(
            join([written(0, 0, "123456789"), written(0, 1, ".")]),
            whole("123456789.")
        );
    }

    #[test]
    fn only_so_many_parts_wait_for_one_before_them() {
        let most = u32::try_from(Parts::MAX_AHEAD).unwrap();
        let mut parts = Parts::default();
        for number in 1..=most {
            assert_eq!(
                taken(&mut parts, numbered(number, 0, ""), MAX),
                Err(Joined::Kept)
            );
        }
        assert_eq!(
            taken(&mut parts, numbered(most + 1, 0, ""), MAX),
            Err(Joined::Broken)
        );
        assert_eq!(
            taken(&mut parts, numbered(0, 0, ""), MAX),
            Err(Joined::Kept)
        );
        assert_eq!(
            taken(&mut parts, numbered(most + 1, 0, "."), MAX),
            whole(".")
        );
    }

    #[test]
    fn parts_without_text_take_nothing_however_many_they_are() {
        let mut parts = Parts::default();
        for number in 0..10_000 {
            assert_eq!(
                taken(&mut parts, numbered(number, 0, ""), MAX),
                Err(Joined::Kept)
            );
            assert_eq!(parts.release(), [], "joined parts wait for the whole");
        }
        let Ready::Joined(text) = &parts.ready else {
            panic!("not joined");
        };
        assert_eq!((text.capacity(), parts.ahead.len()), (0, 0));
    }

    #[test]
    fn parts_that_are_sent_on_leave_each_by_itself_in_order_in_every_attempt() {
        let mut parts = Parts::apart();
        for attempt in [0, 1] {
            let mut steps = Vec::new();
            for (number, text) in [(1, "b"), (0, "a"), (3, "."), (2, "c")] {
                let fate = parts.take(numbered(number, attempt, text), MAX);
                let texts = parts.release();
                let texts: Vec<_> = texts.iter().map(|text| text.expose().to_owned()).collect();
                steps.push((fate, texts.join("|")));
            }
            let expected = [
                (Joined::Kept, ""),
                (Joined::Kept, "a|b"),
                (Joined::Kept, ""),
                (Joined::Whole, "c|."),
            ];
            let expected = expected.map(|(fate, texts)| (fate, texts.to_owned()));
            assert_eq!(steps, expected, "attempt {attempt}");
        }
    }

    #[test]
    fn what_is_shown_of_parts_is_not_their_text() {
        let mut parts = Parts::default();
        for number in [0, 2] {
            assert_eq!(
                taken(&mut parts, numbered(number, 0, "secret"), 100),
                Err(Joined::Kept)
            );
        }
        let shown = format!("{parts:?}");
        assert_eq!(shown, "Parts { attempt: 0, next: 1, ahead: 1, .. }");
    }
}
