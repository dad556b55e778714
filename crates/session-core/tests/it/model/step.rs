//! Random scripts: what may happen, and how often. A step says what it is about by position (the
//! newest question, the one before), so that every step fits every moment and scripts shrink well.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use session_core::{CoreSettings, WireIdMode};
use types::Persisted;
use types::{AnswerPart, PartOrder};

/// The number of sessions that take part.
pub(crate) const SESSIONS: usize = 4;

/// Something that happens.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Connect {
        session: usize,
    },
    /// A socket whose generation is older than its session's newest, by so many.
    ConnectLate {
        session: usize,
        behind: u64,
    },
    /// The session's connection is told once more.
    ConnectAgain {
        session: usize,
    },
    /// Sockets count back from the session's last.
    Disconnect {
        session: usize,
        back: usize,
    },
    Ask {
        session: usize,
        back: usize,
        floor: Floor,
    },
    /// Questions count back from the newest.
    Published {
        back: usize,
    },
    PublishFailed {
        back: usize,
        persisted: Persisted,
    },
    Answer(Record),
    Tick,
    Wait {
        seconds: u64,
    },
    /// The clock goes on and nobody ticks.
    Skip {
        seconds: u64,
    },
    Drain {
        closes: usize,
    },
    DrainExpired,
}

/// A record of the answers' topic, as it differs from a good answer to a question.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) back: usize,
    pub(crate) wire_id: RecordWireId,
    pub(crate) echo: Echo,
    /// The distance below the end of its partition; 0 = it is new.
    pub(crate) below: i64,
    pub(crate) partition: usize,
    pub(crate) replayed: bool,
    pub(crate) failed: bool,
    pub(crate) part: AnswerPart,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum RecordWireId {
    /// The question's.
    Own,
    /// Its session's own id.
    Plain,
    /// A suffix nobody drew.
    Unknown,
    /// The plain id of another session.
    Other(usize),
    /// A session that never was.
    Stranger,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Echo {
    Absent,
    Own,
    /// The question before.
    Other,
    /// One of the right form that nobody asked.
    Unknown,
    Foreign,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Floor {
    /// The ends of the partitions as they are.
    Exact,
    /// As they were so many records ago.
    Behind(i64),
    Unknown,
}

/// Settings small enough for every bound to be met.
pub(crate) fn settings(
    mode: impl Strategy<Value = WireIdMode>,
) -> impl Strategy<Value = CoreSettings> {
    (mode, 4_u64..30, 0_usize..4).prop_map(|(wire_id, ttl, max_owed)| CoreSettings {
        wire_id,
        answer_timeout: Duration::from_secs(10),
        part_timeout: Duration::from_secs(3),
        max_answer_time: Duration::from_secs(15),
        max_answer_bytes: 6,
        answer_ttl: Duration::from_secs(ttl),
        max_departed_sessions: max_owed,
        ..CoreSettings::default()
    })
}

pub(crate) fn any_mode() -> impl Strategy<Value = WireIdMode> {
    prop_oneof![Just(WireIdMode::Plain), Just(WireIdMode::Suffixed)]
}

/// A script in which anything may happen.
pub(crate) fn script() -> impl Strategy<Value = Vec<Step>> {
    vec(step(record()), 1..120)
}

/// A script whose records are all good answers to questions that were asked, in any order.
pub(crate) fn honest_script(
    echo: impl Strategy<Value = Echo> + 'static,
) -> impl Strategy<Value = Vec<Step>> {
    let piece = prop_oneof![2 => Just(AnswerPart::Whole), 1 => part()];
    let record = (
        0_usize..6,
        echo,
        0_usize..2,
        prop::bool::weighted(0.1),
        piece,
    );
    let record = record.prop_map(|(back, echo, partition, failed, part)| Record {
        back,
        wire_id: RecordWireId::Own,
        echo,
        below: 0,
        partition,
        replayed: false,
        failed,
        part,
    });
    vec(step(record), 1..120)
}

fn step(record: impl Strategy<Value = Record> + 'static) -> impl Strategy<Value = Step> {
    let session = || 0..SESSIONS;
    let recent = || prop_oneof![5 => Just(0_usize), 1 => 1_usize..4];
    prop_oneof![
        6 => session().prop_map(|session| Step::Connect { session }),
        1 => (session(), 1_u64..25).prop_map(|(session, behind)| Step::ConnectLate { session, behind }),
        1 => session().prop_map(|session| Step::ConnectAgain { session }),
        4 => (session(), recent()).prop_map(|(session, back)| Step::Disconnect { session, back }),
        12 => (session(), recent(), floor())
            .prop_map(|(session, back, floor)| Step::Ask { session, back, floor }),
        6 => (0_usize..4).prop_map(|back| Step::Published { back }),
        2 => (0_usize..4, persisted())
            .prop_map(|(back, persisted)| Step::PublishFailed { back, persisted }),
        12 => record.prop_map(Step::Answer),
        1 => Just(Step::Tick),
        4 => (1_u64..12).prop_map(|seconds| Step::Wait { seconds }),
        2 => (1_u64..12).prop_map(|seconds| Step::Skip { seconds }),
        1 => prop::bool::weighted(0.1).prop_map(|end| match end {
            true => Step::DrainExpired,
            false => Step::Tick,
        }),
        1 => prop::option::weighted(0.2, 0_usize..3)
            .prop_map(|closes| closes.map_or(Step::Tick, |closes| Step::Drain { closes })),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    let wire_id = prop_oneof![
        6 => Just(RecordWireId::Own),
        3 => Just(RecordWireId::Plain),
        1 => Just(RecordWireId::Unknown),
        1 => (0..SESSIONS).prop_map(RecordWireId::Other),
        1 => Just(RecordWireId::Stranger),
    ];
    let echo = prop_oneof![
        6 => Just(Echo::Absent),
        3 => Just(Echo::Own),
        1 => Just(Echo::Other),
        1 => Just(Echo::Unknown),
        1 => Just(Echo::Foreign),
    ];
    let below = prop_oneof![4 => Just(0_i64), 1 => 1_i64..4];
    let rare = || prop::bool::weighted(0.1);
    (
        0_usize..5,
        wire_id,
        echo,
        below,
        0_usize..3,
        rare(),
        rare(),
        part(),
    )
        .prop_map(
            |(back, wire_id, echo, below, partition, replayed, failed, part)| Record {
                back,
                wire_id,
                echo,
                below,
                partition,
                replayed,
                failed,
                part,
            },
        )
}

fn part() -> impl Strategy<Value = AnswerPart> {
    let order = prop_oneof![
        4 => (0_u32..4).prop_map(PartOrder::Numbered),
        1 => Just(PartOrder::ByOffset),
    ];
    let piece = (order, prop::bool::weighted(0.3), prop::bool::weighted(0.1));
    let piece = piece.prop_map(|(order, is_final, again)| AnswerPart::Piece {
        order,
        is_final,
        attempt: u32::from(again),
    });
    prop_oneof![1 => Just(AnswerPart::Whole), 1 => piece]
}

fn floor() -> impl Strategy<Value = Floor> {
    prop_oneof![
        4 => Just(Floor::Exact),
        1 => (1_i64..4).prop_map(Floor::Behind),
        1 => Just(Floor::Unknown),
    ]
}

fn persisted() -> impl Strategy<Value = Persisted> {
    prop_oneof![Just(Persisted::No), Just(Persisted::Maybe)]
}
