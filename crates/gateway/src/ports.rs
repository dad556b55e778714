//! Connects Kafka and the sessions: each port of one crate is implemented by the other. The only
//! place that knows both.

use std::sync::{Arc, OnceLock};

use kafka_ingest::{AnswerSink, ConsumerHandle, QuestionPublisher, RecoveryOutcome};
use types::{
    Answer, AnswerLookup, MinOffsets, PublishReport, QuestionId, QuestionRecord, RecordPosition,
    TraceContext,
};
use ws_gateway::{
    AnswerHistory, QuestionSink, RecoveryResponder, RecoveryResult, WebSocketSessionManager,
};

/// Answers go to the sessions.
pub(crate) struct SessionAnswerSink(pub(crate) WebSocketSessionManager);

impl AnswerSink for SessionAnswerSink {
    fn deliver(&self, answer: Answer, trace: Option<TraceContext>) {
        self.0.deliver(answer, trace);
    }

    fn on_foreign_answer(&self, _: RecordPosition) {
        self.0.count_foreign_answer();
    }

    fn is_session_known(&self, wire_id: &str) -> bool {
        self.0.is_session_known(wire_id)
    }

    fn is_question_awaited(&self, question: QuestionId) -> bool {
        self.0.is_question_outstanding(question)
    }
}

/// Questions go to the publisher.
pub(crate) struct KafkaQuestionSink {
    pub(crate) publisher: Arc<QuestionPublisher>,
    /// Set once the consumer runs, which is before the first session is admitted.
    pub(crate) consumer: Arc<OnceLock<ConsumerHandle>>,
}

impl QuestionSink for KafkaQuestionSink {
    fn min_offsets(&self) -> MinOffsets {
        let consumer = self.consumer.get();
        consumer.map_or_else(MinOffsets::unknown, ConsumerHandle::min_offsets)
    }

    fn publish(
        &self,
        question: QuestionRecord,
        trace: Option<TraceContext>,
        report: PublishReport,
    ) {
        self.publisher.publish(question, trace, report);
    }
}

/// Looks up earlier answers at the consumer.
pub(crate) struct KafkaAnswerHistory {
    /// Set once the consumer runs, which is before the first session is admitted.
    pub(crate) consumer: Arc<OnceLock<ConsumerHandle>>,
}

impl AnswerHistory for KafkaAnswerHistory {
    fn begin_recovery(&self, wanted: AnswerLookup, report: RecoveryResponder) {
        let Some(consumer) = self.consumer.get() else {
            return report.respond(RecoveryResult::Unavailable);
        };
        consumer.begin_recovery(wanted, move |recovered| {
            report.respond(match recovered {
                RecoveryOutcome::Found(answers) => RecoveryResult::Found(answers),
                RecoveryOutcome::Unavailable(_) => RecoveryResult::Unavailable,
            });
        });
    }
}
