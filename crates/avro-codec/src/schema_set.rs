//! The writers' schemas this process has met, compiled once each.

use std::collections::HashMap;

use crate::decoding_plan::DecodingPlan;
use crate::{SchemaError, SchemaRef};

/// A bounded set of compiled writers' schemas.
#[derive(Debug, Default)]
pub struct SchemaSet {
    plans: HashMap<SchemaRef, DecodingPlan>,
}

impl SchemaSet {
    /// The most schemas that are kept. When one more comes the set starts anew: schemas are immutable and
    /// can be fetched again, and a topic with so many writers is a mistake elsewhere.
    pub const MAX_SCHEMAS: usize = 1_000;
    /// The longest schema text that is accepted, in bytes.
    pub const MAX_SCHEMA_BYTES: usize = 1 << 20;
    /// The most other schemas that one may name, those that they name among them.
    pub const MAX_REFERENCES: usize = 64;

    /// Compiles a schema and keeps it. `references` are the other schemas it names.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] when it is no usable record schema; the set is then unchanged.
    pub fn insert(
        &mut self,
        schema_ref: SchemaRef,
        schema: &str,
        references: &[String],
    ) -> Result<(), SchemaError> {
        let length = schema.len() + references.iter().map(String::len).sum::<usize>();
        if length > Self::MAX_SCHEMA_BYTES {
            return Err(SchemaError::Invalid);
        }
        let plan = DecodingPlan::compile(schema, references)?;
        if self.plans.len() >= Self::MAX_SCHEMAS {
            self.plans.clear();
        }
        self.plans.insert(schema_ref, plan);
        Ok(())
    }

    /// Tells whether the schema is known.
    pub fn contains(&self, schema_ref: SchemaRef) -> bool {
        self.plans.contains_key(&schema_ref)
    }

    pub(crate) fn plan(&self, schema_ref: SchemaRef) -> Option<&DecodingPlan> {
        self.plans.get(&schema_ref)
    }
}
