//! A script in, a trace of effects out.
//!
//! One input a line; sessions are words, a connection is a session and its generation (`a1`),
//! questions are words. A suffix is written as the question it was drawn for (`a~q1`). Records are
//! numbered `r1`, `r2`, … as they are written, and stand at that offset of partition 0.
//!
//! ```text
//! settings question answer_timeout=10s answer_ttl=20s max_owed=1   (first line, optional)
//! connect a1 | disconnect a1
//! ask a1 q1 [floor=5]
//! published q1 | publish_failed q1 no|maybe
//! answer a | a~q1 [echo=q1|echo=foreign] [at=3] [replayed] [failed] [part=0|part=next] [final] [attempt=1] [text=…]
//! wait 5s     the clock goes on, with a tick at every deadline on the way
//! skip 5s     the clock goes on and nobody ticks
//! tick | drain 2 | drain_expired
//! ```
//!
//! In the trace `>` is an input, what follows are its effects. After every input the accounts must
//! balance.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime};

use expect_test::Expect;
use session_core::{
    Ask, CloseReason, Effect, Event, Input, Ledger, Persisted, PublishId, Registry, Reply,
    Settings, WireIdMode,
};
use types::{
    Answer, AnswerBody, AnswerFloor, AnswerPart, AnswerText, Generation, PartOrder, QuestionId,
    QuestionIdEcho, QuestionText, RecordPosition, SessionId, SessionKey, Suffix, WireId,
};

/// Runs the script and compares its trace.
pub(crate) fn check(script: &str, expected: Expect) {
    expected.assert_eq(&Run::of(script).trace);
}

/// The settings a script has unless it says otherwise.
pub(crate) fn settings() -> Settings {
    Settings {
        max_answer_bytes: 20,
        max_owed: 100,
        ..Settings::default()
    }
}

/// Whether every accepted question is accounted for once.
pub(crate) fn balances(ledger: Ledger) -> bool {
    let ended = ledger.answered
        + ledger.expired
        + ledger.cancelled
        + ledger.failed
        + ledger.undeliverable
        + ledger.handed_off;
    ledger.accepted + ledger.adopted == ended + ledger.pending
}

/// Some instant to count from.
#[expect(
    clippy::disallowed_methods,
    reason = "any instant will do as the start of a test"
)]
pub(crate) fn start() -> Instant {
    Instant::now()
}

/// A run of one script.
pub(crate) struct Run {
    pub(crate) registry: Registry,
    pub(crate) trace: String,
    now: Instant,
    /// What each suffix was drawn for.
    suffixes: HashMap<String, String>,
    /// The last publication of each question.
    published: HashMap<QuestionId, PublishId>,
    records: u32,
}

impl Run {
    pub(crate) fn of(script: &str) -> Self {
        let mut lines = script
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        let mut lines = lines.by_ref().peekable();
        let settings = match lines.next_if(|line| line.starts_with("settings")) {
            Some(line) => parse_settings(line),
            None => settings(),
        };
        let mut run = Self {
            registry: Registry::new(settings),
            trace: String::new(),
            now: start(),
            suffixes: HashMap::new(),
            published: HashMap::new(),
            records: 0,
        };
        for line in lines {
            run.line(line);
        }
        run
    }

    /// Runs one line.
    pub(crate) fn line(&mut self, line: &str) {
        writeln!(self.trace, "> {line}").unwrap();
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap();
        let words: Vec<&str> = words.collect();
        match verb {
            "wait" => self.wait(seconds(words[0])),
            "skip" => self.now += seconds(words[0]),
            verb => {
                let input = self.input(verb, &words);
                self.give(input);
            }
        }
    }

    fn input(&mut self, verb: &str, words: &[&str]) -> Input {
        match verb {
            "connect" => Input::Connected { key: key(words[0]) },
            "disconnect" => Input::Disconnected { key: key(words[0]) },
            "ask" => Input::Ask {
                key: key(words[0]),
                ask: self.ask(words[1], option(words, "floor=")),
            },
            "published" => Input::Published {
                publish: self.publication(words[0]),
            },
            "publish_failed" => Input::PublishFailed {
                publish: self.publication(words[0]),
                persisted: match words[1] {
                    "no" => Persisted::No,
                    "maybe" => Persisted::Maybe,
                    other => panic!("persisted {other}?"),
                },
            },
            "answer" => Input::Answer(self.answer(words)),
            "drain" => Input::Drain {
                closes: words[0].parse().unwrap(),
            },
            "drain_expired" => Input::DrainExpired,
            "tick" => Input::Tick,
            other => panic!("no such line: {other}"),
        }
    }

    /// What a report on this question names; on one that was never asked, nothing known.
    fn publication(&self, question: &str) -> PublishId {
        let question = question_id(question);
        let unknown = PublishId {
            question,
            number: u64::MAX,
        };
        self.published.get(&question).copied().unwrap_or(unknown)
    }

    fn ask(&mut self, question: &str, floor: Option<&str>) -> Ask {
        let suffix = suffix(question);
        self.suffixes
            .insert(suffix.to_string(), question.to_owned());
        Ask {
            question_id: question_id(question),
            named: None,
            text: QuestionText::new(question),
            user_name: None,
            suffix,
            floor: floor.map_or_else(AnswerFloor::unknown, |offset| {
                AnswerFloor::new([offset.parse().unwrap()])
            }),
            asked_at: SystemTime::UNIX_EPOCH,
        }
    }

    fn answer(&mut self, words: &[&str]) -> Answer {
        self.records += 1;
        let wire_id = match words[0].split_once('~') {
            Some((session, question)) => format!("{session}~{}", suffix(question)),
            None => words[0].to_owned(),
        };
        let offset = option(words, "at=").map_or(self.records.into(), |at| at.parse().unwrap());
        Answer {
            wire_id: WireId::parse(&wire_id).unwrap(),
            question_id: match option(words, "echo=") {
                None => QuestionIdEcho::Absent,
                Some("foreign") => QuestionIdEcho::Foreign,
                Some(question) => QuestionIdEcho::Echoed(question_id(question)),
            },
            part: part(words),
            body: if words.contains(&"failed") {
                AnswerBody::Failed(None)
            } else {
                let text = option(words, "text=")
                    .map_or_else(|| format!("r{}", self.records), str::to_owned);
                AnswerBody::Text(AnswerText::new(text))
            },
            position: RecordPosition {
                partition: 0,
                offset,
            },
            replayed: words.contains(&"replayed"),
        }
    }

    /// Lets time pass as the shell does: with a tick at every deadline.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, timer)) = self.registry.poll_timeout().filter(|(at, _)| *at <= end) {
            let after = at.saturating_duration_since(self.now);
            writeln!(self.trace, "  ({timer:?} after {after:?})").unwrap();
            self.now = self.now.max(at);
            self.give(Input::Tick);
            let passed = self
                .registry
                .poll_timeout()
                .filter(|(at, _)| *at <= self.now);
            assert_eq!(passed, None, "a tick leaves no deadline that has passed");
        }
        self.now = end;
    }

    fn give(&mut self, input: Input) {
        self.registry.handle(self.now, input);
        while let Some(effect) = self.registry.poll_effect() {
            let line = self.describe(effect);
            writeln!(self.trace, "  {line}").unwrap();
        }
        let ledger = self.registry.stats().ledger;
        assert!(balances(ledger), "{ledger:?} after\n{}", self.trace);
    }

    fn describe(&mut self, effect: Effect) -> String {
        match effect {
            Effect::Publish {
                key,
                publish,
                question,
            } => {
                self.published.insert(publish.question, publish);
                assert_eq!(question.session, key.id);
                let wire_id = self.wire_id(&question.wire_id);
                format!("publish {} as {wire_id}", question.text.expose())
            }
            Effect::Send { key, reply } => format!("send {} {}", name(&key), describe_reply(reply)),
            Effect::Close { key, reason, .. } => {
                let reason = match reason {
                    CloseReason::Draining => "draining",
                    CloseReason::Superseded => "superseded",
                };
                format!("close {} {reason}", name(&key))
            }
            Effect::Note(event) => describe_event(event),
            Effect::Recover { .. } | Effect::Tell { .. } => unreachable!("version 1 only"),
        }
    }

    fn wire_id(&self, wire_id: &WireId) -> String {
        match wire_id.as_str().split_once('~') {
            Some((session, suffix)) => format!("{session}~{}", self.suffixes[suffix]),
            None => wire_id.to_string(),
        }
    }
}

fn describe_reply(reply: Reply) -> String {
    match reply {
        Reply::Answer {
            text,
            publish,
            total,
        } => format!("{} ({publish:?} of {total:?})", text.expose()),
        Reply::AnswerFailed => "answer failed".to_owned(),
        Reply::Busy => "busy".to_owned(),
        Reply::Draining => "draining".to_owned(),
        Reply::PublishFailed => "publish failed".to_owned(),
        Reply::TimedOut => "timed out".to_owned(),
    }
}

fn describe_event(event: Event) -> String {
    match event {
        Event::QuestionAccepted { key, after, .. } => format!("{} accepted {after:?}", name(&key)),
        Event::QuestionEnded {
            key,
            outcome,
            after,
        } => format!("{} ended: {} {after:?}", name(&key), outcome.as_str()),
        Event::AnswerDecided { outcome } => format!("record: {}", outcome.as_str()),
        Event::AnswerTooLarge => "answer too large".to_owned(),
        Event::PartsBroken => "parts broken".to_owned(),
        Event::AnswerRestarted => "answer restarted".to_owned(),
        Event::QuestionAdopted { key } => format!("{} adopted", name(&key)),
        Event::NotResumed { key } => format!("{} not resumed", name(&key)),
        Event::DuplicatesSeen => "duplicates seen".to_owned(),
        Event::OwedTableFull => "owed table full".to_owned(),
    }
}

fn parse_settings(line: &str) -> Settings {
    let words: Vec<&str> = line.split_whitespace().collect();
    let default = settings();
    Settings {
        wire_id: match words.contains(&"question") {
            true => WireIdMode::Question,
            false => WireIdMode::Plain,
        },
        answer_timeout: option(&words, "answer_timeout=").map_or(default.answer_timeout, seconds),
        answer_ttl: option(&words, "answer_ttl=").map_or(default.answer_ttl, seconds),
        max_owed: option(&words, "max_owed=").map_or(default.max_owed, |n| n.parse().unwrap()),
        ..default
    }
}

fn part(words: &[&str]) -> AnswerPart {
    let Some(order) = option(words, "part=") else {
        return AnswerPart::Whole;
    };
    AnswerPart::Piece {
        order: match order {
            "next" => PartOrder::AsWritten,
            number => PartOrder::Numbered(number.parse().unwrap()),
        },
        is_final: words.contains(&"final"),
        attempt: option(words, "attempt=").map_or(0, |attempt| attempt.parse().unwrap()),
    }
}

/// The value of the word that starts with `name`.
fn option<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(name))
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs(text.strip_suffix('s').unwrap().parse().unwrap())
}

/// `a1`: session `a`, generation 1.
pub(crate) fn key(text: &str) -> SessionKey {
    let (id, generation) = text.split_at(text.find(|c: char| c.is_ascii_digit()).unwrap());
    SessionKey {
        id: SessionId::parse(id).unwrap(),
        generation: Generation(generation.parse().unwrap()),
    }
}

fn name(key: &SessionKey) -> String {
    format!("{}{}", key.id, key.generation.0)
}

pub(crate) fn question_id(question: &str) -> QuestionId {
    QuestionId::from_bytes(padded(question))
}

fn suffix(question: &str) -> Suffix {
    Suffix::from_random(padded(question))
}

fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    bytes
}
