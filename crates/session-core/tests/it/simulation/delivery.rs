//! Carries the replicas' effects to the clients, and checks them against the promise.

use session_core::{Effect, Input, MessageV2, QuestionErrorCode, SessionEvent, SessionStart};
use types::{
    AnswerOutcome, AnswerPart, Generation, Lineage, QuestionOutcome, SessionId, SessionKey,
};

use super::client::{Connection, Frame};
use super::kafka::Kafka;
use super::random::Random;
use super::replica::Replica;
use super::world::World;

impl World {
    pub(super) fn replica_does(
        &mut self,
        what: fn(&mut Replica, &mut Random, &mut Kafka, bool) -> Option<Input>,
    ) {
        let place = self.random.below(self.replicas.len());
        let replica = &mut self.replicas[place];
        if let Some(input) = what(replica, &mut self.random, &mut self.kafka, self.faults) {
            self.tell_replica(place, input);
        }
    }

    pub(super) fn tell_replica(&mut self, place: usize, input: Input) {
        let (effects, noted) = self.replicas[place].handle(self.now, input);
        for event in noted {
            self.note(&event);
        }
        for effect in effects {
            self.carry(place, effect);
        }
    }

    pub(super) fn note(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::QuestionAdopted { .. } => self.tally.count("adopted"),
            SessionEvent::QuestionEnded {
                outcome: QuestionOutcome::HandedOff,
                ..
            } => self.tally.count("handed off"),
            SessionEvent::AnswerDecided {
                outcome: AnswerOutcome::Late,
            } => self.tally.count("late"),
            SessionEvent::AnswerDecided {
                outcome: AnswerOutcome::Duplicate,
            } => self.tally.count("duplicate"),
            SessionEvent::SessionIdInUse { .. } => self.tally.count("session id in use"),
            SessionEvent::SuffixStripped { .. } => self.tally.count("suffix stripped"),
            SessionEvent::DuplicateAnswers if self.manner.strips => {
                // Parts of an earlier attempt may come again whatever the wire id.
                let manner = &self.manner;
                let explained = manner.repeats || manner.parts || self.kafka.has_a_question_twice();
                assert!(explained, "a stripped suffix passes for a duplicate");
            }
            SessionEvent::DuplicateAnswers => {}
            SessionEvent::QuestionAccepted { .. }
            | SessionEvent::NotResumed { .. }
            | SessionEvent::QuestionEnded { .. }
            | SessionEvent::AnswerDecided { .. }
            | SessionEvent::AnswerTooLarge
            | SessionEvent::AnswerRestarted
            | SessionEvent::ContradictoryParts
            | SessionEvent::DepartedTableFull => {}
        }
    }

    pub(super) fn carry(&mut self, replica: usize, effect: Effect) {
        let (key, frame) = match effect {
            Effect::SendV2 { key, message: told }
                if matches!(*told, MessageV2::NotResumed | MessageV2::SessionIdInUse) =>
            {
                return self.begin_anew(replica, &key);
            }
            Effect::SendV2 { key, message: told } => {
                self.assert_not_lost(replica, &told);
                (key, Frame::Told(told))
            }
            Effect::SendV1 { key, reply } => (key, Frame::Reply(reply)),
            Effect::Close { key, .. } => (key, Frame::Close),
            Effect::Publish { .. } | Effect::Recover { .. } | Effect::RecordEvent(_) => {
                unreachable!("the replica's own")
            }
        };
        if let Some(connection) = self.connection(replica, key.generation) {
            connection.inbox.push_back(frame);
        }
        if let Some(Frame::Close) = self
            .connection(replica, key.generation)
            .and_then(|connection| connection.inbox.back())
        {
            self.half_open.push((replica, key));
        }
    }

    /// The edge's part: the socket goes on as another session.
    pub(super) fn begin_anew(&mut self, replica: usize, key: &SessionKey) {
        let is_there = self.connection(replica, key.generation).is_some();
        let number = self.sockets.remove(&(replica, key.generation));
        let Some(number) = number.filter(|_| is_there) else {
            return;
        };
        self.clients[number].connections += 1;
        let connections = self.clients[number].connections;
        let id = SessionId::parse(&format!("s{number}.{connections}")).unwrap();
        let lineage = Lineage::from_random(self.random.bits());
        self.open(number, replica, id, Some(SessionStart::Fresh { lineage }));
    }

    /// A timeout must not be told where the answer was there.
    pub(super) fn assert_not_lost(&self, replica: usize, told: &MessageV2) {
        let MessageV2::Error {
            ask_id: id,
            code: QuestionErrorCode::Timeout,
            resume: Some(point),
        } = told
        else {
            return;
        };
        let name = point.lineage.question_id(id);
        let of_it = |question: &&types::QuestionRecord| question.question_id == name;
        let asked: Vec<_> = self.kafka.questions.iter().filter(of_it).collect();
        let [question] = asked.as_slice() else {
            // Asked more than once: which of them is waited for is the core's to know.
            return;
        };
        if self.replicas[replica].publishes(name) {
            // It is asked again, and that is not in Kafka yet.
            return;
        }
        let read = &self.replicas[replica].read;
        let unknown = types::MinOffsets::unknown();
        let records = self
            .kafka
            .find(name, question.wire_id.as_str(), &unknown, read);
        let whole = records
            .iter()
            .any(|record| record.part == AnswerPart::Whole);
        assert!(!whole, "{name} had its answer when its time was over");
    }

    pub(super) fn connection(
        &mut self,
        replica: usize,
        generation: Generation,
    ) -> Option<&mut Connection> {
        let number = *self.sockets.get(&(replica, generation))?;
        let connection = self.clients[number].connection.as_mut()?;
        let same = connection.replica == replica && connection.generation == generation;
        same.then_some(connection)
    }
}
