//! Where Kafka and the sessions meet: each port of one crate implemented by the other. The only
//! place that knows both.

use std::sync::{Arc, OnceLock};

use kafka_ingest::{AnswerSink, ConsumerHandle, QuestionPublisher, Recovered, Wanted};
use types::{Answer, AnswerFloor, Question, QuestionId, RecordPosition, TraceContext};
use ws_gateway::{
    AnswerHistory, PublishFailure, PublishReport, QuestionSink, Recovery, RecoveryReport,
    WantedAnswer, WebSocketSessionManager,
};

/// Answers go to the sessions.
pub(crate) struct Answers(pub(crate) WebSocketSessionManager);

impl AnswerSink for Answers {
    fn deliver(&self, answer: Answer, trace: Option<TraceContext>) {
        self.0.deliver(answer, trace);
    }

    fn foreign(&self, _: RecordPosition) {
        self.0.count_foreign();
    }

    fn is_here(&self, wire_id: &str) -> bool {
        self.0.is_here(wire_id)
    }

    fn awaits(&self, question: QuestionId) -> bool {
        self.0.awaits(question)
    }
}

/// Questions go to the publisher.
pub(crate) struct Questions {
    pub(crate) publisher: Arc<QuestionPublisher>,
    /// Set once the consumer runs, which is before the first session is admitted.
    pub(crate) consumer: Arc<OnceLock<ConsumerHandle>>,
}

impl QuestionSink for Questions {
    fn floor(&self) -> AnswerFloor {
        let consumer = self.consumer.get();
        consumer.map_or_else(AnswerFloor::unknown, ConsumerHandle::floor)
    }

    fn publish(&self, question: Question, trace: Option<TraceContext>, report: PublishReport) {
        let report = kafka_ingest::PublishReport::new(move |outcome| {
            report.report(outcome.map_err(failure));
        });
        self.publisher.publish(question, trace, report);
    }
}

/// What was written before is asked of the consumer.
pub(crate) struct History {
    /// Set once the consumer runs, which is before the first session is admitted.
    pub(crate) consumer: Arc<OnceLock<ConsumerHandle>>,
}

impl AnswerHistory for History {
    fn recover(&self, wanted: WantedAnswer, report: RecoveryReport) {
        let Some(consumer) = self.consumer.get() else {
            return report.report(Recovery::Lost);
        };
        let wanted = Wanted {
            question_id: wanted.question_id,
            wire_id: wanted.wire_id,
            floor: wanted.floor,
        };
        consumer.recover(wanted, move |recovered| {
            report.report(match recovered {
                Recovered::Found(answers) => Recovery::Found(answers),
                Recovered::Lost(_) => Recovery::Lost,
            });
        });
    }
}

fn failure(failure: kafka_ingest::PublishFailure) -> PublishFailure {
    PublishFailure {
        persisted: match failure.persisted {
            kafka_ingest::Persisted::No => ws_gateway::Persisted::No,
            kafka_ingest::Persisted::Maybe => ws_gateway::Persisted::Maybe,
        },
    }
}
