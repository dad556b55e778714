//! Simulates the clients' actions and the frames they are shown.

use std::time::SystemTime;

use session_core::{
    AskIdentity, AskRequest, Input, KeyedAsk, QuestionErrorCode, SessionStart, WireIdMode,
};
use types::{Generation, Lineage, QuestionId, QuestionText, SessionId, SessionKey, WireIdSuffix};

use super::client::{Connection, Seen};
use super::kafka::Kafka;
use super::world::World;

impl World {
    pub(super) fn client_acts(&mut self) {
        let number = self.random.below(self.clients.len());
        let client = &mut self.clients[number];
        let Some(connection) = &client.connection else {
            return self.connect(number);
        };
        if client.is_v2 && !connection.open {
            return;
        }
        let (replica, generation) = (connection.replica, connection.generation);
        let session = SessionId::parse(&connection.session).unwrap();
        if client.open.is_none() {
            if !self.faults {
                return;
            }
            client.ask();
        }
        let open = client.open.as_mut().expect("it has one");
        if std::mem::replace(&mut open.sent, true) {
            return;
        }
        // A client that has its `hello` has a token.
        let (question_id, identity) = match &client.token {
            Some(point) => {
                let keyed = KeyedAsk {
                    ask_id: open.id.clone(),
                    timeout: None,
                };
                let question_id = point.lineage.question_id(&open.id);
                (question_id, AskIdentity::Keyed(keyed))
            }
            None => {
                let question_id = QuestionId::from_bytes(self.random.bits());
                (question_id, AskIdentity::Random(question_id))
            }
        };
        let key = (client.session.clone(), open.text.clone());
        self.names.insert(key, question_id);
        let ask = AskRequest {
            identity,
            text: QuestionText::new(open.text.clone()),
            user_name: None,
            suffix: WireIdSuffix::from_random(self.random.bits()),
            min_offsets: Kafka::floor(&self.replicas[replica].read),
            asked_at: SystemTime::UNIX_EPOCH,
        };
        let key = SessionKey {
            id: session,
            generation,
        };
        self.tell_replica(replica, Input::Ask { key, ask });
    }

    pub(super) fn connect(&mut self, number: usize) {
        let replica = self.random.below(self.replicas.len());
        if self.replicas[replica].drains {
            return;
        }
        self.clients[number].connections += 1;
        let connections = self.clients[number].connections;
        let fresh_start = SessionStart::Fresh {
            lineage: Lineage::from_random(self.random.bits()),
        };
        let client = &self.clients[number];
        let fresh = SessionId::parse(&format!("s{number}.{connections}")).unwrap();
        let (id, start) = match (&client.token, client.is_v2) {
            (Some(point), true) => {
                let (point, last_seq) = (point.clone(), client.seq);
                (
                    point.session.clone(),
                    Some(SessionStart::Resume { point, last_seq }),
                )
            }
            // A page that was loaded again comes back on the path it has.
            (None, true) => {
                let path = SessionId::parse(&client.session).unwrap_or(fresh);
                (path, Some(fresh_start))
            }
            (_, false) => (fresh, None),
        };
        self.open(number, replica, id, start);
    }

    /// A socket enters, or a session begins anew on it.
    pub(super) fn open(
        &mut self,
        number: usize,
        replica: usize,
        id: SessionId,
        start: Option<SessionStart>,
    ) {
        self.generations += 1;
        let generation = Generation(self.generations);
        self.sockets.insert((replica, generation), number);
        let client = &mut self.clients[number];
        if start.is_none() {
            client.session = id.as_str().to_owned();
        }
        client.connection = Some(Connection {
            replica,
            generation,
            session: id.as_str().to_owned(),
            inbox: Default::default(),
            open: false,
        });
        let key = SessionKey { id, generation };
        self.tell_replica(
            replica,
            match start {
                Some(start) => Input::Start { key, start },
                None => Input::Connected { key },
            },
        );
    }

    pub(super) fn client_reads(&mut self) {
        let number = self.random.below(self.clients.len());
        let client = &mut self.clients[number];
        let Some(frame) = client
            .connection
            .as_mut()
            .and_then(|one| one.inbox.pop_front())
        else {
            return;
        };
        match client.take(frame) {
            Seen::Nothing => {}
            Seen::Answer {
                session,
                question,
                text,
            } => self.judge(number, &session, &question, &text),
            Seen::Ended(Some(QuestionErrorCode::Timeout)) => self.tally.count("timeout"),
            Seen::Ended(Some(QuestionErrorCode::AnswerFailed)) => self.tally.count("answer failed"),
            Seen::Ended(Some(QuestionErrorCode::PublishFailed)) => {
                self.tally.count("publish failed")
            }
            Seen::Ended(_) | Seen::Closed => {}
            Seen::Resumed => self.tally.count("resumed"),
            Seen::NotResumed => self.tally.count("not resumed"),
        }
    }

    /// An answer was shown. Is it one to that question, in that session?
    pub(super) fn judge(&mut self, number: usize, session: &str, question: &str, text: &str) {
        let is_v2 = self.clients[number].is_v2;
        let front = format!("{session}/");
        assert!(
            text.starts_with(&front),
            "{text} was shown to session {session}"
        );
        let exact = is_v2
            || self.manner.echoes
            || !(self.manner.repeats || self.manner.strips)
            || self.settings.wire_id == WireIdMode::Suffixed;
        let name = self.names[&(session.to_owned(), question.to_owned())];
        if exact {
            let right = text.starts_with(&format!("{front}{question}/"));
            let said = self.answerer.has_said(name, text);
            assert!(right && said, "{text} was shown under {question}");
        }
        self.tally
            .count(if is_v2 { "answered v2" } else { "answered v1" });
    }
}
