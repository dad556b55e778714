//! The schema registry's client: schemas by id, by GUID and by subject, with what they refer to.
//!
//! One request after another and no retry: whoever asks decides what an error means and when to ask
//! again. The requests are `schema_registry_converter`'s, none of its caches is used (they keep
//! errors), and [`crate::registry_reply`] looks at every reply first.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use avro_codec::{SchemaRef, SchemaSet};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Certificate, ClientBuilder};
use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_schema_by_guid, get_schema_by_id, get_schema_by_subject_and_version,
    post_schema,
};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{
    RegisteredReference, RegisteredSchema, SchemaType, SuppliedSchema,
};

use crate::events::LookupResult;
use crate::registry_reply::check_reply;
use crate::{Secret, StartError};

/// The connection to the schema registry (Confluent's REST API) and its login.
#[derive(Debug, Clone)]
pub struct RegistrySettings {
    /// Its base URL, without a user name and password in it: [`Self::auth`] has those.
    pub url: String,
    /// The login.
    pub auth: RegistryAuth,
    /// Certificates (PEM) to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The longest time for one request, connecting included.
    pub timeout: Duration,
}

impl RegistrySettings {
    /// No login, the system's certificates, 5 s for a request.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            auth: RegistryAuth::None,
            ca_file: None,
            timeout: Duration::from_secs(5),
        }
    }
}

/// The login to the schema registry.
#[derive(Debug, Clone)]
pub enum RegistryAuth {
    /// Not at all.
    None,
    /// Basic authentication.
    Basic {
        /// User name, or API key.
        user: Secret,
        /// Password, or the API key's secret.
        password: Secret,
    },
    /// A bearer token.
    Bearer(Secret),
}

/// The client. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub(crate) struct RegistryClient(SrSettings);

/// A schema's text and the texts of all it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchedSchema {
    pub(crate) text: String,
    pub(crate) references: Vec<String>,
}

/// A subject's latest schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LatestSchema {
    pub(crate) id: u32,
    pub(crate) schema: FetchedSchema,
}

/// The reason for which the registry gave no schema. Holds no secret and no URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RegistryClientError {
    /// The registry answers and does not have it.
    #[error("not in the registry")]
    NotFound,
    /// The login, or the right to read, is refused.
    #[error("the registry refuses the login")]
    Login,
    /// No answer, or none that is the registry's: ask again later.
    #[error("{0}")]
    Unavailable(String),
    /// The registry refuses to register the schema, with this HTTP status.
    #[error("the registry refuses the schema with HTTP status {0}")]
    Refused(u16),
    /// The registry's answer is complete and of no use, for this reason (a metric label).
    #[error("the registry's schema is of no use: {0}")]
    Unusable(&'static str),
}

impl RegistryClient {
    /// A client by `settings`. Connects at its first request.
    ///
    /// # Errors
    ///
    /// [`StartError::RegistryCa`] and [`StartError::Registry`].
    pub(crate) fn new(settings: &RegistrySettings) -> Result<Self, StartError> {
        let mut http = ClientBuilder::new().user_agent("answer-gateway");
        if let Some(file) = &settings.ca_file {
            http = http.tls_certs_merge(load_certificates(file)?);
        }
        let url = settings.url.trim_end_matches('/').to_owned();
        let mut builder = SrSettings::new_builder(url);
        builder.set_timeout(settings.timeout);
        builder.with_middleware(check_reply);
        match &settings.auth {
            RegistryAuth::None => {}
            RegistryAuth::Basic { user, password } => {
                builder.set_basic_authorization(user.expose(), Some(password.expose()));
            }
            RegistryAuth::Bearer(token) => {
                builder.set_token_authorization(token.expose());
            }
        }
        let client = builder.build_with(http);
        client.map(Self).map_err(|error| StartError::Registry {
            reason: error.error,
        })
    }

    /// The schema that records name by id or GUID.
    pub(crate) async fn fetch_schema(
        &self,
        schema: SchemaRef,
    ) -> Result<FetchedSchema, RegistryClientError> {
        let found = match schema {
            SchemaRef::Id(id) => {
                let found = get_schema_by_id(id, &self.0).await;
                found.map_err(|error| map_refusal(error, unexpected_status))?
            }
            SchemaRef::Guid(_) => {
                let found = get_schema_by_guid(&schema.to_string(), &self.0).await;
                // Registries that know no GUIDs refuse the path in words of their own.
                found.map_err(|error| map_refusal(error, |_| RegistryClientError::NotFound))?
            }
        };
        self.fetch_references(found).await
    }

    /// The subject's latest schema.
    pub(crate) async fn fetch_latest(
        &self,
        subject: &str,
    ) -> Result<LatestSchema, RegistryClientError> {
        let found = self.fetch_subject(subject, None).await?;
        let id = found.id;
        let schema = self.fetch_references(found).await?;
        Ok(LatestSchema { id, schema })
    }

    /// Registers `schema`, or finds it registered, and returns its id.
    pub(crate) async fn register(
        &self,
        subject: &str,
        schema: &str,
    ) -> Result<u32, RegistryClientError> {
        let schema = SuppliedSchema::new(None, SchemaType::Avro, schema.to_owned());
        let registered = post_schema(&self.0, encode_subject(subject), schema).await;
        let refusal = |status| match status {
            404 => unexpected_status(status),
            _ => RegistryClientError::Refused(status),
        };
        registered
            .map(|registered| registered.id)
            .map_err(|error| map_refusal(error, refusal))
    }

    async fn fetch_subject(
        &self,
        subject: &str,
        version: Option<u32>,
    ) -> Result<RegisteredSchema, RegistryClientError> {
        get_schema_by_subject_and_version(&self.0, &encode_subject(subject), version)
            .await
            .map_err(|error| map_refusal(error, unexpected_status))
    }

    /// Fetches what `schema` refers to, and what that refers to, each once.
    async fn fetch_references(
        &self,
        schema: RegisteredSchema,
    ) -> Result<FetchedSchema, RegistryClientError> {
        let mut length = checked_avro_length(&schema)?;
        let mut wanted: Vec<RegisteredReference> = Vec::new();
        add_references(&mut wanted, schema.references)?;
        let mut references = Vec::new();
        while let Some(reference) = wanted.get(references.len()) {
            let (subject, version) = (reference.subject.clone(), reference.version);
            let found = self.fetch_subject(&subject, Some(version)).await?;
            length += checked_avro_length(&found)?;
            if length > SchemaSet::MAX_SCHEMA_BYTES {
                return Err(RegistryClientError::Unusable("schema_too_large"));
            }
            add_references(&mut wanted, found.references)?;
            references.push(found.schema);
        }
        Ok(FetchedSchema {
            text: schema.schema,
            references,
        })
    }
}

/// Classifies the result of a request, for the count of requests.
impl<T> From<&Result<T, RegistryClientError>> for LookupResult {
    fn from(reply: &Result<T, RegistryClientError>) -> Self {
        match reply {
            Ok(_) => Self::Ok,
            Err(RegistryClientError::NotFound) => Self::NotFound,
            Err(RegistryClientError::Login) => Self::Unauthorized,
            Err(RegistryClientError::Unavailable(_)) => Self::Unavailable,
            Err(RegistryClientError::Refused(_) | RegistryClientError::Unusable(_)) => {
                Self::Invalid
            }
        }
    }
}

/// Says nothing: what is inside has the secrets in the clear.
impl fmt::Debug for RegistryClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegistryClient")
    }
}

fn load_certificates(file: &Path) -> Result<Vec<Certificate>, StartError> {
    let unreadable = |reason: String| StartError::RegistryCa { reason };
    let pem = std::fs::read(file).map_err(|error| unreadable(error.to_string()))?;
    let certificates =
        Certificate::from_pem_bundle(&pem).map_err(|_| unreadable("not PEM".to_owned()))?;
    if certificates.is_empty() {
        return Err(unreadable("no certificate in it".to_owned()));
    }
    Ok(certificates)
}

fn checked_avro_length(schema: &RegisteredSchema) -> Result<usize, RegistryClientError> {
    if schema.schema_type == SchemaType::Avro {
        Ok(schema.schema.len())
    } else {
        Err(RegistryClientError::Unusable("schema_not_avro"))
    }
}

/// Adds those of `references` that are not there yet.
fn add_references(
    wanted: &mut Vec<RegisteredReference>,
    references: Vec<RegisteredReference>,
) -> Result<(), RegistryClientError> {
    for reference in references {
        let same = |other: &RegisteredReference| {
            other.subject == reference.subject && other.version == reference.version
        };
        if wanted.iter().any(same) {
            continue;
        }
        if wanted.len() >= SchemaSet::MAX_REFERENCES {
            return Err(RegistryClientError::Unusable("schema_references"));
        }
        wanted.push(reference);
    }
    Ok(())
}

/// The subject as one segment of a path.
fn encode_subject(subject: &str) -> String {
    utf8_percent_encode(subject, PATH_SEGMENT).to_string()
}

/// A status that no registry answers to a look-up with: something else stands at its address.
fn unexpected_status(status: u16) -> RegistryClientError {
    RegistryClientError::Unavailable(format!("HTTP status {status}, not in a registry's words"))
}

/// The error, where a refusal means what `refusal` makes of its status.
fn map_refusal(
    error: SRCError,
    refusal: impl FnOnce(u16) -> RegistryClientError,
) -> RegistryClientError {
    let error = RegistryClientError::from(error);
    if let RegistryClientError::Refused(status) = error {
        return refusal(status);
    }
    error
}

/// Characters that a path segment may have as they are (RFC 3986, unreserved); the rest is percent-encoded.
const PATH_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use avro_codec::MINIMAL_ANSWER_SCHEMA;
    use embedded::DemoRegistry;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::*;

    const CANARY: &str = "canary-secret";
    const INNER: &str = r#"{"type":"record","name":"Inner","fields":[]}"#;
    const OUTER: &str =
        r#"{"type":"record","name":"Outer","fields":[{"name":"inner","type":"Inner"}]}"#;

    fn client(url: impl Into<String>) -> RegistryClient {
        RegistryClient::new(&RegistrySettings::new(url)).unwrap()
    }

    /// A server that gives one reply; its task returns the request.
    async fn server(status: &str, body: Vec<u8>) -> (String, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let served = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = socket.read(&mut request).await.unwrap();
            request.truncate(length);
            socket.write_all(head.as_bytes()).await.unwrap();
            // The client may hang up before the end.
            drop(socket.write_all(&body).await);
            String::from_utf8(request).unwrap()
        });
        (url, served)
    }

    async fn register_with(registry: &DemoRegistry, subject: &str, schema: &str, references: &str) {
        let schema = serde_json::Value::from(schema);
        let body = format!(r#"{{"schema":{schema},"references":{references}}}"#);
        let url = format!("{}/subjects/{subject}/versions", registry.url());
        let reply = reqwest::Client::new().post(url).body(body).send().await;
        assert!(reply.unwrap().status().is_success());
    }

    #[tokio::test]
    async fn what_a_schema_refers_to_comes_with_it_each_once() {
        let registry = DemoRegistry::start(0).await.unwrap();
        registry.register("inner", INNER).unwrap();
        let inner = r#"{"name":"Inner","subject":"inner","version":1}"#;
        register_with(&registry, "outer", OUTER, &format!("[{inner}]")).await;
        let outer = r#"{"name":"Outer","subject":"outer","version":1}"#;
        let text = r#"{"type":"record","name":"Top","fields":[
            {"name":"a","type":"Outer"},{"name":"b","type":"Inner"}]}"#;
        register_with(&registry, "top", text, &format!("[{outer},{inner}]")).await;

        let latest = client(registry.url()).fetch_latest("top").await.unwrap();
        assert_eq!(latest.id, 3);
        assert_eq!(latest.schema.references, [OUTER, INNER]);
        assert_eq!(latest.schema.text, text);
    }

    #[tokio::test]
    async fn a_subject_may_have_any_name() {
        let registry = DemoRegistry::start(0).await.unwrap();
        for subject in ["a/b", "a b", "a?b#c", "ação", "a%2Fb"] {
            let id = client(registry.url())
                .register(subject, MINIMAL_ANSWER_SCHEMA)
                .await
                .unwrap();
            let latest = client(registry.url()).fetch_latest(subject).await.unwrap();
            assert_eq!(latest.id, id, "{subject}");
        }
    }

    #[tokio::test]
    async fn a_refused_registration_is_told_from_a_registry_that_is_away() {
        let registry = DemoRegistry::start(0).await.unwrap();
        let refused = client(registry.url()).register("s", "no schema").await;
        assert_eq!(refused, Err(RegistryClientError::Refused(422)));
        let (url, _) = server("404 Not Found", b"default backend".to_vec()).await;
        let away = client(url)
            .register("s", MINIMAL_ANSWER_SCHEMA)
            .await
            .unwrap_err();
        assert!(
            matches!(away, RegistryClientError::Unavailable(_)),
            "{away:?}"
        );
    }

    #[tokio::test]
    async fn only_a_guid_is_taken_for_missing_without_the_registrys_word() {
        let guid = SchemaRef::Guid([7; 16]);
        for (schema, missing) in [(guid, true), (SchemaRef::Id(7), false)] {
            let (url, _) = server("404 Not Found", Vec::new()).await;
            let error = client(url).fetch_schema(schema).await.unwrap_err();
            assert_eq!(error == RegistryClientError::NotFound, missing, "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_reply_is_read_up_to_a_bound_and_has_to_be_the_registrys() {
        let (url, _) = server("200 OK", vec![b' '; 5 << 20]).await;
        assert_eq!(
            client(url).fetch_schema(SchemaRef::Id(1)).await,
            Err(RegistryClientError::Unusable("schema_too_large"))
        );
        for body in ["<html>log in here</html>", "{}"] {
            let (url, _) = server("200 OK", body.into()).await;
            let error = client(url)
                .fetch_schema(SchemaRef::Id(1))
                .await
                .unwrap_err();
            assert!(
                matches!(error, RegistryClientError::Unavailable(_)),
                "{error:?}"
            );
        }
        let protobuf = r#"{"schema":"syntax","schemaType":"PROTOBUF"}"#;
        let (url, _) = server("200 OK", protobuf.into()).await;
        assert_eq!(
            client(url).fetch_schema(SchemaRef::Id(1)).await,
            Err(RegistryClientError::Unusable("schema_not_avro"))
        );
    }

    #[tokio::test]
    async fn the_login_is_sent_and_never_shown() {
        let basic = RegistryAuth::Basic {
            user: Secret::new("user"),
            password: Secret::new(CANARY),
        };
        let bearer = RegistryAuth::Bearer(Secret::new(CANARY));
        for (auth, header) in [
            (basic, "authorization: Basic dXNlcjpjYW5hcnktc2VjcmV0"),
            (bearer, "authorization: Bearer canary-secret"),
        ] {
            let (url, served) = server("401 Unauthorized", Vec::new()).await;
            let settings = RegistrySettings {
                auth,
                ..RegistrySettings::new(url)
            };
            let client = RegistryClient::new(&settings).unwrap();
            let error = client.fetch_schema(SchemaRef::Id(1)).await.unwrap_err();
            assert_eq!(error, RegistryClientError::Login);
            let request = served.await.unwrap();
            assert!(request.contains(header), "{request}");
            let said = format!("{settings:?} {client:?} {error:?} {error}");
            assert!(!said.contains(CANARY), "{said}");
        }
    }

    #[tokio::test]
    async fn a_registry_that_is_not_there_is_told_without_its_address() {
        let registry = DemoRegistry::start(0).await.unwrap();
        let url = registry.url();
        registry.stop().await;
        let error = client(&url).fetch_latest("s").await.unwrap_err();
        let RegistryClientError::Unavailable(problem) = error else {
            panic!("{error:?}");
        };
        assert!(problem.contains("refused"), "{problem}");
        assert!(!problem.contains("127.0.0.1"), "{problem}");
    }

    #[test]
    fn a_ca_file_has_to_have_a_certificate() {
        for file in ["/does/not/exist", "Cargo.toml"] {
            let settings = RegistrySettings {
                ca_file: Some(file.into()),
                ..RegistrySettings::new("https://registry")
            };
            let refused = RegistryClient::new(&settings);
            assert!(
                matches!(refused, Err(StartError::RegistryCa { .. })),
                "{file}"
            );
        }
    }
}
