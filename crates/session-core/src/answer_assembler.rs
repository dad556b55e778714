//! An answer that comes in parts: which are here, which attempt they belong to, when it is whole.
//!
//! Parts are joined within one attempt, by number or in the order they were written; a later attempt
//! starts anew. Numbered parts may come in any order and more than once.

use std::collections::BTreeMap;
use std::fmt;

use types::{AnswerText, PartOrder, RecordPosition};

/// The parts of one answer that are here.
#[derive(Default)]
pub(crate) struct AnswerAssembler {
    attempt: u32,
    ready: ReadyTexts,
    next_number: u32,
    /// Numbered parts behind a gap; at most [`AnswerAssembler::MAX_OUT_OF_ORDER`].
    out_of_order: BTreeMap<u32, AnswerText>,
    out_of_order_bytes: usize,
    /// The number of the last part, once it is known.
    last_number: Option<u32>,
    /// The position of the newest part, if they are not numbered.
    newest_position: Option<RecordPosition>,
    is_whole: bool,
}

/// The texts that are here without a gap and were not taken out yet.
enum ReadyTexts {
    /// One text, taken out when the answer is whole. Parts without text, however many, take nothing.
    Joined(String),
    /// Text by text, taken out after each part.
    Separate(Vec<AnswerText>),
}

/// One part, with what its record says of it.
#[derive(Debug)]
pub(crate) struct ReceivedPart {
    pub(crate) order: PartOrder,
    pub(crate) is_final: bool,
    pub(crate) attempt: u32,
    pub(crate) position: RecordPosition,
    pub(crate) text: AnswerText,
}

/// The outcome of adding a part.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PartOutcome {
    /// It is kept; others are missing.
    Kept,
    /// All are here.
    Completed,
    /// It was here already.
    Duplicate,
    /// It belongs to an attempt that was given up.
    StaleAttempt,
    /// It and the others are longer than an answer may be.
    TooLarge,
    /// It contradicts the others: numbered and not, after the end, in another partition, or too far
    /// ahead. No whole answer can come of this attempt.
    Contradictory,
}

impl AnswerAssembler {
    /// The most numbered parts that may wait for one before them.
    pub(crate) const MAX_OUT_OF_ORDER: usize = 1_000;

    /// Tells whether more parts may come although the question has its answer: of an earlier attempt, or of
    /// one that did not come to its end.
    pub(crate) fn may_have_late_parts(&self) -> bool {
        self.attempt > 0 || !self.is_whole
    }

    /// None yet of an answer whose parts are sent on as they come.
    pub(crate) fn with_separate_texts() -> Self {
        Self {
            ready: ReadyTexts::Separate(Vec::new()),
            ..Self::default()
        }
    }

    /// Tells whether a part of this attempt would start the answer anew.
    pub(crate) fn is_restarted_by(&self, attempt: u32) -> bool {
        attempt > self.attempt
    }

    /// Takes out what can go on: nothing or the whole when parts are joined, else those that are here
    /// without a gap, in order.
    pub(crate) fn take_ready(&mut self) -> Vec<AnswerText> {
        match &mut self.ready {
            ReadyTexts::Joined(text) if self.is_whole => {
                vec![AnswerText::new(std::mem::take(text))]
            }
            ReadyTexts::Joined(_) => Vec::new(),
            ReadyTexts::Separate(texts) => std::mem::take(texts),
        }
    }

    /// Takes a part. What is here and not taken out may have `max_bytes`.
    pub(crate) fn add(&mut self, part: ReceivedPart, max_bytes: usize) -> PartOutcome {
        if part.attempt < self.attempt {
            return PartOutcome::StaleAttempt;
        }
        if self.is_restarted_by(part.attempt) {
            *self = Self {
                attempt: part.attempt,
                ready: self.ready.to_empty(),
                ..Self::default()
            };
        }
        match part.order {
            PartOrder::Numbered(number) => self.add_numbered(number, part, max_bytes),
            PartOrder::ByOffset => self.add_in_offset_order(part, max_bytes),
        }
    }

    fn add_numbered(&mut self, number: u32, part: ReceivedPart, max_bytes: usize) -> PartOutcome {
        if self.newest_position.is_some() {
            return PartOutcome::Contradictory;
        }
        if number < self.next_number || self.out_of_order.contains_key(&number) {
            return PartOutcome::Duplicate;
        }
        // Its number is new, and so none that is compared here is equal to it.
        let after_the_end = self
            .last_number
            .is_some_and(|last| number >= last || part.is_final);
        let newest = self
            .out_of_order
            .last_key_value()
            .map(|(newest, _)| *newest);
        let ends_early = part.is_final && newest.is_some_and(|newest| newest >= number);
        let too_far_ahead =
            number != self.next_number && self.out_of_order.len() >= Self::MAX_OUT_OF_ORDER;
        if after_the_end || ends_early || too_far_ahead {
            return PartOutcome::Contradictory;
        }
        let bytes = part.text.expose().len();
        if self.ready.bytes() + self.out_of_order_bytes + bytes > max_bytes {
            return PartOutcome::TooLarge;
        }
        if part.is_final {
            self.last_number = Some(number);
        }
        self.out_of_order_bytes += bytes;
        self.out_of_order.insert(number, part.text);
        self.move_contiguous();
        if self.last_number.is_some() && self.out_of_order.is_empty() {
            return self.mark_complete();
        }
        PartOutcome::Kept
    }

    /// Moves what follows on without a gap from `ahead` to `ready`.
    fn move_contiguous(&mut self) {
        while let Some(text) = self.out_of_order.remove(&self.next_number) {
            self.out_of_order_bytes -= text.expose().len();
            self.ready.push(text);
            self.next_number += 1;
        }
    }

    fn add_in_offset_order(&mut self, part: ReceivedPart, max_bytes: usize) -> PartOutcome {
        match self.newest_position {
            None if self.next_number > 0 || !self.out_of_order.is_empty() => {
                return PartOutcome::Contradictory;
            }
            Some(newest) if newest.partition != part.position.partition => {
                return PartOutcome::Contradictory;
            }
            Some(newest) if newest.offset >= part.position.offset => return PartOutcome::Duplicate,
            None | Some(_) => {}
        }
        if self.ready.bytes() + part.text.expose().len() > max_bytes {
            return PartOutcome::TooLarge;
        }
        self.newest_position = Some(part.position);
        self.ready.push(part.text);
        if part.is_final {
            return self.mark_complete();
        }
        PartOutcome::Kept
    }

    fn mark_complete(&mut self) -> PartOutcome {
        self.is_whole = true;
        PartOutcome::Completed
    }
}

impl ReadyTexts {
    fn bytes(&self) -> usize {
        match self {
            Self::Joined(text) => text.len(),
            Self::Separate(texts) => texts.iter().map(|text| text.expose().len()).sum(),
        }
    }

    fn push(&mut self, text: AnswerText) {
        match self {
            Self::Joined(joined) => joined.push_str(text.expose()),
            Self::Separate(texts) => texts.push(text),
        }
    }

    fn to_empty(&self) -> Self {
        match self {
            Self::Joined(_) => Self::Joined(String::new()),
            Self::Separate(_) => Self::Separate(Vec::new()),
        }
    }
}

impl Default for ReadyTexts {
    fn default() -> Self {
        Self::Joined(String::new())
    }
}

/// Without the texts.
impl fmt::Debug for AnswerAssembler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("attempt", &self.attempt)
            .field("next", &self.next_number)
            .field("ahead", &self.out_of_order.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 10;

    fn numbered(number: u32, attempt: u32, text: &str) -> ReceivedPart {
        ReceivedPart {
            order: PartOrder::Numbered(number),
            is_final: text.ends_with('.'),
            attempt,
            position: RecordPosition {
                partition: 0,
                offset: 0,
            },
            text: AnswerText::new(text),
        }
    }

    fn written(partition: i32, offset: i64, text: &str) -> ReceivedPart {
        ReceivedPart {
            order: PartOrder::ByOffset,
            position: RecordPosition { partition, offset },
            ..numbered(0, 0, text)
        }
    }

    type Taken = Result<AnswerText, PartOutcome>;

    fn whole(text: &str) -> Taken {
        Ok(AnswerText::new(text))
    }

    fn taken(parts: &mut AnswerAssembler, part: ReceivedPart, max_bytes: usize) -> Taken {
        let taken = parts.add(part, max_bytes);
        if taken == PartOutcome::Completed {
            Ok(parts.take_ready().pop().unwrap())
        } else {
            Err(taken)
        }
    }

    /// Takes every part; what became of the last.
    fn join(parts: impl IntoIterator<Item = ReceivedPart>) -> Taken {
        let mut joining = AnswerAssembler::default();
        let mut last = Err(PartOutcome::Kept);
        for part in parts {
            assert_eq!(last, Err(PartOutcome::Kept));
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
        let mut parts = AnswerAssembler::default();
        for (number, expected) in [
            (0, Err(PartOutcome::Kept)),
            (2, Err(PartOutcome::Kept)),
            (0, Err(PartOutcome::Duplicate)),
            (2, Err(PartOutcome::Duplicate)),
        ] {
            assert_eq!(
                taken(&mut parts, numbered(number, 0, "x"), MAX),
                expected,
                "{number}"
            );
        }
        assert_eq!(
            taken(&mut parts, numbered(1, 0, "y"), MAX),
            Err(PartOutcome::Kept)
        );
        assert_eq!(taken(&mut parts, numbered(3, 0, "."), MAX), whole("xyx."));
    }

    #[test]
    fn a_later_attempt_starts_anew_and_an_earlier_one_is_outdated() {
        let mut parts = AnswerAssembler::default();
        assert_eq!(
            taken(&mut parts, numbered(0, 0, "old"), MAX),
            Err(PartOutcome::Kept)
        );
        assert_eq!(
            taken(&mut parts, numbered(1, 2, "b."), MAX),
            Err(PartOutcome::Kept)
        );
        assert_eq!(
            taken(&mut parts, numbered(1, 0, "old."), MAX),
            Err(PartOutcome::StaleAttempt)
        );
        assert_eq!(taken(&mut parts, numbered(0, 2, "a"), MAX), whole("ab."));
    }

    #[test]
    fn parts_without_numbers_are_joined_as_they_were_written() {
        assert_eq!(
            join([written(3, 7, "a"), written(3, 9, "b.")]),
            whole("ab.")
        );
        let mut parts = AnswerAssembler::default();
        assert_eq!(
            taken(&mut parts, written(3, 7, "a"), MAX),
            Err(PartOutcome::Kept)
        );
        assert_eq!(
            taken(&mut parts, written(3, 7, "a"), MAX),
            Err(PartOutcome::Duplicate)
        );
        assert_eq!(
            taken(&mut parts, written(4, 8, "b"), MAX),
            Err(PartOutcome::Contradictory)
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
            assert_eq!(join(parts), Err(PartOutcome::Contradictory), "{said}");
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
            Err(PartOutcome::TooLarge)
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
            Err(PartOutcome::TooLarge)
        );
        assert_eq!(
            join([written(0, 0, "123456789"), written(0, 1, ".")]),
            whole("123456789.")
        );
    }

    #[test]
    fn only_so_many_parts_wait_for_one_before_them() {
        let most = u32::try_from(AnswerAssembler::MAX_OUT_OF_ORDER).unwrap();
        let mut parts = AnswerAssembler::default();
        for number in 1..=most {
            assert_eq!(
                taken(&mut parts, numbered(number, 0, ""), MAX),
                Err(PartOutcome::Kept)
            );
        }
        assert_eq!(
            taken(&mut parts, numbered(most + 1, 0, ""), MAX),
            Err(PartOutcome::Contradictory)
        );
        assert_eq!(
            taken(&mut parts, numbered(0, 0, ""), MAX),
            Err(PartOutcome::Kept)
        );
        assert_eq!(
            taken(&mut parts, numbered(most + 1, 0, "."), MAX),
            whole(".")
        );
    }

    #[test]
    fn parts_without_text_take_nothing_however_many_they_are() {
        let mut parts = AnswerAssembler::default();
        for number in 0..10_000 {
            assert_eq!(
                taken(&mut parts, numbered(number, 0, ""), MAX),
                Err(PartOutcome::Kept)
            );
            assert_eq!(parts.take_ready(), [], "joined parts wait for the whole");
        }
        let ReadyTexts::Joined(text) = &parts.ready else {
            panic!("not joined");
        };
        assert_eq!((text.capacity(), parts.out_of_order.len()), (0, 0));
    }

    #[test]
    fn parts_that_are_sent_on_leave_each_by_itself_in_order_in_every_attempt() {
        let mut parts = AnswerAssembler::with_separate_texts();
        for attempt in [0, 1] {
            let mut steps = Vec::new();
            for (number, text) in [(1, "b"), (0, "a"), (3, "."), (2, "c")] {
                let fate = parts.add(numbered(number, attempt, text), MAX);
                let texts = parts.take_ready();
                let texts: Vec<_> = texts.iter().map(|text| text.expose().to_owned()).collect();
                steps.push((fate, texts.join("|")));
            }
            let expected = [
                (PartOutcome::Kept, ""),
                (PartOutcome::Kept, "a|b"),
                (PartOutcome::Kept, ""),
                (PartOutcome::Completed, "c|."),
            ];
            let expected = expected.map(|(fate, texts)| (fate, texts.to_owned()));
            assert_eq!(steps, expected, "attempt {attempt}");
        }
    }

    #[test]
    fn what_is_shown_of_parts_is_not_their_text() {
        let mut parts = AnswerAssembler::default();
        for number in [0, 2] {
            assert_eq!(
                taken(&mut parts, numbered(number, 0, "secret"), 100),
                Err(PartOutcome::Kept)
            );
        }
        let shown = format!("{parts:?}");
        assert_eq!(shown, "Parts { attempt: 0, next: 1, ahead: 1, .. }");
    }
}
