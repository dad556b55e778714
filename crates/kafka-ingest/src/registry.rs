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
use crate::registry_reply::look_at_reply;
use crate::{Secret, StartError};

/// How to reach the schema registry (Confluent's REST API) and log in.
#[derive(Debug, Clone)]
pub struct RegistrySettings {
    /// Its base URL, without a user name and password in it: [`Self::auth`] has those.
    pub url: String,
    /// How to log in.
    pub auth: RegistryAuth,
    /// Certificates (PEM) to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// How long one request may take, connecting included.
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

/// How to log in to the schema registry.
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
pub(crate) struct Fetched {
    pub(crate) text: String,
    pub(crate) references: Vec<String>,
}

/// A subject's latest schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Latest {
    pub(crate) id: u32,
    pub(crate) schema: Fetched,
}

/// Why the registry gave no schema. Holds no secret and no URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RegistryError {
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
            http = http.tls_certs_merge(certificates(file)?);
        }
        let url = settings.url.trim_end_matches('/').to_owned();
        let mut builder = SrSettings::new_builder(url);
        builder.set_timeout(settings.timeout);
        builder.with_middleware(look_at_reply);
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
    pub(crate) async fn by_ref(&self, schema: SchemaRef) -> Result<Fetched, RegistryError> {
        let found = match schema {
            SchemaRef::Id(id) => {
                let found = get_schema_by_id(id, &self.0).await;
                found.map_err(|error| refused(error, unexpected))?
            }
            SchemaRef::Guid(_) => {
                let found = get_schema_by_guid(&schema.to_string(), &self.0).await;
                // Registries that know no GUIDs refuse the path in words of their own.
                found.map_err(|error| refused(error, |_| RegistryError::NotFound))?
            }
        };
        self.with_references(found).await
    }

    /// The subject's latest schema.
    pub(crate) async fn latest(&self, subject: &str) -> Result<Latest, RegistryError> {
        let found = self.by_subject(subject, None).await?;
        let id = found.id;
        let schema = self.with_references(found).await?;
        Ok(Latest { id, schema })
    }

    /// Registers `schema`, or finds it registered, and returns its id.
    pub(crate) async fn register(&self, subject: &str, schema: &str) -> Result<u32, RegistryError> {
        let schema = SuppliedSchema::new(None, SchemaType::Avro, schema.to_owned());
        let registered = post_schema(&self.0, encoded(subject), schema).await;
        let refusal = |status| match status {
            404 => unexpected(status),
            _ => RegistryError::Refused(status),
        };
        registered
            .map(|registered| registered.id)
            .map_err(|error| refused(error, refusal))
    }

    async fn by_subject(
        &self,
        subject: &str,
        version: Option<u32>,
    ) -> Result<RegisteredSchema, RegistryError> {
        get_schema_by_subject_and_version(&self.0, &encoded(subject), version)
            .await
            .map_err(|error| refused(error, unexpected))
    }

    /// Fetches what `schema` refers to, and what that refers to, each once.
    async fn with_references(&self, schema: RegisteredSchema) -> Result<Fetched, RegistryError> {
        let mut length = avro_length(&schema)?;
        let mut wanted: Vec<RegisteredReference> = Vec::new();
        want(&mut wanted, schema.references)?;
        let mut references = Vec::new();
        while let Some(reference) = wanted.get(references.len()) {
            let (subject, version) = (reference.subject.clone(), reference.version);
            let found = self.by_subject(&subject, Some(version)).await?;
            length += avro_length(&found)?;
            if length > SchemaSet::MAX_TEXT {
                return Err(RegistryError::Unusable("schema_too_large"));
            }
            want(&mut wanted, found.references)?;
            references.push(found.schema);
        }
        Ok(Fetched {
            text: schema.schema,
            references,
        })
    }
}

/// How a request ended, for the count of requests.
impl<T> From<&Result<T, RegistryError>> for LookupResult {
    fn from(reply: &Result<T, RegistryError>) -> Self {
        match reply {
            Ok(_) => Self::Ok,
            Err(RegistryError::NotFound) => Self::NotFound,
            Err(RegistryError::Login) => Self::Unauthorized,
            Err(RegistryError::Unavailable(_)) => Self::Unavailable,
            Err(RegistryError::Refused(_) | RegistryError::Unusable(_)) => Self::Invalid,
        }
    }
}

/// Says nothing: what is inside has the secrets in the clear.
impl fmt::Debug for RegistryClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegistryClient")
    }
}

fn certificates(file: &Path) -> Result<Vec<Certificate>, StartError> {
    let unreadable = |reason: String| StartError::RegistryCa { reason };
    let pem = std::fs::read(file).map_err(|error| unreadable(error.to_string()))?;
    let certificates =
        Certificate::from_pem_bundle(&pem).map_err(|_| unreadable("not PEM".to_owned()))?;
    if certificates.is_empty() {
        return Err(unreadable("no certificate in it".to_owned()));
    }
    Ok(certificates)
}

fn avro_length(schema: &RegisteredSchema) -> Result<usize, RegistryError> {
    if schema.schema_type == SchemaType::Avro {
        Ok(schema.schema.len())
    } else {
        Err(RegistryError::Unusable("schema_not_avro"))
    }
}

/// Adds those of `references` that are not there yet.
fn want(
    wanted: &mut Vec<RegisteredReference>,
    references: Vec<RegisteredReference>,
) -> Result<(), RegistryError> {
    for reference in references {
        let same = |other: &RegisteredReference| {
            other.subject == reference.subject && other.version == reference.version
        };
        if wanted.iter().any(same) {
            continue;
        }
        if wanted.len() >= SchemaSet::MAX_REFERENCES {
            return Err(RegistryError::Unusable("schema_references"));
        }
        wanted.push(reference);
    }
    Ok(())
}

/// The subject as one segment of a path.
fn encoded(subject: &str) -> String {
    utf8_percent_encode(subject, SEGMENT).to_string()
}

/// A status that no registry answers to a look-up with: something else stands at its address.
fn unexpected(status: u16) -> RegistryError {
    RegistryError::Unavailable(format!("HTTP status {status}, not in a registry's words"))
}

/// The error, where a refusal means what `refusal` makes of its status.
fn refused(error: SRCError, refusal: impl FnOnce(u16) -> RegistryError) -> RegistryError {
    let error = RegistryError::from(error);
    if let RegistryError::Refused(status) = error {
        return refusal(status);
    }
    error
}

/// What a segment may have as it is (RFC 3986, unreserved); the rest is percent-encoded.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use avro_codec::MINIMAL_ANSWER;
    use embedded::Registry;
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

    async fn register_with(registry: &Registry, subject: &str, schema: &str, references: &str) {
        let schema = serde_json::Value::from(schema);
        let body = format!(r#"{{"schema":{schema},"references":{references}}}"#);
        let url = format!("{}/subjects/{subject}/versions", registry.url());
        let reply = reqwest::Client::new().post(url).body(body).send().await;
        assert!(reply.unwrap().status().is_success());
    }

    #[tokio::test]
    async fn what_a_schema_refers_to_comes_with_it_each_once() {
        let registry = Registry::start(0).await.unwrap();
        registry.register("inner", INNER).unwrap();
        let inner = r#"{"name":"Inner","subject":"inner","version":1}"#;
        register_with(&registry, "outer", OUTER, &format!("[{inner}]")).await;
        let outer = r#"{"name":"Outer","subject":"outer","version":1}"#;
        let text = r#"{"type":"record","name":"Top","fields":[
            {"name":"a","type":"Outer"},{"name":"b","type":"Inner"}]}"#;
        register_with(&registry, "top", text, &format!("[{outer},{inner}]")).await;

        let latest = client(registry.url()).latest("top").await.unwrap();
        assert_eq!(latest.id, 3);
        assert_eq!(latest.schema.references, [OUTER, INNER]);
        assert_eq!(latest.schema.text, text);
    }

    #[tokio::test]
    async fn a_subject_may_have_any_name() {
        let registry = Registry::start(0).await.unwrap();
        for subject in ["a/b", "a b", "a?b#c", "ação", "a%2Fb"] {
            let id = client(registry.url())
                .register(subject, MINIMAL_ANSWER)
                .await
                .unwrap();
            let latest = client(registry.url()).latest(subject).await.unwrap();
            assert_eq!(latest.id, id, "{subject}");
        }
    }

    #[tokio::test]
    async fn a_refused_registration_is_told_from_a_registry_that_is_away() {
        let registry = Registry::start(0).await.unwrap();
        let refused = client(registry.url()).register("s", "no schema").await;
        assert_eq!(refused, Err(RegistryError::Refused(422)));
        let (url, _) = server("404 Not Found", b"default backend".to_vec()).await;
        let away = client(url).register("s", MINIMAL_ANSWER).await.unwrap_err();
        assert!(matches!(away, RegistryError::Unavailable(_)), "{away:?}");
    }

    #[tokio::test]
    async fn only_a_guid_is_taken_for_missing_without_the_registrys_word() {
        let guid = SchemaRef::Guid([7; 16]);
        for (schema, missing) in [(guid, true), (SchemaRef::Id(7), false)] {
            let (url, _) = server("404 Not Found", Vec::new()).await;
            let error = client(url).by_ref(schema).await.unwrap_err();
            assert_eq!(error == RegistryError::NotFound, missing, "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_reply_is_read_up_to_a_bound_and_has_to_be_the_registrys() {
        let (url, _) = server("200 OK", vec![b' '; 5 << 20]).await;
        assert_eq!(
            client(url).by_ref(SchemaRef::Id(1)).await,
            Err(RegistryError::Unusable("schema_too_large"))
        );
        for body in ["<html>log in here</html>", "{}"] {
            let (url, _) = server("200 OK", body.into()).await;
            let error = client(url).by_ref(SchemaRef::Id(1)).await.unwrap_err();
            assert!(matches!(error, RegistryError::Unavailable(_)), "{error:?}");
        }
        let protobuf = r#"{"schema":"syntax","schemaType":"PROTOBUF"}"#;
        let (url, _) = server("200 OK", protobuf.into()).await;
        assert_eq!(
            client(url).by_ref(SchemaRef::Id(1)).await,
            Err(RegistryError::Unusable("schema_not_avro"))
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
            let error = client.by_ref(SchemaRef::Id(1)).await.unwrap_err();
            assert_eq!(error, RegistryError::Login);
            let request = served.await.unwrap();
            assert!(request.contains(header), "{request}");
            let said = format!("{settings:?} {client:?} {error:?} {error}");
            assert!(!said.contains(CANARY), "{said}");
        }
    }

    #[tokio::test]
    async fn a_registry_that_is_not_there_is_told_without_its_address() {
        let registry = Registry::start(0).await.unwrap();
        let url = registry.url();
        registry.stop().await;
        let error = client(&url).latest("s").await.unwrap_err();
        let RegistryError::Unavailable(problem) = error else {
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
