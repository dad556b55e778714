//! Checks that the topics exist, may be used, and keep their records long enough.

use std::collections::HashMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::metadata::{Metadata, MetadataTopic};

use super::broker::ErrorRecorder;
use super::rights::{self, TopicRight};
use super::{CHECK_TIMEOUT, CheckSettings, Finding};
use crate::client_config::DEFAULT_MAX_RECEIVE_BYTES;

/// One topic as it is used.
struct TopicUse<'a> {
    check: &'static str,
    topic: &'a str,
    setting: &'static str,
    rights: &'static [TopicRight],
    /// The time for which records have to stay.
    retention: Option<Duration>,
}

pub(super) async fn check_topics(
    settings: &CheckSettings,
    metadata: &Metadata,
    admin: &AdminClient<ErrorRecorder>,
    tell: &mut (dyn FnMut(Finding) + Send),
) {
    use TopicRight::{Describe, Read, Write};
    let mut uses = vec![
        TopicUse {
            check: "topic.questions",
            topic: &settings.questions_topic,
            setting: "kafka.questions_topic",
            rights: &[Describe, Write],
            retention: None,
        },
        TopicUse {
            check: "topic.answers",
            topic: &settings.answers_topic,
            setting: "kafka.answers_topic",
            rights: &[Describe, Read],
            retention: Some(settings.answer_retention),
        },
    ];
    if let Some(topic) = &settings.dead_letter_topic {
        uses.push(TopicUse {
            check: "topic.dead_letters",
            topic,
            setting: "kafka.dead_letter_topic",
            rights: &[Describe, Read, Write],
            retention: None,
        });
    }
    for used in uses {
        let mut topics = metadata.topics().iter();
        let Some(found) = topics.find(|one| one.name() == used.topic && one.error().is_none())
        else {
            tell(topic_missing(&used));
            continue;
        };
        tell(Finding::ok(used.check, describe_partitions(found)));
        check_replicas(&used, found, tell);
        check_rights(&used, admin, tell);
        check_configuration(&used, admin, tell).await;
    }
}

fn topic_missing(used: &TopicUse<'_>) -> Finding {
    let TopicUse {
        check,
        topic,
        setting,
        ..
    } = used;
    Finding::failure(
        check,
        format!("there is no topic `{topic}`, or this login must not see it"),
        format!("create it (the gateway creates none), grant Describe on it, or set {setting}"),
    )
}

fn describe_partitions(found: &MetadataTopic) -> String {
    let partitions = found.partitions();
    let replicas = partitions.iter().map(|one| one.replicas().len()).min();
    format!(
        "`{}` has {} partitions with {} replicas",
        found.name(),
        partitions.len(),
        replicas.unwrap_or_default()
    )
}

fn check_replicas(
    used: &TopicUse<'_>,
    found: &MetadataTopic,
    tell: &mut (dyn FnMut(Finding) + Send),
) {
    let leaderless = found.partitions().iter().filter(|one| one.leader() < 0);
    let leaderless: Vec<String> = leaderless.map(|one| one.id().to_string()).collect();
    if !leaderless.is_empty() {
        tell(Finding::failure(
            used.check,
            format!("partitions without a leader: {}", leaderless.join(", ")),
            "brokers are away: nothing is written to or read from these until they are back",
        ));
    }
    if found
        .partitions()
        .iter()
        .any(|one| one.replicas().len() < 2)
    {
        tell(Finding::warning(
            used.check,
            format!(
                "`{}` has one replica: what its broker loses is lost",
                used.topic
            ),
            "in production use a replication factor of 3",
        ));
    }
}

fn check_rights(
    used: &TopicUse<'_>,
    admin: &AdminClient<ErrorRecorder>,
    tell: &mut (dyn FnMut(Finding) + Send),
) {
    let granted = rights::fetch_topic_rights(admin, used.topic);
    let names = |rights: &[TopicRight]| {
        let names: Vec<_> = rights.iter().map(|right| right.as_str()).collect();
        names.join(" and ")
    };
    match granted {
        // Without an authorizer a broker grants everything or says nothing.
        Ok(None) => {}
        Ok(Some(granted)) => {
            let wanted = used.rights.iter().copied();
            let lacking: Vec<TopicRight> =
                wanted.filter(|right| !granted.contains(right)).collect();
            if lacking.is_empty() {
                let seen = format!("{} on `{}` granted", names(used.rights), used.topic);
                tell(Finding::ok(used.check, seen));
            } else {
                let lacking = names(&lacking);
                tell(Finding::failure(
                    used.check,
                    format!("this login lacks {lacking} on the topic `{}`", used.topic),
                    format!("grant it {lacking} on that topic (kafka-acls --add --topic)"),
                ));
            }
        }
        Err(problem) => tell(Finding::warning(
            used.check,
            format!("the rights on `{}` cannot be seen: {problem}", used.topic),
            "",
        )),
    }
}

async fn check_configuration(
    used: &TopicUse<'_>,
    admin: &AdminClient<ErrorRecorder>,
    tell: &mut (dyn FnMut(Finding) + Send),
) {
    let resource = [ResourceSpecifier::Topic(used.topic)];
    let options = AdminOptions::new().request_timeout(Some(CHECK_TIMEOUT));
    let described = admin.describe_configs(&resource, &options).await;
    let described = described.ok().and_then(|all| all.into_iter().next());
    let Some(Ok(resource)) = described else {
        tell(Finding::warning(
            used.check,
            format!("the configuration of `{}` cannot be seen", used.topic),
            "grant DescribeConfigs on it to have retention and durability looked at",
        ));
        return;
    };
    let found = configuration_values(&resource);
    for finding in check_retention(used, &found) {
        tell(finding);
    }
}

fn configuration_values(resource: &ConfigResource) -> HashMap<String, String> {
    let entries = resource.entries.iter();
    entries
        .filter_map(|entry| Some((entry.name.clone(), entry.value.clone()?)))
        .collect()
}

fn check_retention(used: &TopicUse<'_>, found: &HashMap<String, String>) -> Vec<Finding> {
    let number = |name: &str| found.get(name).and_then(|value| value.parse::<i64>().ok());
    let check = used.check;
    let mut findings = Vec::new();
    if number("min.insync.replicas").is_some_and(|least| least < 2) {
        findings.push(Finding::warning(
            check,
            "min.insync.replicas is 1: a write counts as done when one broker has it",
            "in production set it to 2, with a replication factor of 3",
        ));
    }
    if found
        .get("unclean.leader.election.enable")
        .map(String::as_str)
        == Some("true")
    {
        findings.push(Finding::warning(
            check,
            "unclean.leader.election.enable is true: a broker that lags may become leader, and what it lacks is lost",
            "set it to false",
        ));
    }
    if found
        .get("cleanup.policy")
        .is_some_and(|policy| policy.contains("compact"))
    {
        findings.push(Finding::warning(
            check,
            "cleanup.policy has compact: an older record of the same key is deleted",
            "set it to delete",
        ));
    }
    findings.extend(check_compression(used, found));
    let Some(keep) = used.retention else {
        return findings;
    };
    let wanted = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    if let Some(kept) = number("retention.ms").filter(|kept| (0..wanted).contains(kept)) {
        findings.push(Finding::warning(
            check,
            format!(
                "answers are kept for {} s, and a client may ask for them for {} s",
                kept / 1000,
                keep.as_secs()
            ),
            "raise retention.ms, or lower resume.window and session.answer_timeout",
        ));
    }
    if number("retention.bytes").is_some_and(|bytes| bytes >= 0) {
        findings.push(Finding::warning(
            check,
            "retention.bytes is set: under load answers may be deleted before their clients come back",
            "set it to -1, or large enough for the busiest resume.window",
        ));
    }
    findings
}

/// Finds the settings that let a batch be larger, once it is unpacked, than the gateway can read. Only of
/// topics that are read.
fn check_compression(used: &TopicUse<'_>, found: &HashMap<String, String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !used.rights.contains(&TopicRight::Read) {
        return findings;
    }
    let compression = found.get("compression.type");
    if let Some(kind) = compression.filter(|kind| *kind != "uncompressed") {
        findings.push(Finding::warning(
            used.check,
            format!(
                "compression.type is {kind}: a batch of a few kilobytes may unpack to a gigabyte in every \
                 replica"
            ),
            "set it to uncompressed: the broker then unpacks, and refuses what is larger than \
             max.message.bytes",
        ));
    }
    let largest = found.get("max.message.bytes");
    let largest = largest.and_then(|bytes| bytes.parse::<usize>().ok());
    if let Some(bytes) = largest.filter(|bytes| *bytes >= DEFAULT_MAX_RECEIVE_BYTES) {
        findings.push(Finding::warning(
            used.check,
            format!("max.message.bytes is {bytes}: the gateway cannot read batches that large"),
            "lower it, or set receive.message.max.bytes in kafka.properties above it",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::CheckVerdict;

    fn seen(configuration: &[(&str, &str)]) -> Vec<String> {
        let used = TopicUse {
            check: "topic.answers",
            topic: "respostas",
            setting: "kafka.answers_topic",
            rights: &[TopicRight::Read],
            retention: Some(Duration::from_secs(720)),
        };
        let all = configuration.iter();
        let found = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let findings = check_retention(&used, &found.collect());
        assert!(
            findings
                .iter()
                .all(|one| one.verdict == CheckVerdict::Warning)
        );
        assert!(findings.iter().all(|one| !one.advice.is_empty()));
        findings.into_iter().map(|one| one.observed).collect()
    }

    #[test]
    fn a_topic_that_keeps_what_is_written_raises_no_warning() {
        let fine = [
            ("min.insync.replicas", "2"),
            ("unclean.leader.election.enable", "false"),
            ("cleanup.policy", "delete"),
            ("retention.ms", "720000"),
            ("retention.bytes", "-1"),
            ("compression.type", "uncompressed"),
            ("max.message.bytes", "1048588"),
        ];
        assert_eq!(seen(&fine), Vec::<String>::new());
        assert_eq!(seen(&[("retention.ms", "-1")]), Vec::<String>::new());
    }

    #[test]
    fn each_setting_that_loses_answers_is_named() {
        for (name, value) in [
            ("min.insync.replicas", "1"),
            ("unclean.leader.election.enable", "true"),
            ("cleanup.policy", "compact,delete"),
            ("retention.bytes", "1000000"),
            ("compression.type", "producer"),
            ("compression.type", "gzip"),
            ("max.message.bytes", "67108864"),
        ] {
            let seen = seen(&[(name, value)]);
            assert!(seen.len() == 1 && seen[0].contains(name), "{seen:?}");
        }
        let seen = seen(&[("retention.ms", "719999")]);
        assert_eq!(
            seen,
            ["answers are kept for 719 s, and a client may ask for them for 720 s"]
        );
    }
}
