//! One run under load: everything is set up, the sessions ask on schedule, the figures are drawn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::answering::AnsweringSide;
use crate::args::Args;
use crate::connect::{LoadSocket, Target};
use crate::pacer::{self, PacedQuestion, Schedule};
use crate::process::ProcessSample;
use crate::progress;
use crate::report::{GatewayFigures, LoadFigures};
use crate::scores::ScoreBoard;
use crate::session::{self, SessionRules};

/// Runs the load that `args` describe.
pub(crate) async fn run_load(args: &Args, target: &Target) -> Result<LoadFigures> {
    let schemas = crate::topics::prepare_topics(args).await?;
    let answering = AnsweringSide::start(args, schemas)?;
    let sockets = connect_sessions(target, args.idle_sessions, args.sessions()).await?;
    let rules = Arc::new(SessionRules {
        run: uuid::Uuid::new_v4(),
        answer_bytes: args.answer_bytes as usize,
        late_after: args.late_after(),
        lost_after: args.lost_after(),
        scores: Arc::new(ScoreBoard::new()),
    });
    let gateway = run_questions(args, sockets, &rules).await?;
    let answered = answering.stop()?;
    let counts = rules.scores.read();
    let gateway = gateway.map(|(before, after, over)| {
        GatewayFigures::between(before, after, over, counts.latency.len())
    });
    Ok(LoadFigures::new(args, &counts, answered, gateway))
}

/// Opens the sockets of all asking sessions; `first` is the number of the first in this process.
async fn connect_sessions(target: &Target, first: usize, count: usize) -> Result<Vec<LoadSocket>> {
    let bar = progress::bar("sessions", count as u64);
    let mut sockets = Vec::with_capacity(count);
    for number in first..first + count {
        sockets.push(target.connect(number).await?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(sockets)
}

/// Asks every question and waits for every ending; the gateway's readings before and after the
/// measured ones, and the time between.
async fn run_questions(
    args: &Args,
    sockets: Vec<LoadSocket>,
    rules: &Arc<SessionRules>,
) -> Result<Option<Readings>> {
    let schedule = Schedule {
        start: Instant::now() + HEAD_START,
        rate: args.rate,
        questions: args.questions(),
        warm_up: args.warm_up_questions(),
    };
    let mut sessions = JoinSet::new();
    let queues = spawn_sessions(&mut sessions, sockets, rules);
    let scores = Arc::clone(&rules.scores);
    let pacing = tokio::task::spawn_blocking(move || pacer::run_pacer(schedule, &queues, &scores));

    tokio::time::sleep_until(schedule.measured_from().into()).await;
    let before = args.gateway_pid.map(ProcessSample::read).transpose()?;
    show_progress(&mut sessions, &rules.scores, schedule.questions).await?;
    let after = args.gateway_pid.map(ProcessSample::read).transpose()?;
    pacing.await.context("pacing")?;
    let over = schedule.measured_from().elapsed();
    Ok(before
        .zip(after)
        .map(|(before, after)| (before, after, over)))
}

fn spawn_sessions(
    sessions: &mut JoinSet<()>,
    sockets: Vec<LoadSocket>,
    rules: &Arc<SessionRules>,
) -> Vec<mpsc::Sender<PacedQuestion>> {
    let spawn = |socket| {
        let (queue, turns) = mpsc::channel(BEHIND_AT_MOST);
        sessions.spawn(session::run_session(socket, turns, Arc::clone(rules)));
        queue
    };
    sockets.into_iter().map(spawn).collect()
}

/// Shows progress until every session has ended.
async fn show_progress(
    sessions: &mut JoinSet<()>,
    scores: &ScoreBoard,
    questions: u64,
) -> Result<()> {
    let bar = progress::bar("questions", questions);
    let mut every = tokio::time::interval(SHOW_EVERY);
    loop {
        tokio::select! {
            ended = sessions.join_next() => match ended {
                Some(ended) => ended.context("a session")?,
                None => break,
            },
            _ = every.tick() => bar.set_position(scores.total()),
        }
    }
    bar.finish_and_clear();
    Ok(())
}

type Readings = (ProcessSample, ProcessSample, Duration);

/// Questions that may be due in one session while its last one still waits.
const BEHIND_AT_MOST: usize = 1_024;
const HEAD_START: Duration = Duration::from_millis(200);
const SHOW_EVERY: Duration = Duration::from_millis(250);
