//! Checks that the brokers let this client in, and that those they name can be reached too.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::admin::AdminClient;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, NoCustomPartitioner, Producer, ProducerContext};
use tokio::task::block_in_place;

use super::{
    CHECK_TIMEOUT, CheckSettings, CheckVerdict, Finding, TOPIC_CHECKS, reachability,
    report_skipped, topics,
};
use crate::{StartError, client_config};

/// A client that remembers what librdkafka said of itself, and says nothing.
#[derive(Clone, Default)]
pub(super) struct ErrorRecorder(Arc<Mutex<Vec<RecordedError>>>);

/// An error's code and words.
type RecordedError = (Option<RDKafkaErrorCode>, String);

impl ClientContext for ErrorRecorder {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A few are enough to tell the cause.
        if heard.len() < 16 {
            heard.push((error.rdkafka_error_code(), reason.to_owned()));
        }
    }
}

impl ProducerContext for ErrorRecorder {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &rdkafka::message::DeliveryResult<'_>, (): Self::DeliveryOpaque) {}
}

type CheckClient = BaseProducer<ErrorRecorder, NoCustomPartitioner>;

pub(super) async fn check_brokers(
    settings: &CheckSettings,
    tell: &mut (dyn FnMut(Finding) + Send),
) -> Result<(), StartError> {
    let config = client_config::producer_config(&settings.kafka, CHECK_TIMEOUT, 1)?;
    let heard = ErrorRecorder::default();
    let client: CheckClient = config
        .create_with_context(heard.clone())
        .map_err(StartError::client)?;
    let metadata = match block_in_place(|| client.client().fetch_metadata(None, CHECK_TIMEOUT)) {
        Ok(metadata) => metadata,
        Err(error) => {
            // What went wrong is told to the poller, not to the caller.
            client.poll(CHECK_TIMEOUT / 50);
            tell(connection_refused_finding(&error, &heard));
            report_skipped(&TOPIC_CHECKS, "the brokers do not let this client in", tell);
            return Ok(());
        }
    };
    let brokers = metadata.brokers();
    let seen = format!("logged in; the cluster has {} brokers", brokers.len());
    tell(Finding::ok("kafka.login", seen));
    for broker in brokers {
        let server = format!("{}:{}", broker.host(), broker.port());
        let mut found = reachability::check_connection(&server, "kafka.brokers").await;
        if found.verdict == CheckVerdict::Failure {
            "the broker names itself so (advertised.listeners): every client must be able to reach that name"
                .clone_into(&mut found.advice);
        }
        tell(found);
    }
    let admin: AdminClient<ErrorRecorder> = config
        .create_with_context(heard.clone())
        .map_err(StartError::client)?;
    topics::check_topics(settings, &metadata, &admin, tell).await;
    Ok(())
}

/// Returns the finding for brokers that told nothing.
fn connection_refused_finding(error: &KafkaError, heard: &ErrorRecorder) -> Finding {
    use RDKafkaErrorCode::{Authentication, SSL, SaslAuthenticationFailed};
    let heard = heard.0.lock().unwrap_or_else(PoisonError::into_inner);
    let said = |wanted: &[RDKafkaErrorCode]| {
        let mut heard = heard.iter();
        let found = heard.find(|(code, _)| code.is_some_and(|code| wanted.contains(&code)));
        found.map(|(_, reason)| reason.clone())
    };
    let check = "kafka.login";
    if let Some(reason) = said(&[Authentication, SaslAuthenticationFailed]) {
        let advice = "look at kafka.api_key, kafka.api_secret and kafka.sasl_mechanism";
        return Finding::failure(
            check,
            format!("the broker refuses the login: {reason}"),
            advice,
        );
    }
    if let Some(reason) = said(&[SSL]) {
        let advice = "look at kafka.ssl_ca (who signed the broker's certificate), and whether the \
                      name in kafka.bootstrap_servers is in that certificate";
        return Finding::failure(check, format!("no TLS connection: {reason}"), advice);
    }
    let last = heard.last().map(|(_, reason)| reason.clone());
    let reason = last.unwrap_or_else(|| error.to_string());
    Finding::failure(
        check,
        format!("the port is open and no Kafka answers there: {reason}"),
        "look at kafka.security_protocol: a listener with TLS or SASL does not answer clients without",
    )
}
