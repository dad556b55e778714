//! Stores schemas by id, subjects and their versions. Pure and bounded; nothing is
//! ever removed, so ids and versions are positions.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use apache_avro::Schema;
use uuid::Uuid;

use super::schema::{RegisteredSchema, SchemaIdentity, SchemaReference};

/// Schemas and subjects. Grows to [`StoreLimits`] and no further.
#[derive(Debug, Default)]
pub(super) struct SchemaStore {
    limits: StoreLimits,
    schemas: Vec<Arc<RegisteredSchema>>,
    by_identity: HashMap<SchemaIdentity, Arc<RegisteredSchema>>,
    by_guid: HashMap<Uuid, Arc<RegisteredSchema>>,
    subjects: BTreeMap<String, Vec<Arc<RegisteredSchema>>>,
    versions: usize,
}

impl SchemaStore {
    /// Registers a schema as the newest version of `subject`, unless the subject has it already.
    pub(super) fn register(
        &mut self,
        subject: &str,
        draft: SchemaDraft,
    ) -> Result<SchemaVersion, StoreError> {
        let checked = self.check(draft)?;
        if let Some(known) = self.by_identity.get(&checked.identity).cloned() {
            if let Some(version) = self.position(subject, known.id) {
                return Ok(version);
            }
            return self.append(subject, known);
        }
        if self.schemas.len() >= self.limits.schemas || self.is_full() {
            return Err(StoreError::Full);
        }
        let schema = self.add(checked);
        self.append(subject, schema)
    }

    /// The version of `subject` that is this schema.
    pub(super) fn look_up(
        &self,
        subject: &str,
        draft: SchemaDraft,
    ) -> Result<SchemaVersion, StoreError> {
        self.versions(subject)?;
        let checked = self.check(draft)?;
        self.by_identity
            .get(&checked.identity)
            .and_then(|schema| self.position(subject, schema.id))
            .ok_or(StoreError::SchemaNotFound)
    }

    /// The schema with this id.
    pub(super) fn by_id(&self, id: u32) -> Result<Arc<RegisteredSchema>, StoreError> {
        id.checked_sub(1)
            .and_then(|index| self.schemas.get(usize::try_from(index).ok()?))
            .cloned()
            .ok_or(StoreError::SchemaNotFound)
    }

    /// The schema with this GUID.
    pub(super) fn by_guid(&self, guid: Uuid) -> Result<Arc<RegisteredSchema>, StoreError> {
        self.by_guid
            .get(&guid)
            .cloned()
            .ok_or(StoreError::SchemaNotFound)
    }

    /// Every subject, in alphabetical order.
    pub(super) fn subjects(&self) -> Vec<&str> {
        self.subjects.keys().map(String::as_str).collect()
    }

    /// The versions of a subject, oldest first: the first one is version 1.
    pub(super) fn versions(&self, subject: &str) -> Result<&[Arc<RegisteredSchema>], StoreError> {
        self.subjects
            .get(subject)
            .map(Vec::as_slice)
            .ok_or(StoreError::SubjectNotFound)
    }

    /// One version of a subject.
    pub(super) fn version(
        &self,
        subject: &str,
        at: VersionSelector,
    ) -> Result<SchemaVersion, StoreError> {
        let versions = self.versions(subject)?;
        let number = match at {
            VersionSelector::Latest => versions.len(),
            VersionSelector::Number(number) => usize::try_from(number).unwrap_or(usize::MAX),
        };
        number
            .checked_sub(1)
            .and_then(|index| versions.get(index))
            .map(|schema| SchemaVersion {
                number,
                schema: Arc::clone(schema),
            })
            .ok_or(StoreError::VersionNotFound)
    }

    fn check(&self, draft: SchemaDraft) -> Result<CheckedSchema, StoreError> {
        let SchemaDraft { text, references } = draft;
        let referenced = self.referenced(&references)?;
        let json = serde_json::from_str(&text)
            .map_err(|error| StoreError::InvalidSchema(error.to_string()))?;
        Schema::parse_str_with_list(&text, &referenced)
            .map_err(|error| StoreError::InvalidSchema(error.to_string()))?;
        Ok(CheckedSchema {
            identity: SchemaIdentity::of(&json, &references),
            text,
            references,
            referenced,
        })
    }

    /// The texts behind `references` and behind theirs, each once.
    fn referenced(&self, references: &[SchemaReference]) -> Result<Vec<Arc<str>>, StoreError> {
        let mut texts: Vec<Arc<str>> = Vec::new();
        for SchemaReference {
            name,
            subject,
            version,
        } in references
        {
            let at =
                u32::try_from(*version).map_or(VersionSelector::Latest, VersionSelector::Number);
            let schema = self
                .version(subject, at)
                .map_err(|_| StoreError::InvalidSchema(format!("no schema for {name:?}")))?
                .schema;
            for text in schema.referenced.iter().chain([&schema.text]) {
                if !texts.contains(text) {
                    texts.push(Arc::clone(text));
                }
            }
        }
        Ok(texts)
    }

    fn add(&mut self, checked: CheckedSchema) -> Arc<RegisteredSchema> {
        let guid = checked.identity.guid();
        let schema = Arc::new(RegisteredSchema {
            id: u32::try_from(self.schemas.len() + 1).expect("the limit is far below u32"),
            guid,
            text: checked.text.into(),
            references: checked.references,
            referenced: checked.referenced,
        });
        self.schemas.push(Arc::clone(&schema));
        self.by_identity
            .insert(checked.identity, Arc::clone(&schema));
        self.by_guid.insert(guid, Arc::clone(&schema));
        schema
    }

    fn append(
        &mut self,
        subject: &str,
        schema: Arc<RegisteredSchema>,
    ) -> Result<SchemaVersion, StoreError> {
        if self.is_full() {
            return Err(StoreError::Full);
        }
        let versions = self.subjects.entry(subject.to_owned()).or_default();
        versions.push(Arc::clone(&schema));
        self.versions += 1;
        Ok(SchemaVersion {
            number: versions.len(),
            schema,
        })
    }

    fn position(&self, subject: &str, id: u32) -> Option<SchemaVersion> {
        let versions = self.subjects.get(subject)?;
        let index = versions.iter().position(|schema| schema.id == id)?;
        Some(SchemaVersion {
            number: index + 1,
            schema: Arc::clone(versions.get(index)?),
        })
    }

    fn is_full(&self) -> bool {
        self.versions >= self.limits.versions
    }
}

/// The bounds of the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoreLimits {
    /// Distinct schemas.
    pub(super) schemas: usize,
    /// Versions, over all subjects.
    pub(super) versions: usize,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            schemas: 1_000,
            versions: 4_000,
        }
    }
}

/// A schema somebody wants to register or find.
#[derive(Debug)]
pub(super) struct SchemaDraft {
    pub(super) text: String,
    pub(super) references: Vec<SchemaReference>,
}

/// A schema under a subject.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SchemaVersion {
    /// From 1.
    pub(super) number: usize,
    pub(super) schema: Arc<RegisteredSchema>,
}

/// Selects a version of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VersionSelector {
    Latest,
    Number(u32),
}

/// The reason for which the store refuses a request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum StoreError {
    #[error("the registry holds as many schemas as it takes")]
    Full,
    #[error("Input schema is an invalid Avro schema: {0}")]
    InvalidSchema(String),
    #[error("Schema not found")]
    SchemaNotFound,
    #[error("Subject not found")]
    SubjectNotFound,
    #[error("Version not found")]
    VersionNotFound,
}

/// A draft that is valid Avro.
struct CheckedSchema {
    identity: SchemaIdentity,
    text: String,
    references: Vec<SchemaReference>,
    referenced: Vec<Arc<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINT: &str =
        r#"{"type":"record","name":"n.Point","fields":[{"name":"x","type":"long"}]}"#;

    #[test]
    fn the_same_schema_has_the_same_id_under_every_subject() {
        let mut store = SchemaStore::default();
        let first = store.register("a", draft(POINT)).unwrap();
        let again = store.register("a", draft(POINT)).unwrap();
        let spaced = POINT.replace(':', " : ");
        let other = store.register("b", draft(&spaced)).unwrap();
        assert_eq!(first, again);
        assert_eq!((other.number, other.schema.id), (1, first.schema.id));
        assert_eq!(store.subjects(), ["a", "b"]);
    }

    #[test]
    fn a_changed_default_is_another_schema_and_the_next_version() {
        let mut store = SchemaStore::default();
        store.register("a", draft(POINT)).unwrap();
        let changed = POINT.replace(r#""type":"long""#, r#""type":"long","default":7"#);
        let second = store.register("a", draft(&changed)).unwrap();
        assert_eq!((second.number, second.schema.id), (2, 2));
        assert_eq!(store.version("a", VersionSelector::Latest), Ok(second));
    }

    #[test]
    fn a_reference_is_resolved_and_its_own_ones_too() {
        let mut store = SchemaStore::default();
        store.register("point", draft(POINT)).unwrap();
        let line = r#"{"type":"record","name":"n.Line","fields":[{"name":"from","type":"n.Point"},{"name":"to","type":"n.Point"}]}"#;
        let shape = r#"{"type":"record","name":"n.Shape","fields":[{"name":"sides","type":{"type":"array","items":"n.Line"}}]}"#;
        assert!(matches!(
            store.register("line", draft(line)),
            Err(StoreError::InvalidSchema(_))
        ));
        let on = |name: &str, subject: &str| SchemaReference {
            name: name.to_owned(),
            subject: subject.to_owned(),
            version: 1,
        };
        let with = |text: &str, reference| SchemaDraft {
            text: text.to_owned(),
            references: vec![reference],
        };
        store
            .register("line", with(line, on("n.Point", "point")))
            .unwrap();
        let shape = store.register("shape", with(shape, on("n.Line", "line")));
        assert_eq!(shape.unwrap().schema.referenced.len(), 2);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let mut store = SchemaStore::default();
        store.register("a", draft(POINT)).unwrap();
        assert_eq!(store.by_id(0), Err(StoreError::SchemaNotFound));
        assert_eq!(store.by_id(2), Err(StoreError::SchemaNotFound));
        assert_eq!(store.by_guid(Uuid::nil()), Err(StoreError::SchemaNotFound));
        assert_eq!(
            store.version("b", VersionSelector::Latest),
            Err(StoreError::SubjectNotFound)
        );
        for missing in [0, 2, u32::MAX] {
            assert_eq!(
                store.version("a", VersionSelector::Number(missing)),
                Err(StoreError::VersionNotFound)
            );
        }
        assert_eq!(
            store.look_up("a", draft(r#""string""#)),
            Err(StoreError::SchemaNotFound)
        );
    }

    #[test]
    fn a_full_store_takes_no_more_and_still_answers() {
        let mut store = SchemaStore {
            limits: StoreLimits {
                schemas: 2,
                versions: 3,
            },
            ..SchemaStore::default()
        };
        store.register("a", draft(r#""string""#)).unwrap();
        store.register("a", draft(r#""long""#)).unwrap();
        assert_eq!(
            store.register("a", draft(r#""int""#)),
            Err(StoreError::Full)
        );
        store.register("b", draft(r#""long""#)).unwrap();
        assert_eq!(
            store.register("c", draft(r#""long""#)),
            Err(StoreError::Full)
        );
        assert_eq!(store.register("b", draft(r#""long""#)).unwrap().number, 1);
        assert_eq!(store.subjects(), ["a", "b"]);
    }

    fn draft(text: &str) -> SchemaDraft {
        SchemaDraft {
            text: text.to_owned(),
            references: Vec::new(),
        }
    }
}
