//! The pages the answerer knows: those of this project, as they were at build time.

use crate::retrieval::{Document, PassageIndex};

/// All of them, ready to be searched.
pub(super) fn build_index() -> PassageIndex {
    let documents = DOCUMENTS.iter().map(|(path, text)| Document { path, text });
    PassageIndex::new(documents)
}

/// Path in the repository, text.
pub(super) const DOCUMENTS: &[(&str, &str)] = &[
    ("README.md", include_str!("../../../../README.md")),
    (
        "docs/architecture.md",
        include_str!("../../../../docs/architecture.md"),
    ),
    (
        "docs/configuration.md",
        include_str!("../../../../docs/configuration.md"),
    ),
    ("docs/chaos.md", include_str!("../../../../docs/chaos.md")),
    (
        "docs/deployment.md",
        include_str!("../../../../docs/deployment.md"),
    ),
    (
        "docs/glossary.md",
        include_str!("../../../../docs/glossary.md"),
    ),
    ("docs/logs.md", include_str!("../../../../docs/logs.md")),
    (
        "docs/metrics.md",
        include_str!("../../../../docs/metrics.md"),
    ),
    (
        "docs/migration.md",
        include_str!("../../../../docs/migration.md"),
    ),
    (
        "docs/observing.md",
        include_str!("../../../../docs/observing.md"),
    ),
    (
        "docs/runbooks.md",
        include_str!("../../../../docs/runbooks.md"),
    ),
    (
        "docs/releasing.md",
        include_str!("../../../../docs/releasing.md"),
    ),
    (
        "docs/protocol-v1.md",
        include_str!("../../../../docs/protocol-v1.md"),
    ),
    (
        "docs/protocol-v2.md",
        include_str!("../../../../docs/protocol-v2.md"),
    ),
    (
        "docs/adr/0006-embedded-demo.md",
        include_str!("../../../../docs/adr/0006-embedded-demo.md"),
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_page_for_users_is_listed() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let pages: BTreeSet<String> = fs::read_dir(docs)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".md"))
            .map(|name| format!("docs/{name}"))
            .collect();
        let listed = DOCUMENTS.iter().map(|(path, _)| (*path).to_owned());
        let missing: Vec<_> = pages.difference(&listed.collect()).cloned().collect();
        assert_eq!(missing, Vec::<String>::new(), "add them to DOCUMENTS");
    }

    #[test]
    fn every_listed_page_has_something_to_quote() {
        for &(path, text) in DOCUMENTS {
            let index = PassageIndex::new([Document { path, text }]);
            assert!(!index.is_empty(), "{path}");
        }
    }
}
