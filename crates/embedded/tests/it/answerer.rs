//! The demo as a whole, through a plain producer and consumer: questions in, answers out.

use std::time::Duration;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use embedded::{Demo, DemoError, DemoRegistry, DemoRegistryError, DemoSettings};
use rdkafka::Message as _;
use rdkafka::message::{Header, Headers as _, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_schema_by_id, post_schema,
};
use schema_registry_converter::schema_registry_common::{SchemaType, SuppliedSchema};

use crate::kafka::{PATIENCE, Reader, client};

const QUESTION: &str = r#"{"type":"record","name":"Pergunta","fields":[{"name":"session_id","type":"string"},{"name":"pergunta","type":"string"}]}"#;

#[tokio::test]
async fn a_question_is_answered_with_its_session_key_and_headers() {
    let mut asker = Asker::start().await;
    let headers = [
        ("question-id", "0123456789abcdef0123456789abcdef"),
        ("session-id", "s-1"),
        (
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ),
        ("reply-topic", "elsewhere"),
    ];
    let question = asker.question("s-1~x", "Which topics are there?");
    asker.send(&question, &headers).await;

    let answer = asker.answers.next().await;
    assert_eq!(answer.key(), Some("s-1~x".as_bytes()));
    assert_eq!(headers_of(&answer), headers[..3]);
    let (session_id, text) = asker.decoded(&answer).await;
    assert_eq!(session_id, "s-1~x");
    assert!(text.contains(".md §"), "{text}");
    asker.stop().await;
}

#[tokio::test]
async fn bad_records_between_questions_are_skipped() {
    let mut asker = Asker::start().await;
    let mut truncated = asker.question("lost", "Kafka?");
    truncated.truncate(9);
    let unknown = question(999, "lost", "Kafka?");
    for (number, bad) in [&b""[..], b"{}", &[0; 5], &truncated, &unknown]
        .into_iter()
        .enumerate()
    {
        asker.send(bad, &[]).await;
        let good = asker.question(&format!("kept-{number}"), "Kafka?");
        asker.send(&good, &[]).await;
    }
    let answered = asker.sessions_of(5).await;
    assert_eq!(answered, ["kept-0", "kept-1", "kept-2", "kept-3", "kept-4"]);
    asker.stop().await;
}

#[tokio::test]
async fn more_questions_than_are_thought_about_at_a_time_are_all_answered() {
    let mut asker = Asker::start().await;
    let sessions: Vec<_> = (0..200).map(|number| format!("{number:03}")).collect();
    for session in &sessions {
        asker.send(&asker.question(session, "Kafka?"), &[]).await;
    }
    assert_eq!(asker.sessions_of(200).await, sessions);
    asker.stop().await;
}

#[tokio::test]
async fn a_taken_registry_port_is_named() {
    let holder = DemoRegistry::start(0).await.unwrap();
    let port = holder.url().rsplit_once(':').unwrap().1.parse().unwrap();
    let settings = DemoSettings {
        registry_port: port,
        ..DemoSettings::default()
    };
    let error = Demo::start(settings).await.unwrap_err();
    assert!(
        matches!(error, DemoError::Registry(DemoRegistryError::PortTaken { port: taken }) if taken == port),
        "{error:?}"
    );
}

/// A demo, and somebody who asks it.
struct Asker {
    schema: u32,
    // In the order they are dropped: clients before the broker.
    producer: FutureProducer,
    answers: Reader,
    demo: Demo,
}

impl Asker {
    async fn start() -> Self {
        let settings = DemoSettings {
            thinking_time: Duration::ZERO,
            ..DemoSettings::default()
        };
        let demo = Demo::start(settings).await.unwrap();
        let schema = SuppliedSchema::new(None, SchemaType::Avro, QUESTION.to_owned());
        let registry = SrSettings::new(demo.registry_url());
        let registered = post_schema(&registry, "perguntas-value".to_owned(), schema).await;
        Self {
            schema: registered.unwrap().id,
            producer: client(demo.bootstrap_servers()).create().unwrap(),
            answers: Reader::new(demo.bootstrap_servers(), "respostas", 3),
            demo,
        }
    }

    async fn stop(self) {
        drop((self.producer, self.answers));
        self.demo.stop().await;
    }

    fn question(&self, session_id: &str, text: &str) -> Vec<u8> {
        question(self.schema, session_id, text)
    }

    async fn send(&self, value: &[u8], headers: &[(&str, &str)]) {
        let headers = headers
            .iter()
            .map(|(key, value)| Header {
                key,
                value: Some(*value),
            })
            .fold(OwnedHeaders::new(), OwnedHeaders::insert);
        let record: FutureRecord<'_, str, [u8]> = FutureRecord::to("perguntas")
            .payload(value)
            .headers(headers);
        self.producer.send(record, PATIENCE).await.unwrap();
    }

    /// Returns the sessions of the next answers, in alphabetical order.
    async fn sessions_of(&mut self, answers: usize) -> Vec<String> {
        let mut sessions = Vec::new();
        for _ in 0..answers {
            let answer = self.answers.next().await;
            sessions.push(String::from_utf8(answer.key().unwrap().to_vec()).unwrap());
        }
        sessions.sort();
        sessions
    }

    async fn decoded(&self, answer: &OwnedMessage) -> (String, String) {
        let (prefix, mut datum) = answer.payload().unwrap().split_at(5);
        let id = u32::from_be_bytes(prefix[1..].try_into().unwrap());
        let registry = SrSettings::new(self.demo.registry_url());
        let schema = get_schema_by_id(id, &registry).await.unwrap().schema;
        let schema = Schema::parse_str(&schema).unwrap();
        let reader = GenericDatumReader::builder(&schema).build().unwrap();
        let Value::Record(fields) = reader.read_value(&mut datum).unwrap() else {
            panic!("no record");
        };
        match <[_; 2]>::try_from(fields).unwrap() {
            [(_, Value::String(session)), (_, Value::String(text))] => (session, text),
            other => panic!("{other:?}"),
        }
    }
}

/// Two short strings, written by hand so that nothing of the crate is trusted.
fn question(schema: u32, session_id: &str, text: &str) -> Vec<u8> {
    let mut value = vec![0];
    value.extend(schema.to_be_bytes());
    for field in [session_id, text] {
        let len = u8::try_from(field.len()).unwrap();
        assert!(len < 64, "one byte of zigzag");
        value.push(len * 2);
        value.extend(field.as_bytes());
    }
    value
}

fn headers_of(answer: &OwnedMessage) -> Vec<(&str, &str)> {
    let headers = answer.headers().unwrap();
    headers
        .iter()
        .map(|header| (header.key, str::from_utf8(header.value.unwrap()).unwrap()))
        .collect()
}
