//! Sessions that are connected and ask nothing, and what each of them costs the gateway.

use std::time::Duration;

use anyhow::Result;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::connect::{LoadSocket, Target};
use crate::process::ProcessSample;
use crate::progress;

/// Open sockets; dropped, they close.
#[derive(Debug)]
pub(crate) struct IdleSessions {
    /// The memory they take.
    pub(crate) figures: IdleFigures,
    // They answer pings for as long as they are held.
    _listening: JoinSet<()>,
}

/// The measured figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct IdleFigures {
    /// Sessions open.
    pub(crate) sessions: usize,
    /// Resident anonymous memory of the gateway for each, in KiB; `None` without its process id.
    pub(crate) kib_per_session: Option<f64>,
}

impl IdleSessions {
    /// Opens `count` sockets, waits until the gateway's memory has come to rest, and divides.
    pub(crate) async fn open(
        target: &Target,
        count: usize,
        gateway_pid: Option<u32>,
    ) -> Result<Self> {
        // The first connection pays for what all share.
        drop(target.connect(0).await?);
        let before = gateway_pid.map(ProcessSample::read).transpose()?;
        let bar = progress::bar("idle sessions", count as u64);
        let mut listening = JoinSet::new();
        let mut opening = FuturesUnordered::new();
        for number in 0..count {
            opening.push(target.connect(number));
            if opening.len() == AT_ONCE {
                listen(&mut listening, opening.next().await)?;
                bar.inc(1);
            }
        }
        while let Some(opened) = opening.next().await {
            listen(&mut listening, Some(opened))?;
            bar.inc(1);
        }
        bar.finish_and_clear();
        let mut figures = IdleFigures {
            sessions: count,
            kib_per_session: None,
        };
        if let (Some(pid), Some(before)) = (gateway_pid, before) {
            let grown = memory_at_rest(pid)
                .await?
                .saturating_sub(before.anonymous_kib);
            figures.kib_per_session = Some(grown as f64 / count as f64);
        }
        Ok(Self {
            figures,
            _listening: listening,
        })
    }
}

fn listen(listening: &mut JoinSet<()>, opened: Option<Result<LoadSocket>>) -> Result<()> {
    if let Some(mut socket) = opened.transpose()? {
        listening.spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
    }
    Ok(())
}

/// The process's anonymous memory once it has not changed for a while, in KiB.
async fn memory_at_rest(pid: u32) -> Result<u64> {
    let mut every = tokio::time::interval(READ_EVERY);
    let (mut last, mut unchanged) = (0, 0);
    for _ in 0..READINGS_AT_MOST {
        every.tick().await;
        let now = ProcessSample::read(pid)?.anonymous_kib;
        unchanged = if now == last { unchanged + 1 } else { 0 };
        last = now;
        if unchanged == READINGS_AT_REST {
            break;
        }
    }
    Ok(last)
}

const AT_ONCE: usize = 64;
const READ_EVERY: Duration = Duration::from_millis(250);
const READINGS_AT_REST: u32 = 4;
const READINGS_AT_MOST: u32 = 80;
