//! A client of either version, which follows the protocol and believes nothing.

use std::collections::VecDeque;

use session_core::{MessageV2, QuestionErrorCode, ReplyV1, ResumePoint};
use types::{AskId, Generation};

/// A frame sent to a client.
#[derive(Debug)]
pub(super) enum Frame {
    Told(Box<MessageV2>),
    Reply(ReplyV1),
    Close,
}

/// A connection, seen from the client.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) replica: usize,
    pub(super) generation: Generation,
    /// The session's id as the server knows it.
    pub(super) session: String,
    /// On the wire.
    pub(super) inbox: VecDeque<Frame>,
    /// Version 2: `hello` was received.
    pub(super) open: bool,
}

/// A question without its end.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) id: AskId,
    pub(super) text: String,
    accepted: bool,
    parts: u64,
    shown: String,
    /// Asked on this connection.
    pub(super) sent: bool,
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) number: usize,
    pub(super) is_v2: bool,
    pub(super) connection: Option<Connection>,
    pub(super) token: Option<ResumePoint>,
    pub(super) session: String,
    pub(super) seq: u64,
    pub(super) open: Option<Open>,
    /// Questions so far; each has a text of its own.
    pub(super) asked: usize,
    /// Questions so far that the page of today knows of: it counts its ids from 1.
    numbered: usize,
    pub(super) connections: usize,
}

/// A client's reading of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Nothing,
    /// A whole answer to the question of this text, in the session of this id.
    Answer {
        session: String,
        question: String,
        text: String,
    },
    /// The question ended otherwise.
    Ended(Option<QuestionErrorCode>),
    /// The session goes on, with so much still to come.
    Resumed,
    NotResumed,
    Closed,
}

impl Client {
    pub(super) fn new(number: usize, is_v2: bool) -> Self {
        Self {
            number,
            is_v2,
            connection: None,
            token: None,
            session: String::new(),
            seq: 0,
            open: None,
            asked: 0,
            numbered: 0,
            connections: 0,
        }
    }

    /// Its next question.
    pub(super) fn ask(&mut self) -> &mut Open {
        self.asked += 1;
        self.numbered += 1;
        self.open.insert(Open {
            id: AskId::parse(&format!("q{}", self.numbered)).unwrap(),
            text: format!("c{}q{}", self.number, self.asked),
            accepted: false,
            parts: 0,
            shown: String::new(),
            sent: false,
        })
    }

    /// The connection is gone. A client of version 1 gives its question up.
    pub(super) fn disconnect(&mut self) {
        self.connection = None;
        match (&mut self.open, self.is_v2) {
            (Some(open), true) => open.sent = false,
            (open, _) => *open = None,
        }
    }

    /// The page is loaded again: it keeps its session id and nothing else, and numbers its questions from 1.
    pub(super) fn reload(&mut self) {
        self.connection = None;
        self.token = None;
        self.open = None;
        self.seq = 0;
        self.numbered = 0;
    }

    pub(super) fn take(&mut self, frame: Frame) -> Seen {
        match frame {
            Frame::Close => {
                self.disconnect();
                Seen::Closed
            }
            Frame::Reply(reply) => self.take_reply(reply),
            Frame::Told(told) => self.take_told(*told),
        }
    }

    fn take_reply(&mut self, reply: ReplyV1) -> Seen {
        assert!(!self.is_v2, "a frame of version 1");
        let open = self.open.take().expect("nothing is sent unasked");
        match reply {
            ReplyV1::Answer { text, .. } => Seen::Answer {
                session: self.session.clone(),
                question: open.text,
                text: text.expose().to_owned(),
            },
            ReplyV1::AnswerFailed | ReplyV1::Draining | ReplyV1::PublishFailed => Seen::Ended(None),
            ReplyV1::TimedOut => Seen::Ended(Some(QuestionErrorCode::Timeout)),
            ReplyV1::Busy => panic!("it has one question open"),
        }
    }

    fn take_told(&mut self, told: MessageV2) -> Seen {
        assert!(self.is_v2, "a frame of version 2");
        match told {
            MessageV2::Hello {
                resumed,
                pending,
                resume,
            } => self.take_hello(resumed, pending, resume),
            MessageV2::NotResumed | MessageV2::SessionIdInUse => panic!("for the edge"),
            MessageV2::Accepted { ask_id: id, resume } => {
                self.token = Some(resume);
                self.about(&id).accepted = true;
                Seen::Nothing
            }
            MessageV2::AnswerChunks(stretch) => {
                let mut is_whole = false;
                for cut in stretch.chunks() {
                    assert_eq!(cut.seq, self.seq + 1, "no number is missing");
                    self.seq = cut.seq;
                    let open = self.about(&stretch.ask_id);
                    assert_eq!(cut.index, open.parts, "no part is missing");
                    open.parts += 1;
                    open.shown.push_str(cut.text);
                    is_whole = cut.is_final;
                }
                let Some(end) = stretch.end.filter(|_| is_whole) else {
                    return Seen::Nothing;
                };
                self.token = Some(end.resume);
                let open = self.open.take().expect("it is about it");
                Seen::Answer {
                    session: self.session.clone(),
                    question: open.text,
                    text: open.shown,
                }
            }
            MessageV2::Error {
                ask_id: id,
                code,
                resume,
            } => self.take_error(&id, code, resume),
        }
    }

    fn take_hello(&mut self, resumed: bool, pending: Option<AskId>, resume: ResumePoint) -> Seen {
        let connection = self.connection.as_mut().expect("a frame came");
        assert!(!std::mem::replace(&mut connection.open, true), "hello once");
        let name = resume.session.as_str().to_owned();
        let had = self.token.replace(resume).is_some();
        if resumed {
            assert_eq!(name, self.session);
            if let Some(open) = &mut self.open {
                match &pending {
                    Some(id) => {
                        assert_eq!(id, &open.id);
                        // It waits at the server already.
                        open.sent = true;
                        open.accepted = true;
                    }
                    None => assert!(!open.accepted, "an accepted question is gone"),
                }
            } else {
                assert_eq!(pending, None, "its end was shown");
            }
            return Seen::Resumed;
        }
        (self.session, self.seq) = (name, 0);
        if let Some(open) = &mut self.open {
            (open.accepted, open.parts) = (false, 0);
            open.shown.clear();
        }
        if had { Seen::NotResumed } else { Seen::Nothing }
    }

    fn take_error(
        &mut self,
        id: &AskId,
        code: QuestionErrorCode,
        resume: Option<ResumePoint>,
    ) -> Seen {
        if let Some(resume) = resume {
            self.token = Some(resume);
        }
        let open = self.about(id);
        match code {
            QuestionErrorCode::PublishFailed
            | QuestionErrorCode::AnswerFailed
            | QuestionErrorCode::Draining => {
                // Worth asking again, from the beginning.
                (open.accepted, open.parts, open.sent) = (false, 0, false);
                open.shown.clear();
                Seen::Ended(Some(code))
            }
            QuestionErrorCode::Timeout | QuestionErrorCode::Cancelled => {
                self.open = None;
                Seen::Ended(Some(code))
            }
            QuestionErrorCode::Busy | QuestionErrorCode::AlreadyAnswered => {
                panic!("{code:?} to a client that waits")
            }
        }
    }

    /// The open question, which a frame has to be about.
    fn about(&mut self, id: &AskId) -> &mut Open {
        let open = self.open.as_mut().expect("a question is open");
        assert_eq!(&open.id, id, "the frame is about another question");
        open
    }
}
