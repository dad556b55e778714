//! The registry's REST API as a pure function: a request and the store in, a reply out.
//! Source: Confluent Schema Registry API, versions 1 (paths, bodies, error codes).

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::schema::{RegisteredSchema, SchemaReference};
use super::store::{SchemaDraft, SchemaStore, SchemaVersion, StoreError, VersionSelector};

/// Answers one request.
pub(super) fn respond_to_call(
    store: &mut SchemaStore,
    call: Result<RegistryCall, RegistryRefusal>,
) -> RegistryReply {
    let reply = match call {
        Ok(call) => perform_call(store, call),
        Err(refusal) => Err(refusal),
    };
    reply.unwrap_or_else(|refusal| refusal.reply())
}

/// A request of a client.
#[derive(Debug)]
pub(super) enum RegistryCall {
    Config,
    LookUp {
        subject: String,
        draft: SchemaDraft,
    },
    Register {
        subject: String,
        draft: SchemaDraft,
    },
    SchemaByGuid(Uuid),
    SchemaById(u32),
    SchemaText(u32),
    Subjects,
    Version {
        subject: String,
        at: VersionSelector,
    },
    Versions {
        subject: String,
    },
}

impl RegistryCall {
    /// Reads a GET from its path's decoded segments.
    pub(super) fn get(path: &[String]) -> Result<Self, RegistryRefusal> {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        Ok(match path.as_slice() {
            ["config"] => Self::Config,
            ["schemas", "guids", guid] => Self::SchemaByGuid(parse_guid(guid)?),
            ["schemas", "ids", id] => Self::SchemaById(parse_id(id)?),
            ["schemas", "ids", id, "schema"] => Self::SchemaText(parse_id(id)?),
            ["subjects"] => Self::Subjects,
            ["subjects", subject, "versions"] => Self::Versions {
                subject: (*subject).to_owned(),
            },
            ["subjects", subject, "versions", at] => Self::Version {
                subject: (*subject).to_owned(),
                at: parse_version(at)?,
            },
            _ => return Err(RegistryRefusal::NoSuchPath),
        })
    }

    /// Reads a POST from its path's decoded segments and its body.
    pub(super) fn post(path: &[String], body: &[u8]) -> Result<Self, RegistryRefusal> {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["subjects", subject] => Ok(Self::LookUp {
                subject: parse_subject(subject)?,
                draft: parse_draft(body)?,
            }),
            ["subjects", subject, "versions"] => Ok(Self::Register {
                subject: parse_subject(subject)?,
                draft: parse_draft(body)?,
            }),
            _ => Err(RegistryRefusal::NoSuchPath),
        }
    }
}

/// A reply: JSON of the type `application/vnd.schemaregistry.v1+json`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RegistryReply {
    pub(super) status: u16,
    pub(super) body: String,
}

impl RegistryReply {
    fn ok(body: impl ToString) -> Self {
        Self {
            status: 200,
            body: body.to_string(),
        }
    }
}

/// The reason for which a request is not served.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RegistryRefusal {
    #[error("The body is not a schema registration: {0}")]
    BadBody(String),
    #[error("Only schemas of the type AVRO are supported")]
    BadSchemaType,
    #[error("The subject is empty or longer than {MAX_SUBJECT_LEN} bytes")]
    BadSubject,
    #[error("The version is neither a positive number nor \"latest\"")]
    BadVersion,
    #[error("HTTP 404 Not Found")]
    NoSuchPath,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("Unauthorized")]
    Unauthorized,
    #[error("The registry is unavailable")]
    Unavailable,
}

impl RegistryRefusal {
    /// The HTTP status and the registry's own error code.
    fn codes(&self) -> (u16, u32) {
        match self {
            Self::BadBody(_) => (422, 422),
            Self::BadSchemaType | Self::Store(StoreError::InvalidSchema(_)) => (422, 42_201),
            Self::BadSubject => (422, 42_208),
            Self::BadVersion => (422, 42_202),
            Self::NoSuchPath => (404, 404),
            Self::Store(StoreError::Full) => (500, 50_001),
            Self::Store(StoreError::SchemaNotFound) => (404, 40_403),
            Self::Store(StoreError::SubjectNotFound) => (404, 40_401),
            Self::Store(StoreError::VersionNotFound) => (404, 40_402),
            Self::Unauthorized => (401, 401),
            Self::Unavailable => (503, 50_302),
        }
    }

    pub(super) fn reply(&self) -> RegistryReply {
        let (status, error_code) = self.codes();
        RegistryReply {
            status,
            body: json!({ "error_code": error_code, "message": self.to_string() }).to_string(),
        }
    }
}

fn perform_call(
    store: &mut SchemaStore,
    call: RegistryCall,
) -> Result<RegistryReply, RegistryRefusal> {
    Ok(match call {
        // Nothing is checked against earlier versions, so nothing else may be promised.
        RegistryCall::Config => RegistryReply::ok(json!({ "compatibilityLevel": "NONE" })),
        RegistryCall::LookUp { subject, draft } => {
            RegistryReply::ok(describe_version(&subject, &store.look_up(&subject, draft)?))
        }
        RegistryCall::Register { subject, draft } => RegistryReply::ok(describe_version(
            &subject,
            &store.register(&subject, draft)?,
        )),
        RegistryCall::SchemaByGuid(guid) => RegistryReply::ok(describe(&*store.by_guid(guid)?)),
        RegistryCall::SchemaById(id) => RegistryReply::ok(describe(&*store.by_id(id)?)),
        RegistryCall::SchemaText(id) => RegistryReply::ok(&store.by_id(id)?.text),
        RegistryCall::Subjects => RegistryReply::ok(json!(store.subjects())),
        RegistryCall::Version { subject, at } => {
            RegistryReply::ok(describe_version(&subject, &store.version(&subject, at)?))
        }
        RegistryCall::Versions { subject } => {
            let count = store.versions(&subject)?.len();
            RegistryReply::ok(json!((1..=count).collect::<Vec<_>>()))
        }
    })
}

/// A schema without a place. The type is left out, which means AVRO.
fn describe(schema: &RegisteredSchema) -> Value {
    let mut body = json!({ "guid": schema.guid.to_string(), "schema": &*schema.text });
    if !schema.references.is_empty() {
        body["references"] = json!(schema.references);
    }
    body
}

fn describe_version(subject: &str, version: &SchemaVersion) -> Value {
    let mut body = describe(&version.schema);
    body["subject"] = json!(subject);
    body["version"] = json!(version.number);
    body["id"] = json!(version.schema.id);
    body
}

fn parse_draft(body: &[u8]) -> Result<SchemaDraft, RegistryRefusal> {
    let body: SchemaRequestBody = serde_json::from_slice(body)
        .map_err(|error| RegistryRefusal::BadBody(error.to_string()))?;
    if body.schema_type.is_some_and(|kind| kind != "AVRO") {
        return Err(RegistryRefusal::BadSchemaType);
    }
    Ok(SchemaDraft {
        text: body.schema,
        references: body.references.unwrap_or_default(),
    })
}

fn parse_guid(guid: &str) -> Result<Uuid, RegistryRefusal> {
    Uuid::try_parse(guid).map_err(|_| StoreError::SchemaNotFound.into())
}

/// An id that is no number is not found, as at Confluent's.
fn parse_id(id: &str) -> Result<u32, RegistryRefusal> {
    id.parse().map_err(|_| RegistryRefusal::NoSuchPath)
}

fn parse_subject(subject: &str) -> Result<String, RegistryRefusal> {
    match subject.len() {
        1..=MAX_SUBJECT_LEN => Ok(subject.to_owned()),
        _ => Err(RegistryRefusal::BadSubject),
    }
}

fn parse_version(version: &str) -> Result<VersionSelector, RegistryRefusal> {
    match (version, version.parse()) {
        ("latest" | "-1", _) => Ok(VersionSelector::Latest),
        (_, Ok(number @ 1..)) => Ok(VersionSelector::Number(number)),
        (_, Ok(0) | Err(_)) => Err(RegistryRefusal::BadVersion),
    }
}

/// The body of a registration and of a look-up; fields not named here are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaRequestBody {
    schema: String,
    schema_type: Option<String>,
    references: Option<Vec<SchemaReference>>,
}

/// A topic's name has at most 249 bytes and a record's may be appended to it.
const MAX_SUBJECT_LEN: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"type":"record","name":"R","fields":[]}"#;

    #[test]
    fn a_registered_schema_is_found_by_every_path() {
        let mut store = SchemaStore::default();
        let (status, registered) = post(&mut store, "subjects/s/versions", &body(TEXT));
        assert_eq!(
            (status, &registered["id"], &registered["version"]),
            (200, &json!(1), &json!(1))
        );
        let guid = registered["guid"].as_str().unwrap();
        for path in [
            "schemas/ids/1".to_owned(),
            format!("schemas/guids/{guid}"),
            "subjects/s/versions/1".to_owned(),
            "subjects/s/versions/latest".to_owned(),
            "subjects/s/versions/-1".to_owned(),
        ] {
            let (status, found) = get(&mut store, &path);
            assert_eq!((status, &found["schema"]), (200, &json!(TEXT)), "{path}");
        }
        assert_eq!(get(&mut store, "schemas/ids/1/schema").1["name"], "R");
        assert_eq!(get(&mut store, "subjects").1, json!(["s"]));
        assert_eq!(get(&mut store, "subjects/s/versions").1, json!([1]));
        let (status, found) = post(&mut store, "subjects/s", &body(TEXT));
        assert_eq!((status, &found["version"]), (200, &json!(1)));
    }

    #[test]
    fn every_refusal_has_the_status_and_code_clients_know() {
        let mut store = SchemaStore::default();
        post(&mut store, "subjects/s/versions", &body(TEXT));
        for (path, expected) in [
            ("subjects/t/versions", (404, 40_401)),
            ("subjects/t/versions/latest", (404, 40_401)),
            ("subjects/s/versions/2", (404, 40_402)),
            ("subjects/s/versions/0", (422, 42_202)),
            ("subjects/s/versions/first", (422, 42_202)),
            ("schemas/ids/2", (404, 40_403)),
            ("schemas/ids/two", (404, 404)),
            ("schemas/guids/no-guid", (404, 40_403)),
            ("nothing/here", (404, 404)),
            ("", (404, 404)),
        ] {
            let (status, error) = get(&mut store, path);
            assert_eq!(
                (status, error["error_code"].as_u64()),
                (expected.0, Some(expected.1)),
                "{path}"
            );
            assert!(error["message"].is_string(), "{path}");
        }
        let protobuf = json!({ "schema": "x", "schemaType": "PROTOBUF" });
        for (path, body, expected) in [
            ("subjects/t", body(TEXT), (404, 40_401)),
            ("subjects/s", body(r#""long""#), (404, 40_403)),
            (
                "subjects/s/versions",
                body(r#"{"type":"no"}"#),
                (422, 42_201),
            ),
            ("subjects/s/versions", body("not JSON"), (422, 42_201)),
            ("subjects/s/versions", protobuf, (422, 42_201)),
            ("subjects/s/versions", json!({}), (422, 422)),
            ("subjects//versions", body(TEXT), (422, 42_208)),
        ] {
            let (status, error) = post(&mut store, path, &body);
            assert_eq!(
                (status, error["error_code"].as_u64()),
                (expected.0, Some(expected.1)),
                "{path} {body}"
            );
        }
    }

    #[test]
    fn references_are_kept_and_given_back() {
        let mut store = SchemaStore::default();
        post(&mut store, "subjects/r/versions", &body(TEXT));
        let uses = r#"{"type":"record","name":"U","fields":[{"name":"r","type":"R"}]}"#;
        let references = json!([{ "name": "R", "subject": "r", "version": 1 }]);
        let with = json!({ "schema": uses, "references": references });
        assert_eq!(post(&mut store, "subjects/u/versions", &with).0, 200);
        assert_eq!(get(&mut store, "schemas/ids/2").1["references"], references);
    }

    fn body(schema: &str) -> Value {
        json!({ "schema": schema })
    }

    fn get(store: &mut SchemaStore, path: &str) -> (u16, Value) {
        parsed(respond_to_call(store, RegistryCall::get(&segments(path))))
    }

    fn post(store: &mut SchemaStore, path: &str, body: &Value) -> (u16, Value) {
        parsed(respond_to_call(
            store,
            RegistryCall::post(&segments(path), body.to_string().as_bytes()),
        ))
    }

    fn parsed(reply: RegistryReply) -> (u16, Value) {
        (reply.status, serde_json::from_str(&reply.body).unwrap())
    }

    fn segments(path: &str) -> Vec<String> {
        path.split('/').map(str::to_owned).collect()
    }
}
