//! `answer-gateway check`: what can be typed, and how findings are told. The looking itself is the
//! binary's, since it needs Kafka.

use std::io::{self, Write};

use clap::Args;
use kafka_ingest::{CheckVerdict, Finding};
use serde_json::{Value, json};

use super::ConfigArguments;

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  answer-gateway check                       with the settings of `run`, from where it is going to run
  answer-gateway check --json                for machines: {\"ok\": …, \"findings\": [{\"check\", \"verdict\", \"seen\", \"advice\"}]}
  answer-gateway check --ask \"Are you there?\"
                                             and one question through Kafka, to be answered by your jobs

Looks at: settings · limit of open files · brokers (names, ports, login, the names they give themselves) · topics (there, rights,
replicas, retention) · schema registry (reachable, login) · schemas of questions and answers (do they fit).
Writes nothing and joins no group, but for --ask.

Exit codes: 0 the gateway can work (warnings stand for what may be lost or surprise) · 1 it cannot ·
2 a setting or an argument is wrong.")]
pub struct CheckArguments {
    /// Settings, as `run` would be given them.
    #[command(flatten)]
    pub settings: ConfigArguments,
    /// One JSON object at the end instead of a line a finding
    #[arg(long)]
    pub json: bool,
    /// Ask this question through Kafka and wait for its answer, once all else is right
    #[arg(long, value_name = "QUESTION")]
    pub ask: Option<String>,
}

/// Tells findings as they come, and how it went at the end.
pub struct FindingReporter<'a> {
    out: &'a mut (dyn Write + Send),
    json: bool,
    findings: Vec<Finding>,
    write_result: io::Result<()>,
}

impl<'a> FindingReporter<'a> {
    /// Tells to `out`, in JSON if `json`.
    pub fn new(out: &'a mut (dyn Write + Send), json: bool) -> Self {
        Self {
            out,
            json,
            findings: Vec::new(),
            write_result: Ok(()),
        }
    }

    /// One more.
    pub fn report(&mut self, finding: Finding) {
        if !self.json && self.write_result.is_ok() {
            self.write_result = write_finding(self.out, &finding);
        }
        self.findings.push(finding);
    }

    /// Tells whether nothing has failed so far.
    pub fn has_no_failures(&self) -> bool {
        self.count(CheckVerdict::Failure) == 0
    }

    /// Closes with a line, or the whole in JSON. Returns the exit code.
    ///
    /// # Errors
    ///
    /// When `out` could not be written at any time.
    pub fn finish(self) -> io::Result<u8> {
        let well = self.has_no_failures();
        let count = |verdict| self.count(verdict);
        let (fine, warnings) = (count(CheckVerdict::Ok), count(CheckVerdict::Warning));
        let (failures, skipped) = (count(CheckVerdict::Failure), count(CheckVerdict::Skipped));
        self.write_result?;
        if self.json {
            let findings: Vec<Value> = self.findings.iter().map(finding_json).collect();
            let whole = json!({ "ok": well, "findings": findings });
            writeln!(self.out, "{whole:#}")?;
        } else {
            writeln!(
                self.out,
                "\n{fine} ok, {warnings} warnings, {failures} failures, {skipped} not looked at"
            )?;
        }
        Ok(u8::from(!well))
    }

    fn count(&self, verdict: CheckVerdict) -> usize {
        let found = self.findings.iter();
        found.filter(|one| one.verdict == verdict).count()
    }
}

impl std::fmt::Debug for FindingReporter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Teller")
            .field("findings", &self.findings)
            .finish_non_exhaustive()
    }
}

fn write_finding(out: &mut (dyn Write + Send), finding: &Finding) -> io::Result<()> {
    let Finding {
        check,
        verdict,
        observed: seen,
        advice,
    } = finding;
    writeln!(out, "{:7}  {check:18}  {seen}", verdict.as_str())?;
    if !advice.is_empty() {
        writeln!(out, "{:29}→ {advice}", "")?;
    }
    Ok(())
}

fn finding_json(finding: &Finding) -> Value {
    json!({
        "check": finding.check,
        "verdict": finding.verdict.as_str(),
        "seen": finding.observed,
        "advice": finding.advice,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: bool, findings: Vec<Finding>) -> (u8, String) {
        let mut out = Vec::new();
        let mut teller = FindingReporter::new(&mut out, json);
        for finding in findings {
            teller.report(finding);
        }
        let code = teller.finish().unwrap();
        (code, String::from_utf8(out).unwrap())
    }

    #[test]
    fn people_get_a_line_a_finding_and_what_to_do_below_it() {
        let (code, text) = told(
            false,
            vec![
                Finding::ok("kafka.login", "logged in"),
                Finding::failure("topic.answers", "there is none", "create it"),
            ],
        );
        assert_eq!(code, 1);
        assert_eq!(
            text,
            "ok       kafka.login         logged in\n\
             failure  topic.answers       there is none\n                             → create it\n\n\
             1 ok, 0 warnings, 1 failures, 0 not looked at\n"
        );
    }

    #[test]
    fn machines_get_one_object_and_a_warning_is_no_failure() {
        let warning = Finding::warning("topic.answers", "one replica", "three");
        let (code, text) = told(true, vec![warning]);
        assert_eq!(code, 0);
        let whole: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            whole,
            json!({"ok": true, "findings": [{
                "check": "topic.answers",
                "verdict": "warning",
                "seen": "one replica",
                "advice": "three",
            }]})
        );
    }
}
