//! Checks that the registry answers, and that its schemas of questions and answers can be used.

use avro_codec::{AnswerDecoder, QuestionEncoder, SchemaRef, SchemaSet};

use super::{CheckSettings, Finding, report_skipped};
use crate::StartError;
use crate::registry::{LatestSchema, RegistryClient, RegistryClientError};

pub(super) async fn check_schemas(
    settings: &CheckSettings,
    tell: &mut (dyn FnMut(Finding) + Send),
) -> Result<(), StartError> {
    let registry = RegistryClient::new(&settings.registry)?;
    let questions = registry.fetch_latest(&settings.question_subject).await;
    if let Err(error @ (RegistryClientError::Unavailable(_) | RegistryClientError::Login)) =
        &questions
    {
        tell(registry_unreachable(error));
        let schemas = ["schema.question", "schema.answer"];
        report_skipped(&schemas, "the schema registry does not answer", tell);
        return Ok(());
    }
    tell(Finding::ok(
        "registry.connect",
        "the schema registry answers",
    ));
    tell(check_question_schema(settings, questions));
    let subject = format!("{}-value", settings.answers_topic);
    let answers = registry.fetch_latest(&subject).await;
    tell(check_answer_schema(settings, &subject, answers));
    Ok(())
}

fn registry_unreachable(error: &RegistryClientError) -> Finding {
    let check = "registry.connect";
    match error {
        RegistryClientError::Login => Finding::failure(
            check,
            "the schema registry refuses the login",
            "look at registry.api_key and registry.api_secret, or registry.bearer_token",
        ),
        RegistryClientError::NotFound
        | RegistryClientError::Unavailable(_)
        | RegistryClientError::Refused(_)
        | RegistryClientError::Unusable(_) => Finding::failure(
            check,
            format!("the schema registry does not answer: {error}"),
            "look at registry.url (its path included) and registry.ssl_ca",
        ),
    }
}

fn check_question_schema(
    settings: &CheckSettings,
    latest: Result<LatestSchema, RegistryClientError>,
) -> Finding {
    let check = "schema.question";
    let subject = &settings.question_subject;
    let latest = match latest {
        Ok(latest) => latest,
        Err(RegistryClientError::NotFound) if settings.auto_register => {
            let seen =
                format!("`{subject}` has no schema; the gateway will register the minimal one");
            return Finding::ok(check, seen);
        }
        Err(RegistryClientError::NotFound) => {
            return Finding::failure(
                check,
                format!("`{subject}` has no schema, and questions cannot be written without one"),
                "register one, or set registry.auto_register",
            );
        }
        Err(error) => return unusable_schema(check, subject, &error.to_string()),
    };
    let LatestSchema { id, schema } = latest;
    let fields = &settings.question_fields;
    match QuestionEncoder::new(id, &schema.text, &schema.references, fields) {
        Ok(_) => Finding::ok(check, format!("`{subject}`, schema {id}, fits")),
        Err(error) => unusable_schema(check, subject, &error.to_string()),
    }
}

fn check_answer_schema(
    settings: &CheckSettings,
    subject: &str,
    latest: Result<LatestSchema, RegistryClientError>,
) -> Finding {
    let check = "schema.answer";
    let latest = match latest {
        Ok(latest) => latest,
        Err(RegistryClientError::NotFound) => {
            return Finding::warning(
                check,
                format!("`{subject}` has no schema yet"),
                "the answering side registers it with its first answer, or uses another subject",
            );
        }
        Err(error) => return unusable_schema(check, subject, &error.to_string()),
    };
    let LatestSchema { id, schema } = latest;
    let reference = SchemaRef::Id(id);
    let mut schemas = SchemaSet::default();
    if let Err(error) = schemas.insert(reference, &schema.text, &schema.references) {
        return unusable_schema(check, subject, &error.to_string());
    }
    let decoder = AnswerDecoder::new(settings.answer_fields.clone(), 0);
    match decoder.check_schema(reference, &schemas) {
        Ok(()) => Finding::ok(check, format!("`{subject}`, schema {id}, fits")),
        Err(error) => unusable_schema(check, subject, &error.to_string()),
    }
}

fn unusable_schema(check: &'static str, subject: &str, why: &str) -> Finding {
    Finding::failure(
        check,
        format!("the latest schema of `{subject}` cannot be used: {why}"),
        "register one that has the fields, or name them by schema.question.* and schema.answer.*",
    )
}
