//! Joining parts once more, naively: everything that was kept is looked at anew for each part.

use types::{Answer, AnswerBody, AnswerPart, PartOrder};

/// The relation of a part to those before it.
pub(crate) enum Verdict {
    Kept,
    Whole(String),
    Again,
    Outdated,
    TooLarge,
    Broken,
}

/// Judges `new`, given what was kept of its answer before; `max` bytes are allowed.
pub(crate) fn judge(kept: &[Answer], new: &Answer, max: usize) -> Verdict {
    let attempt = |answer: &Answer| piece(answer).2;
    let newest = kept.iter().map(attempt).max().unwrap_or(0);
    if attempt(new) < newest {
        return Verdict::Outdated;
    }
    let of_this: Vec<&Answer> = kept
        .iter()
        .filter(|one| attempt(one) == attempt(new))
        .collect();
    let numbers: Option<Vec<(u32, bool)>> = of_this.iter().map(|one| numbered(one)).collect();
    let (order, is_final, _) = piece(new);
    let clash = match (order, numbers) {
        (PartOrder::Numbered(number), Some(others)) => clash_of_numbers(number, is_final, &others),
        (PartOrder::ByOffset, _) => clash_of_positions(new, &of_this),
        (PartOrder::Numbered(_), None) => Some(Verdict::Broken),
    };
    if let Some(clash) = clash {
        return clash;
    }
    let mut all = of_this;
    all.push(new);
    // Those without numbers were kept in their order.
    all.sort_by_key(|one| numbered(one).map_or(0, |(number, _)| number));
    let text: String = all.iter().map(|one| text(one)).collect();
    let complete = match order {
        PartOrder::ByOffset => is_final,
        PartOrder::Numbered(_) => {
            let last = all
                .iter()
                .find_map(|one| numbered(one).filter(|(_, last)| *last));
            last.is_some_and(|(last, _)| all.len() == usize::try_from(last).unwrap() + 1)
        }
    };
    match (text.len() > max, complete) {
        (true, _) => Verdict::TooLarge,
        (false, true) => Verdict::Whole(text),
        (false, false) => Verdict::Kept,
    }
}

/// Tells whether these belong to the answering side's first attempt.
pub(crate) fn are_of_first_attempt(parts: &[Answer]) -> bool {
    parts.iter().all(|one| piece(one).2 == 0)
}

fn clash_of_numbers(number: u32, is_final: bool, others: &[(u32, bool)]) -> Option<Verdict> {
    if others.iter().any(|(other, _)| *other == number) {
        return Some(Verdict::Again);
    }
    let last = others.iter().find(|(_, last)| *last);
    let after_the_end = last.is_some_and(|(last, _)| number > *last || is_final);
    let before_another = is_final && others.iter().any(|(other, _)| *other > number);
    (after_the_end || before_another).then_some(Verdict::Broken)
}

fn clash_of_positions(new: &Answer, others: &[&Answer]) -> Option<Verdict> {
    if others.iter().any(|other| numbered(other).is_some()) {
        return Some(Verdict::Broken);
    }
    let newest = others.last()?.position;
    if newest.partition != new.position.partition {
        return Some(Verdict::Broken);
    }
    (new.position.offset <= newest.offset).then_some(Verdict::Again)
}

fn numbered(answer: &Answer) -> Option<(u32, bool)> {
    match piece(answer) {
        (PartOrder::Numbered(number), is_final, _) => Some((number, is_final)),
        (PartOrder::ByOffset, ..) => None,
    }
}

fn piece(answer: &Answer) -> (PartOrder, bool, u32) {
    match answer.part {
        AnswerPart::Piece {
            order,
            is_final,
            attempt,
        } => (order, is_final, attempt),
        AnswerPart::Whole => panic!("not a part"),
    }
}

pub(crate) fn text(answer: &Answer) -> &str {
    match &answer.body {
        AnswerBody::Text(text) => text.expose(),
        AnswerBody::Failed(_) => panic!("not a text"),
    }
}
