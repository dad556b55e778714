//! What clients do, and what they are shown.

use std::time::SystemTime;

use session_core::{Ask, ErrorCode, Input, Named, Start, WireIdMode};
use types::{Generation, QuestionId, QuestionText, SessionId, SessionKey, Suffix};

use super::client::{Connection, Seen};
use super::kafka::Kafka;
use super::world::{World, named};

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
        let question_id = match client.is_v2 {
            true => named(&client.session, open.id.as_str()),
            false => QuestionId::from_bytes(self.random.bits()),
        };
        let key = (client.session.clone(), open.text.clone());
        self.names.insert(key, question_id);
        let ask = Ask {
            question_id,
            named: client.is_v2.then(|| Named {
                id: open.id.clone(),
                timeout: None,
            }),
            text: QuestionText::new(open.text.clone()),
            user_name: None,
            suffix: Suffix::from_random(self.random.bits()),
            floor: Kafka::floor(&self.replicas[replica].read),
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
        let client = &self.clients[number];
        let fresh = SessionId::parse(&format!("s{number}.{connections}")).unwrap();
        let (id, start) = match (&client.token, client.is_v2) {
            (Some(point), true) => {
                let (point, last_seq) = (point.clone(), client.seq);
                (
                    point.session.clone(),
                    Some(Start::Resume { point, last_seq }),
                )
            }
            (None, true) => (fresh, Some(Start::Fresh)),
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
        start: Option<Start>,
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
            Seen::Ended(Some(ErrorCode::Timeout)) => self.tally.count("timeout"),
            Seen::Ended(Some(ErrorCode::AnswerFailed)) => self.tally.count("answer failed"),
            Seen::Ended(Some(ErrorCode::PublishFailed)) => self.tally.count("publish failed"),
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
            || !self.manner.repeats
            || self.settings.wire_id == WireIdMode::Question;
        let name = self.names[&(session.to_owned(), question.to_owned())];
        if exact {
            let right = self.answerer.has_said(name, text);
            assert!(right, "{text} was shown under {question}");
        }
        self.tally
            .count(if is_v2 { "answered v2" } else { "answered v1" });
    }
}
