//! The reference page says what the table says, and the table what is rendered.

use std::collections::BTreeSet;
use std::time::Duration;

use telemetry::{Instruments, MetricDefinition, MetricKind, Metrics, reference};

#[test]
fn the_reference_page_is_what_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let expected = reference();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, &expected).expect("written");
    }
    let page = std::fs::read_to_string(path).expect("docs/metrics.md is there");
    assert!(
        page == expected,
        "docs/metrics.md is not what the table says: run this test with UPDATE_EXPECT=1"
    );
}

#[test]
fn counters_are_rendered_from_the_start_under_each_of_their_values() {
    let text = Metrics::new().expect("set up").render();
    for row in Instruments::TABLE
        .iter()
        .filter(|row| row.kind == MetricKind::Counter)
    {
        for value in row.values {
            let line = format!("{}{{{}=\"{value}\"}} 0\n", row.prometheus_name(), row.label);
            assert!(text.contains(&line), "{line} is not in:\n{text}");
        }
    }
}

#[test]
fn every_name_that_is_rendered_is_on_the_page_and_every_label_value_once_in_the_table() {
    let metrics = Metrics::new().expect("set up");
    let instruments = metrics.instruments();
    instruments.readiness.set(1, "serving");
    instruments
        .question_time
        .record(Duration::from_millis(1), "total");
    let (text, page) = (metrics.render(), reference());
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for (name, kind) in types.filter_map(|line| line.split_once(' ')) {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("{name} is not on the page"));
        assert!(row.contains(&format!("| {kind} |")), "{kind}: {row}");
    }
    for row in Instruments::TABLE {
        let values: BTreeSet<_> = row.values.iter().collect();
        assert_eq!(values.len(), row.values.len(), "{}", row.name);
        assert!(!row.label.is_empty() && !values.is_empty(), "{}", row.name);
        assert!(
            !values.contains(&MetricDefinition::UNLISTED_VALUE),
            "{}",
            row.name
        );
    }
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "answer_gateway.records has no result canary")]
fn a_value_that_is_not_in_the_table_is_noticed() {
    let metrics = Metrics::new().expect("set up");
    metrics.instruments().records.increment("canary");
}

#[test]
#[cfg(not(debug_assertions))]
fn a_value_that_is_not_in_the_table_adds_no_series_of_its_own() {
    let metrics = Metrics::new().expect("set up");
    metrics.instruments().records.increment("canary");
    assert!(!metrics.render().contains("canary"));
    assert_eq!(
        metrics.value(
            "answer_gateway_records_total",
            MetricDefinition::UNLISTED_VALUE
        ),
        Some(1.0)
    );
}
