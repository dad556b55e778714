//! One registered schema: its text, what it refers to, and its identity.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A schema as it is registered; immutable from then on.
#[derive(Debug, PartialEq, Eq)]
pub struct RegisteredSchema {
    /// The number in the prefix of a record's value, from 1.
    pub id: u32,
    /// The identifier in a record's headers; the same schema has the same one in every registry of
    /// this kind.
    pub guid: Uuid,
    /// The schema's JSON text as its first registrant sent it.
    pub text: Arc<str>,
    /// The schemas its text names.
    pub references: Vec<SchemaReference>,
    /// The texts behind `references`, and behind theirs.
    pub referenced: Vec<Arc<str>>,
}

/// A name in a schema's text that another subject's version defines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SchemaReference {
    /// The full name used in the text.
    pub name: String,
    /// The subject that defines it.
    pub subject: String,
    /// The version; `-1` is the latest.
    pub version: i64,
}

/// Identifies a schema, so that two are the same one: equal JSON (white space and the order of keys aside) with
/// equal references.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SchemaIdentity([u8; 32]);

impl SchemaIdentity {
    pub(super) fn of(schema: &serde_json::Value, references: &[SchemaReference]) -> Self {
        let mut hash = Sha256::new();
        hash.update(schema.to_string());
        for SchemaReference {
            name,
            subject,
            version,
        } in references
        {
            hash.update(format!("\n{name:?} {subject:?} {version}"));
        }
        Self(hash.finalize().into())
    }

    pub(super) fn guid(self) -> Uuid {
        let [first @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = self.0;
        uuid::Builder::from_custom_bytes(first).into_uuid()
    }
}
