//! The other side of the question sink, held by the test.

use std::sync::{Arc, Mutex};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use types::{
    Answer, AnswerBody, AnswerPart, MinOffsets, QuestionIdEcho, QuestionRecord, RecordPosition,
    TraceContext,
};
use types::{PublishFailure, PublishReport};
use ws_gateway::QuestionSink;

use super::PATIENCE;

/// A question on its way to Kafka, and the report the test owes for it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) question: QuestionRecord,
    report: Option<PublishReport>,
}

/// Questions in the order they were asked in.
pub(crate) struct Questions {
    asked: UnboundedReceiver<Asked>,
    on_floor: Arc<Mutex<Option<OnFloor>>>,
}

/// Gives every question to the test.
pub(crate) struct HeldSink {
    asked: UnboundedSender<Asked>,
    on_floor: Arc<Mutex<Option<OnFloor>>>,
}

/// A hook called while minimum offsets are read.
type OnFloor = Box<dyn FnOnce() + Send>;

pub(crate) fn held() -> (HeldSink, Questions) {
    let (sender, receiver) = unbounded_channel();
    let sink = HeldSink {
        asked: sender,
        on_floor: Arc::default(),
    };
    let on_floor = Arc::clone(&sink.on_floor);
    let questions = Questions {
        asked: receiver,
        on_floor,
    };
    (sink, questions)
}

impl QuestionSink for HeldSink {
    fn min_offsets(&self) -> MinOffsets {
        if let Some(happens) = self.on_floor.lock().unwrap().take() {
            happens();
        }
        MinOffsets::unknown()
    }

    fn publish(
        &self,
        question: QuestionRecord,
        _trace: Option<TraceContext>,
        report: PublishReport,
    ) {
        // A question nobody waits for any more is dropped with its report.
        drop(self.asked.send(Asked {
            question,
            report: Some(report),
        }));
    }
}

impl Questions {
    /// The next question, not reported yet.
    pub(crate) async fn next(&mut self) -> Asked {
        timeout(PATIENCE, self.asked.recv())
            .await
            .expect("a question is asked")
            .expect("the manager is there")
    }

    /// The next question, reported as taken.
    pub(crate) async fn next_taken(&mut self) -> Asked {
        let mut asked = self.next().await;
        asked.report(Ok(()));
        asked
    }

    /// Returns the number of questions that wait to be looked at.
    pub(crate) fn waiting(&self) -> usize {
        self.asked.len()
    }

    /// This happens once, while the next floor is read.
    pub(crate) fn while_the_floor_is_read(&self, happens: impl FnOnce() + Send + 'static) {
        *self.on_floor.lock().unwrap() = Some(Box::new(happens));
    }
}

impl Asked {
    pub(crate) fn text(&self) -> &str {
        self.question.text.expose()
    }

    /// Reports how the publish went.
    pub(crate) fn report(&mut self, outcome: Result<(), PublishFailure>) {
        self.report.take().expect("reported once").report(outcome);
    }

    /// Loses the report.
    pub(crate) fn lose_report(&mut self) {
        self.report = None;
    }
}

/// The record an answerer writes that echoes the question's id.
pub(crate) fn answer_to(asked: &Asked, body: AnswerBody) -> Answer {
    Answer {
        wire_id: asked.question.wire_id.clone(),
        question_id: QuestionIdEcho::Echoed(asked.question.question_id),
        part: AnswerPart::Whole,
        body,
        position: RecordPosition {
            partition: 0,
            offset: 0,
        },
        metadata: None,
        is_replayed: false,
    }
}
