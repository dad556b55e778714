//! Creates the prerequisites of the first question: both topics and the schemas of their records.

use anyhow::{Context, Result, bail};
use apache_avro::Schema;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;
use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_schema_by_subject, post_schema,
};
use schema_registry_converter::schema_registry_common::{
    RegisteredSchema, SchemaType, SubjectNameStrategy, SuppliedSchema,
};

use crate::args::Args;

/// A schema and the id it is registered under.
#[derive(Debug)]
pub(crate) struct SchemaWithId {
    /// Stands before every value.
    pub(crate) id: u32,
    /// The schema that the value is written with.
    pub(crate) schema: Schema,
}

/// The schemas of both topics.
#[derive(Debug)]
pub(crate) struct TopicSchemas {
    /// The schema of questions.
    pub(crate) question: SchemaWithId,
    /// The schema of answers.
    pub(crate) answer: SchemaWithId,
}

/// Looks the schemas up, registering the answer's; with `--create-topics` makes what is missing.
pub(crate) async fn prepare_topics(args: &Args) -> Result<TopicSchemas> {
    let registry = SrSettings::new(args.registry.trim_end_matches('/').to_owned());
    if args.create_topics {
        create_topics(args).await?;
    }
    let question = question_schema(args, &registry).await?;
    let answer = register_schema(&registry, &args.answers_topic, ANSWER).await?;
    Ok(TopicSchemas {
        question: SchemaWithId::parse(&question)?,
        answer: SchemaWithId::parse(&answer)?,
    })
}

impl SchemaWithId {
    fn parse(registered: &RegisteredSchema) -> Result<Self> {
        Ok(Self {
            id: registered.id,
            schema: Schema::parse_str(&registered.schema)?,
        })
    }
}

async fn question_schema(args: &Args, registry: &SrSettings) -> Result<RegisteredSchema> {
    let topic = &args.questions_topic;
    let by_subject = SubjectNameStrategy::TopicNameStrategy(topic.clone(), false);
    match get_schema_by_subject(registry, &by_subject).await {
        Ok(found) => Ok(found),
        Err(_) if args.create_topics => register_schema(registry, topic, QUESTION).await,
        Err(problem) => Err(problem).with_context(|| {
            format!(
                "no schema of {topic}-value in {}; see --create-topics",
                args.registry
            )
        }),
    }
}

async fn register_schema(
    registry: &SrSettings,
    topic: &str,
    schema: &str,
) -> Result<RegisteredSchema> {
    let supplied = SuppliedSchema::new(None, SchemaType::Avro, schema.to_owned());
    let subject = format!("{topic}-value");
    let done = post_schema(registry, subject.clone(), supplied).await;
    done.with_context(|| format!("registering the schema of {subject}"))
}

async fn create_topics(args: &Args) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &args.bootstrap)
        .create()?;
    let names = [&args.questions_topic, &args.answers_topic];
    let wanted = names.map(|name| NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1)));
    let done = admin.create_topics(&wanted, &AdminOptions::new()).await;
    for outcome in done.with_context(|| format!("creating topics at {}", args.bootstrap))? {
        match outcome {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, problem)) => bail!("creating {name}: {problem}"),
        }
    }
    Ok(())
}

const PARTITIONS: i32 = 6;
const QUESTION: &str = r#"{"type":"record","name":"Pergunta","fields":[{"name":"session_id","type":"string"},{"name":"pergunta","type":"string"}]}"#;
const ANSWER: &str = r#"{"type":"record","name":"Resposta","fields":[{"name":"session_id","type":"string"},{"name":"resposta","type":"string"}]}"#;
