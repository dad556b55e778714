//! Reads answers and prints them, until Ctrl-C.
//!
//! ```text
//! KAFKA_BOOTSTRAP_SERVERS=localhost:9092 KAFKA_SCHEMA_REGISTRY_URL=http://localhost:8081 \
//!     cargo run -p kafka-ingest --example consume
//! ```
#![expect(clippy::print_stdout, reason = "printing is what this program is for")]

use std::env;
use std::error::Error;
use std::sync::Arc;

use kafka_ingest::{
    AnswerSink, ConsumerSettings, KafkaResponseConsumer, KafkaSettings, RegistrySettings,
};
use telemetry::Metrics;
use types::{Answer, AnswerBody, QuestionId, TraceContext};

/// Takes the place of the sessions.
struct Printer;

impl AnswerSink for Printer {
    fn deliver(&self, answer: Answer, _trace: Option<TraceContext>) {
        match answer.body {
            AnswerBody::Text(text) => println!("{}: {}", answer.wire_id, text.expose()),
            AnswerBody::Failed(_) => println!("{}: no answer", answer.wire_id),
        }
    }

    fn is_session_known(&self, _wire_id: &str) -> bool {
        true
    }

    fn is_question_awaited(&self, _question: QuestionId) -> bool {
        true
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Initialise the components.
    let mut settings = ConsumerSettings::new(
        KafkaSettings::new(env::var("KAFKA_BOOTSTRAP_SERVERS")?),
        RegistrySettings::new(env::var("KAFKA_SCHEMA_REGISTRY_URL")?),
    );
    if let Ok(group_id) = env::var("KAFKA_CONSUMER_GROUP_ID") {
        settings.group_id = group_id;
    }
    let instruments = Metrics::new()?.instruments();
    let consumer = KafkaResponseConsumer::new(settings, Arc::new(Printer), instruments);

    // Start the consumer in the background.
    let consumer = consumer.start()?;
    let mut status = consumer.watch();
    status
        .wait_for(|status| status.positioned || !status.running)
        .await?;
    println!("reading answers");

    // Stop the consumer.
    tokio::signal::ctrl_c().await?;
    consumer.stop().await;
    println!("stopped");
    Ok(())
}
