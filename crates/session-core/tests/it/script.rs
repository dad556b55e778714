//! A script in, a trace of effects out.
//!
//! One input a line; sessions are words, a connection is a session and its generation (`a1`),
//! questions are words. A suffix is written as the question it was drawn for (`a~q1`). Records are
//! numbered `r1`, `r2`, … as they are written, and stand at that offset of partition 0.
//!
//! ```text
//! settings question answer_timeout=10s answer_ttl=20s max_owed=1   (first line, optional)
//! connect a1 | disconnect a1
//! ask a1 q1 [floor=5] [named] [timeout=5s] [suffix=q2]    `named`: as version 2 asks, the word is its id
//! published q1 | publish_failed q1 no|maybe
//! answer a | a~q1 [echo=q1|echo=foreign] [at=3] [replayed] [failed] [part=0|part=next] [final] [attempt=1] [text=…]
//! record a~q1 …                      written like an answer and not read; r1, r2, … all the same
//! again r1                           a record is read, or read once more
//! start a1 | start a2 t3 last=2      version 2: afresh, or from the third token told; the lineage of `start a1` is
//!                                    called a1, and `a1:q1` is question q1 of it where another lineage has a q1 too
//! recovered a2 q1 r1 r2 | recovered a2 q1 lost
//! cancel a1 q1 | ack a1 2
//! replica 2   what follows happens at another replica, which knows the same records
//! wait 5s     the clock goes on, with a tick at every deadline on the way
//! skip 5s     the clock goes on and nobody ticks
//! tick | drain 2 | drain_expired
//! ```
//!
//! In the trace `>` is an input, what follows are its effects. After every input the accounts must
//! balance.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime};

use expect_test::Expect;
use session_core::{
    AskIdentity, AskRequest, CoreSettings, Input, KeyedAsk, Ledger, PublishId, RecoveryResult,
    ResumePoint, SessionRegistry, SessionStart,
};
use types::Persisted;
use types::{
    Answer, AnswerBody, AnswerMetadata, AnswerText, AskId, Lineage, MinOffsets, QuestionId,
    QuestionIdEcho, QuestionText, RecordPosition, SessionId, WireId,
};

mod server_messages;
mod trace;
mod words;

pub(crate) use words::{key, question_id};
use words::{lineage, option, parse_settings, part, seconds, suffix, word};

/// Runs the script and compares its trace.
pub(crate) fn check(script: &str, expected: Expect) {
    expected.assert_eq(&Run::of(script).trace);
}

/// The settings a script has unless it says otherwise.
pub(crate) fn settings() -> CoreSettings {
    CoreSettings {
        max_answer_bytes: 20,
        chunk_bytes: 4,
        max_departed_sessions: 100,
        ..CoreSettings::default()
    }
}

/// Tells whether every accepted question is accounted for once.
pub(crate) fn balances(ledger: Ledger) -> bool {
    let ended = ledger.answered
        + ledger.expired
        + ledger.cancelled
        + ledger.failed
        + ledger.undeliverable
        + ledger.handed_off;
    ledger.accepted + ledger.adopted == ended + ledger.pending
}

/// Some instant to count from.
#[expect(
    clippy::disallowed_methods,
    reason = "any instant will do as the start of a test"
)]
pub(crate) fn start() -> Instant {
    Instant::now()
}

/// A run of one script.
pub(crate) struct Run {
    pub(crate) registry: SessionRegistry,
    pub(crate) trace: String,
    /// The other replicas, and what they are called.
    others: HashMap<String, SessionRegistry>,
    replica: String,
    settings: CoreSettings,
    now: Instant,
    started: Instant,
    /// The purpose of each drawn suffix.
    suffixes: HashMap<String, String>,
    /// The last publication of each question.
    published: HashMap<QuestionId, PublishId>,
    /// Everything written to the answers' topic.
    records: Vec<Answer>,
    /// The content of each token.
    tokens: Vec<ResumePoint>,
    /// The lineage that each version-2 session has now.
    lineages: HashMap<SessionId, Lineage>,
    /// The version-2 questions by word, in the order they were asked.
    keyed: Vec<(String, QuestionId)>,
}

impl Run {
    pub(crate) fn of(script: &str) -> Self {
        let mut lines = script
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        let mut lines = lines.by_ref().peekable();
        let settings = match lines.next_if(|line| line.starts_with("settings")) {
            Some(line) => parse_settings(line),
            None => settings(),
        };
        let started = start();
        let mut run = Self {
            registry: SessionRegistry::new(settings.clone()),
            trace: String::new(),
            others: HashMap::new(),
            replica: "1".to_owned(),
            settings,
            now: started,
            started,
            suffixes: HashMap::new(),
            published: HashMap::new(),
            records: Vec::new(),
            tokens: Vec::new(),
            lineages: HashMap::new(),
            keyed: Vec::new(),
        };
        for line in lines {
            run.line(line);
        }
        run
    }

    pub(crate) fn is_suffix_stripped(&self) -> bool {
        self.registry.is_suffix_stripped(self.now)
    }

    /// Runs one line.
    pub(crate) fn line(&mut self, line: &str) {
        writeln!(self.trace, "> {line}").unwrap();
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap();
        let words: Vec<&str> = words.collect();
        match verb {
            "wait" => self.wait(seconds(words[0])),
            "skip" => self.now += seconds(words[0]),
            "replica" => self.go_to(words[0]),
            "record" => {
                self.write(&words);
            }
            verb => {
                let input = self.input(verb, &words);
                self.give(input);
            }
        }
    }

    fn input(&mut self, verb: &str, words: &[&str]) -> Input {
        match verb {
            "connect" => Input::Connected { key: key(words[0]) },
            "disconnect" => Input::Disconnected { key: key(words[0]) },
            "ask" => Input::Ask {
                key: key(words[0]),
                ask: self.ask(words),
            },
            "published" => Input::Published {
                publish_id: self.publication(words[0]),
            },
            "publish_failed" => Input::PublishFailed {
                publish_id: self.publication(words[0]),
                persisted: match words[1] {
                    "no" => Persisted::No,
                    "maybe" => Persisted::Maybe,
                    other => panic!("persisted {other}?"),
                },
            },
            "answer" => Input::Answer(self.write(words)),
            "again" => Input::Answer(self.record(words[0])),
            "start" => self.start(words),
            "recovered" => Input::Recovered {
                key: key(words[0]),
                question_id: self.question_id(words[1]),
                result: match words[2..] {
                    ["lost"] => RecoveryResult::Unavailable,
                    ref found => {
                        RecoveryResult::Found(found.iter().map(|r| self.record(r)).collect())
                    }
                },
            },
            "cancel" => Input::Cancel {
                key: key(words[0]),
                ask_id: AskId::parse(words[1]).unwrap(),
            },
            "ack" => Input::Ack {
                key: key(words[0]),
                seq: words[1].parse().unwrap(),
            },
            "drain" => Input::Drain {
                max_closes: words[0].parse().unwrap(),
            },
            "drain_expired" => Input::DrainExpired,
            "tick" => Input::Tick,
            other => panic!("no such line: {other}"),
        }
    }

    /// Returns the publication that a report on this question names; on one that was never asked, nothing known.
    fn publication(&self, question: &str) -> PublishId {
        let question = self.question_id(question);
        let unknown = PublishId {
            question,
            number: u64::MAX,
        };
        self.published.get(&question).copied().unwrap_or(unknown)
    }

    /// Another replica takes the stage; each keeps what it knows.
    fn go_to(&mut self, replica: &str) {
        let next = self.others.remove(replica);
        let next = next.unwrap_or_else(|| SessionRegistry::new(self.settings.clone()));
        let left = std::mem::replace(&mut self.registry, next);
        let left_name = std::mem::replace(&mut self.replica, replica.to_owned());
        self.others.insert(left_name, left);
    }

    fn start(&mut self, words: &[&str]) -> Input {
        let key = key(words[0]);
        let token = words.get(1).and_then(|word| word.strip_prefix('t'));
        let (lineage, start) = match token {
            None => {
                let lineage = lineage(words[0]);
                (lineage, SessionStart::Fresh { lineage })
            }
            Some(number) => {
                let point = self.tokens[number.parse::<usize>().unwrap() - 1].clone();
                let last_seq = option(words, "last=").unwrap().parse().unwrap();
                (point.lineage, SessionStart::Resume { point, last_seq })
            }
        };
        self.lineages.insert(key.id.clone(), lineage);
        Input::Start { key, start }
    }

    /// The id of the question that a word stands for: derived where version 2 asked it, else the word itself.
    fn question_id(&self, word: &str) -> QuestionId {
        if let Some((start, question)) = word.split_once(':') {
            return lineage(start).question_id(&AskId::parse(question).unwrap());
        }
        let mut newest_first = self.keyed.iter().rev();
        let keyed = newest_first.find(|(keyed, _)| keyed == word);
        keyed.map_or_else(|| question_id(word), |(_, id)| *id)
    }

    /// The word that a question's id was made of.
    fn word(&self, question: QuestionId) -> String {
        let mut keyed = self.keyed.iter();
        match keyed.find(|(_, id)| *id == question) {
            Some((word, _)) => word.clone(),
            None => word(question),
        }
    }

    fn ask(&mut self, words: &[&str]) -> AskRequest {
        let question = words[1];
        let floor = option(words, "floor=");
        let drawn = option(words, "suffix=").unwrap_or(question);
        let suffix = suffix(drawn);
        self.suffixes.insert(suffix.to_string(), drawn.to_owned());
        let identity = match words.contains(&"named") {
            false => AskIdentity::Random(question_id(question)),
            true => {
                let id = AskId::parse(question).unwrap();
                if let Some(lineage) = self.lineages.get(&key(words[0]).id) {
                    let question_id = lineage.question_id(&id);
                    self.keyed.push((question.to_owned(), question_id));
                }
                let timeout = option(words, "timeout=").map(seconds);
                AskIdentity::Keyed(KeyedAsk {
                    ask_id: id,
                    timeout,
                })
            }
        };
        AskRequest {
            identity,
            text: QuestionText::new(question),
            user_name: None,
            suffix,
            min_offsets: floor.map_or_else(MinOffsets::unknown, |offset| {
                MinOffsets::new([offset.parse().unwrap()])
            }),
            asked_at: SystemTime::UNIX_EPOCH,
        }
    }

    /// `r3`: the third record that was written.
    fn record(&self, name: &str) -> Answer {
        let number: usize = name.strip_prefix('r').unwrap().parse().unwrap();
        self.records[number - 1].clone()
    }

    fn write(&mut self, words: &[&str]) -> Answer {
        let number = self.records.len() + 1;
        let wire_id = match words[0].split_once('~') {
            Some((session, question)) => format!("{session}~{}", suffix(question)),
            None => words[0].to_owned(),
        };
        let offset =
            option(words, "at=").map_or(i64::try_from(number).unwrap(), |at| at.parse().unwrap());
        let answer = Answer {
            wire_id: WireId::parse(&wire_id).unwrap(),
            question_id: match option(words, "echo=") {
                None => QuestionIdEcho::Absent,
                Some("foreign") => QuestionIdEcho::Foreign,
                Some(question) => QuestionIdEcho::Echoed(self.question_id(question)),
            },
            part: part(words),
            body: if words.contains(&"failed") {
                AnswerBody::Failed(None)
            } else {
                let text =
                    option(words, "text=").map_or_else(|| format!("r{number}"), str::to_owned);
                AnswerBody::Text(AnswerText::new(text))
            },
            position: RecordPosition {
                partition: option(words, "in=").map_or(0, |at| at.parse().unwrap()),
                offset,
            },
            metadata: option(words, "metadata=").map(AnswerMetadata::new),
            is_replayed: words.contains(&"replayed"),
        };
        self.records.push(answer.clone());
        answer
    }

    /// Lets time pass as the shell does: with a tick at every deadline.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, timer)) = self.registry.poll_timeout().filter(|(at, _)| *at <= end) {
            let after = at.saturating_duration_since(self.now);
            writeln!(self.trace, "  ({timer:?} after {after:?})").unwrap();
            self.now = self.now.max(at);
            self.give(Input::Tick);
            let passed = self
                .registry
                .poll_timeout()
                .filter(|(at, _)| *at <= self.now);
            assert_eq!(passed, None, "a tick leaves no deadline that has passed");
        }
        self.now = end;
    }

    fn give(&mut self, input: Input) {
        self.registry.handle(self.now, input);
        while let Some(effect) = self.registry.poll_effect() {
            let line = self.describe(effect);
            writeln!(self.trace, "  {line}").unwrap();
        }
        let ledger = self.registry.stats().ledger;
        assert!(balances(ledger), "{ledger:?} after\n{}", self.trace);
    }
}
