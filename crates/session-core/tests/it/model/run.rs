//! A script carried out: the core and the reference get the same inputs, the audit watches.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use session_core::{
    AskIdentity, AskRequest, CoreSettings, Effect, Input, ReplyV1, SessionRegistry,
};
use types::Persisted;
use types::{
    Answer, AnswerBody, AnswerPart, AnswerText, Generation, MinOffsets, PartOrder, QuestionId,
    QuestionIdEcho, QuestionText, RecordPosition, SessionId, SessionKey, WireId, WireIdSuffix,
};

use super::audit::Audit;
use super::reference::Reference;
use super::step::{Echo, Floor, Record, RecordWireId, SESSIONS, Step};
use crate::script::start;

/// The possible steps of the world around the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum World {
    /// Anything, contradictions included.
    Hostile,
    /// Reports and records are true; questions are answered any number of times, at any time.
    Honest,
    /// And each is answered at most once, within `answer_ttl` of the moment its session gave it up.
    HonestOnce,
}

/// A script being carried out.
pub(crate) struct Run {
    world: World,
    settings: CoreSettings,
    registry: SessionRegistry,
    reference: Reference,
    audit: Audit,
    now: Instant,
    /// Each session's generations, in the order they came.
    generations: [Vec<u64>; SESSIONS],
    /// All ever drawn: no two sockets have the same.
    sockets: u64,
    /// The end of each partition. Minimum offsets know the first two.
    ends: [i64; 3],
    /// The question each record was made for.
    answered: Vec<QuestionId>,
    /// The parts that an honest answering side has written.
    written: BTreeMap<QuestionId, Written>,
    reported: Vec<(QuestionId, Report)>,
    /// The question that the last input answered, if it did.
    reached: Option<QuestionId>,
    effects: Vec<Effect>,
}

#[derive(Debug, Default)]
struct Written {
    /// All texts so far, a letter each.
    texts: String,
    is_over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Report {
    Confirmed,
    Unclear,
    Refused,
}

/// Carries the script out and checks every step of it; gives all that the core wanted.
pub(crate) fn run(world: World, settings: &CoreSettings, script: &[Step]) -> Vec<Effect> {
    let mut run = Run {
        world,
        settings: settings.clone(),
        registry: SessionRegistry::new(settings.clone()),
        reference: Reference::new(settings.clone()),
        audit: Audit::new(settings.clone()),
        now: start(),
        generations: Default::default(),
        sockets: 0,
        ends: [0; 3],
        answered: Vec::new(),
        written: BTreeMap::new(),
        reported: Vec::new(),
        reached: None,
        effects: Vec::new(),
    };
    for step in script {
        run.step(step);
    }
    run.effects
}

impl Run {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Connect { session } => self.connect(*session),
            Step::ConnectLate { session, behind } => self.connect_late(*session, *behind),
            Step::ConnectAgain { session } => self.connect_again(*session),
            Step::Disconnect { session, back } => {
                if let Some(key) = self.key(*session, *back) {
                    self.give(Input::Disconnected { key });
                }
            }
            Step::Ask {
                session,
                back,
                floor,
            } => self.ask(*session, *back, *floor),
            Step::Published { back } => self.report(*back, Report::Confirmed),
            Step::PublishFailed { back, persisted } => match persisted {
                Persisted::Maybe => self.report(*back, Report::Unclear),
                Persisted::No => self.report(*back, Report::Refused),
            },
            Step::Answer(record) => self.answer(record),
            Step::Tick => self.give(Input::Tick),
            Step::Wait { seconds } => self.wait(Duration::from_secs(*seconds)),
            Step::Skip { seconds } => self.now += Duration::from_secs(*seconds),
            Step::Drain { closes } => self.give(Input::Drain {
                max_closes: *closes,
            }),
            Step::DrainExpired => self.give(Input::DrainExpired),
        }
    }

    fn connect(&mut self, session: usize) {
        // Gaps are for those that come late.
        self.sockets += 10;
        self.generations[session].push(self.sockets);
        let key = key(session, self.sockets);
        self.give(Input::Connected { key });
    }

    fn connect_late(&mut self, session: usize, behind: u64) {
        let newest = self.generations[session].iter().max();
        let Some(generation) = newest.and_then(|newest| newest.checked_sub(behind)) else {
            return;
        };
        if self
            .generations
            .iter()
            .flatten()
            .all(|taken| *taken != generation)
        {
            self.generations[session].push(generation);
            let key = key(session, generation);
            self.give(Input::Connected { key });
        }
    }

    fn connect_again(&mut self, session: usize) {
        let id = session_id(session);
        if let Some(key) = self.reference.history.connection(id.as_str()) {
            self.give(Input::Connected { key });
        }
    }

    fn ask(&mut self, session: usize, back: usize, floor: Floor) {
        let Some(key) = self.key(session, back) else {
            return;
        };
        let known = &self.ends[..2];
        let number = u8::try_from(self.audit.questions.len()).unwrap();
        let ask = AskRequest {
            identity: AskIdentity::Random(question_id(number)),
            text: QuestionText::new(number.to_string()),
            user_name: None,
            suffix: suffix(number),
            min_offsets: match floor {
                Floor::Exact => MinOffsets::new(known),
                Floor::Behind(records) => {
                    let behind: Vec<i64> = known.iter().map(|end| end - records).collect();
                    MinOffsets::new(behind)
                }
                Floor::Unknown => MinOffsets::unknown(),
            },
            asked_at: SystemTime::UNIX_EPOCH,
        };
        self.give(Input::Ask { key, ask });
    }

    fn report(&mut self, back: usize, report: Report) {
        let Some((id, publish)) = self.asked(back).map(|asked| (asked.id, asked.publish)) else {
            return;
        };
        let again = self.reported.iter().any(|(reported, _)| *reported == id);
        let lie = report == Report::Refused && self.answered.contains(&id);
        if self.world != World::Hostile && (again || lie) {
            return;
        }
        self.reported.push((id, report));
        let failed = |persisted| Input::PublishFailed {
            publish_id: publish,
            persisted,
        };
        self.give(match report {
            Report::Confirmed => Input::Published {
                publish_id: publish,
            },
            Report::Unclear => failed(Persisted::Maybe),
            Report::Refused => failed(Persisted::No),
        });
    }

    fn answer(&mut self, record: &Record) {
        let Some(asked) = self.asked(record.back) else {
            return;
        };
        let (id, ended) = (asked.id, asked.ended);
        if !self.may_be_answered(id, ended) {
            return;
        }
        if self.world == World::Hostile {
            self.answered.push(id);
            let answer = self.record(record, id);
            return self.give(Input::Answer(answer));
        }
        let begun = self.written.contains_key(&id);
        if begun || record.part != AnswerPart::Whole {
            return self.answer_in_parts(record, id, ended);
        }
        self.answered.push(id);
        let answer = self.record(record, id);
        self.give(Input::Answer(answer));
        let expected = ended.is_none().then_some(id);
        assert_eq!(
            self.reached, expected,
            "the answer to an open question reaches it, and only it"
        );
    }

    /// The next part of this answer, as an honest answering side writes them: each once, in order.
    fn answer_in_parts(&mut self, record: &Record, id: QuestionId, ended: Option<Instant>) {
        const MOST: usize = 4;
        if self.answered.contains(&id) && !self.written.contains_key(&id) {
            return;
        }
        let written = self.written.entry(id).or_default();
        if written.is_over {
            return;
        }
        let number = u32::try_from(written.texts.len()).unwrap();
        let is_final = record.part.is_last() || written.texts.len() + 1 >= MOST;
        written.is_over = is_final || record.failed;
        let text = char::from(b'a' + u8::try_from(self.answered.len() % 26).unwrap()).to_string();
        written.texts.push_str(&text);
        let whole = written.texts.clone();
        self.answered.push(id);
        let mut answer = self.record(record, id);
        answer.part = AnswerPart::Piece {
            order: PartOrder::Numbered(number),
            is_final,
            attempt: 0,
        };
        if !record.failed {
            answer.body = AnswerBody::Text(AnswerText::new(text));
        }
        let before = self.effects.len();
        self.give(Input::Answer(answer));
        let over = is_final || record.failed;
        let expected = (over && ended.is_none()).then_some(id);
        assert_eq!(
            self.reached, expected,
            "its own last part ends a question, and nothing else"
        );
        for effect in self.effects.iter().skip(before) {
            if let Effect::SendV1 {
                reply: ReplyV1::Answer { text, .. },
                ..
            } = effect
            {
                assert_eq!(text.expose(), whole, "all parts, and no other's");
            }
        }
    }

    /// Tells whether this world's answering side would write an answer to that question now.
    fn may_be_answered(&self, id: QuestionId, ended: Option<Instant>) -> bool {
        let too_late = ended.is_some_and(|ended| self.now >= ended + self.settings.answer_ttl);
        let in_kafka = !self.reported.contains(&(id, Report::Refused));
        match self.world {
            World::Hostile => true,
            World::Honest => in_kafka,
            World::HonestOnce => {
                let begun = self.written.contains_key(&id);
                in_kafka && !too_late && (begun || !self.answered.contains(&id))
            }
        }
    }

    fn record(&mut self, record: &Record, id: QuestionId) -> Answer {
        let asked = self
            .audit
            .questions
            .iter()
            .find(|asked| asked.id == id)
            .unwrap();
        let session = &asked.key.id;
        let wire_id = match record.wire_id {
            RecordWireId::Own => asked.wire_id.clone(),
            RecordWireId::Plain => WireId::plain(session),
            RecordWireId::Unknown => WireId::suffixed(session, suffix(u8::MAX)),
            RecordWireId::Other(other) => WireId::plain(&session_id(other)),
            RecordWireId::Stranger => WireId::parse("stranger").unwrap(),
        };
        let echo = match record.echo {
            Echo::Absent => QuestionIdEcho::Absent,
            Echo::Own => QuestionIdEcho::Echoed(id),
            Echo::Other => {
                let other = self.asked(record.back + 1).map_or(id, |other| other.id);
                QuestionIdEcho::Echoed(other)
            }
            Echo::Unknown => QuestionIdEcho::Echoed(question_id(u8::MAX)),
            Echo::Foreign => QuestionIdEcho::Foreign,
        };
        let end = &mut self.ends[record.partition];
        let offset = *end - record.below;
        if record.below == 0 {
            *end += 1;
        }
        Answer {
            wire_id,
            question_id: echo,
            part: record.part,
            body: match record.failed {
                true => AnswerBody::Failed(None),
                false => AnswerBody::Text(AnswerText::new(self.answered.len().to_string())),
            },
            position: RecordPosition {
                partition: i32::try_from(record.partition).unwrap(),
                offset,
            },
            metadata: None,
            is_replayed: record.replayed,
        }
    }

    /// Lets time pass as the shell does: with a tick at every deadline.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, _)) = self.registry.poll_timeout().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            self.give(Input::Tick);
        }
        self.now = end;
    }

    /// One input to both, and everything that must hold after it.
    fn give(&mut self, input: Input) {
        self.registry.handle(self.now, input.clone());
        let effects: Vec<Effect> = std::iter::from_fn(|| self.registry.poll_effect()).collect();
        let stats = self.registry.stats();
        self.reached = self.audit.step(self.now, &input, &effects, stats);

        let expected = self.reference.handle(self.now, input);
        assert_eq!(effects, expected, "the reference wants something else");
        self.effects.extend(effects);
        let history = &self.reference.history;
        assert_eq!(stats.ledger, history.ledger());
        assert_eq!(stats.departed, history.departed());
        assert_eq!(stats.unreported, history.unreported());
        assert_eq!(self.registry.poll_timeout(), self.reference.deadline());
        for session in 0..SESSIONS {
            let id = session_id(session);
            let here = history.connection(id.as_str()).is_some();
            assert_eq!(self.registry.is_connected(id.as_str()), here);
            assert!(self.registry.is_session_known(id.as_str()) || !here);
        }
    }

    /// A socket of a session, counted back from its last.
    fn key(&self, session: usize, back: usize) -> Option<SessionKey> {
        let generation = self.generations[session].iter().rev().nth(back)?;
        Some(key(session, *generation))
    }

    /// A question, counted back from the newest.
    fn asked(&self, back: usize) -> Option<&super::audit::Asked> {
        self.audit.questions.iter().rev().nth(back)
    }
}

fn key(session: usize, generation: u64) -> SessionKey {
    SessionKey {
        id: session_id(session),
        generation: Generation(generation),
    }
}

fn session_id(session: usize) -> SessionId {
    SessionId::parse(["a", "b", "c", "d"][session]).unwrap()
}

fn question_id(number: u8) -> QuestionId {
    QuestionId::from_bytes([number; 16])
}

fn suffix(number: u8) -> WireIdSuffix {
    WireIdSuffix::from_random([number; 10])
}
