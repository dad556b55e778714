//! Whether the registry answers, and whether its schemas of questions and answers can be used.

use avro_codec::{AnswerDecoder, QuestionEncoder, SchemaRef, SchemaSet};

use super::{CheckSettings, Finding, skip};
use crate::StartError;
use crate::registry::{Latest, RegistryClient, RegistryError};

pub(super) async fn check(
    settings: &CheckSettings,
    tell: &mut (dyn FnMut(Finding) + Send),
) -> Result<(), StartError> {
    let registry = RegistryClient::new(&settings.registry)?;
    let questions = registry.latest(&settings.question_subject).await;
    if let Err(error @ (RegistryError::Unavailable(_) | RegistryError::Login)) = &questions {
        tell(unreachable(error));
        let schemas = ["schema.question", "schema.answer"];
        skip(&schemas, "the schema registry does not answer", tell);
        return Ok(());
    }
    tell(Finding::ok(
        "registry.connect",
        "the schema registry answers",
    ));
    tell(question(settings, questions));
    let subject = format!("{}-value", settings.answers_topic);
    let answers = registry.latest(&subject).await;
    tell(answer(settings, &subject, answers));
    Ok(())
}

fn unreachable(error: &RegistryError) -> Finding {
    let check = "registry.connect";
    match error {
        RegistryError::Login => Finding::failure(
            check,
            "the schema registry refuses the login",
            "look at registry.api_key and registry.api_secret, or registry.bearer_token",
        ),
        RegistryError::NotFound
        | RegistryError::Unavailable(_)
        | RegistryError::Refused(_)
        | RegistryError::Unusable(_) => Finding::failure(
            check,
            format!("the schema registry does not answer: {error}"),
            "look at registry.url (its path included) and registry.ssl_ca",
        ),
    }
}

fn question(settings: &CheckSettings, latest: Result<Latest, RegistryError>) -> Finding {
    let check = "schema.question";
    let subject = &settings.question_subject;
    let latest = match latest {
        Ok(latest) => latest,
        Err(RegistryError::NotFound) if settings.auto_register => {
            let seen =
                format!("`{subject}` has no schema; the gateway will register the minimal one");
            return Finding::ok(check, seen);
        }
        Err(RegistryError::NotFound) => {
            return Finding::failure(
                check,
                format!("`{subject}` has no schema, and questions cannot be written without one"),
                "register one, or set registry.auto_register",
            );
        }
        Err(error) => return unusable(check, subject, &error.to_string()),
    };
    let Latest { id, schema } = latest;
    let fields = &settings.question_fields;
    match QuestionEncoder::new(id, &schema.text, &schema.references, fields) {
        Ok(_) => Finding::ok(check, format!("`{subject}`, schema {id}, fits")),
        Err(error) => unusable(check, subject, &error.to_string()),
    }
}

fn answer(
    settings: &CheckSettings,
    subject: &str,
    latest: Result<Latest, RegistryError>,
) -> Finding {
    let check = "schema.answer";
    let latest = match latest {
        Ok(latest) => latest,
        Err(RegistryError::NotFound) => {
            return Finding::warning(
                check,
                format!("`{subject}` has no schema yet"),
                "the answering side registers it with its first answer, or uses another subject",
            );
        }
        Err(error) => return unusable(check, subject, &error.to_string()),
    };
    let Latest { id, schema } = latest;
    let reference = SchemaRef::Id(id);
    let mut schemas = SchemaSet::default();
    if let Err(error) = schemas.insert(reference, &schema.text, &schema.references) {
        return unusable(check, subject, &error.to_string());
    }
    let decoder = AnswerDecoder::new(settings.answer_fields.clone(), 0);
    match decoder.fits(reference, &schemas) {
        Ok(()) => Finding::ok(check, format!("`{subject}`, schema {id}, fits")),
        Err(error) => unusable(check, subject, &error.to_string()),
    }
}

fn unusable(check: &'static str, subject: &str, why: &str) -> Finding {
    Finding::failure(
        check,
        format!("the latest schema of `{subject}` cannot be used: {why}"),
        "register one that has the fields, or name them by schema.question.* and schema.answer.*",
    )
}
