//! Serves WebSocket sessions, version 1, and answers each question with the question itself, until
//! Ctrl-C.
//!
//! ```text
//! cargo run -p ws-gateway --example sessions -- 8080
//! answer-gateway ask --url ws://127.0.0.1:8080 "Is anybody there?"
//! ```
#![expect(clippy::print_stdout, reason = "printing is what this program is for")]

use std::env;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use telemetry::Metrics;
use tokio::sync::mpsc;
use types::{
    Answer, AnswerBody, AnswerPart, AnswerText, MinOffsets, Persisted, PublishFailure,
    PublishReport, QuestionIdEcho, QuestionRecord, RecordPosition, TraceContext,
};
use ws_gateway::{
    BoundPublicServer, CoreSettings, DrainPlan, Health, NoAnswerHistory, QuestionSink, Readiness,
    ServerSettings, SessionSettings, WebSocketSessionManager,
};

/// Takes the place of Kafka and of whoever answers: says back what was asked.
struct Echo(mpsc::Sender<Answer>);

impl QuestionSink for Echo {
    fn min_offsets(&self) -> MinOffsets {
        MinOffsets::unknown()
    }

    fn publish(
        &self,
        question: QuestionRecord,
        _trace: Option<TraceContext>,
        report: PublishReport,
    ) {
        let taken = self.0.try_send(echo_of(question));
        report.report(taken.map_err(|_full| PublishFailure {
            persisted: Persisted::No,
        }));
    }
}

fn echo_of(question: QuestionRecord) -> Answer {
    Answer {
        wire_id: question.wire_id,
        question_id: QuestionIdEcho::Echoed(question.question_id),
        part: AnswerPart::Whole,
        body: AnswerBody::Text(AnswerText::new(question.text.expose())),
        position: RecordPosition {
            partition: 0,
            offset: 0,
        },
        metadata: None,
        is_replayed: false,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::args().nth(1).map_or(Ok(0), |port| port.parse())?;

    // Initialise the components.
    let (echo, mut answers) = mpsc::channel(1_000);
    let manager = WebSocketSessionManager::new(
        CoreSettings::default(),
        SessionSettings::default(),
        Arc::new(Echo(echo)),
        Arc::new(NoAnswerHistory),
        Metrics::new()?.instruments(),
    );

    // Serve sessions in the background.
    let bound = BoundPublicServer::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let address = bound.address();
    let health = Health::new_starting();
    health.set_readiness(Readiness::default());
    let server = bound.serve(&ServerSettings::default(), manager.clone(), health.clone())?;
    tokio::spawn({
        let manager = manager.clone();
        async move { manager.run_deadlines().await }
    });
    tokio::spawn({
        let manager = manager.clone();
        async move {
            while let Some(answer) = answers.recv().await {
                manager.deliver(answer, None);
            }
        }
    });
    println!("serving sessions on ws://{address}");

    // Stop: no new sessions, and those there are get their answer first.
    tokio::signal::ctrl_c().await?;
    health.stop_admitting();
    let plan = DrainPlan {
        close_rate: NonZeroU32::new(1_000).expect("1,000 is not 0"),
        budget: Duration::from_secs(5),
    };
    manager.drain(plan).await;
    server.stop(Duration::from_secs(1)).await;
    println!("stopped");
    Ok(())
}
