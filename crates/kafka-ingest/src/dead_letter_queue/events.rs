//! Logs and counts dead letters, one function per event.

use std::fmt::Display;

use tracing::{debug, error, info, warn};
use types::RecordPosition;

use crate::events::Events;

impl Events {
    pub(super) fn dead_letters_started(&self, topic: &str) {
        info!(topic, "dead letters are written to this topic");
    }

    pub(super) fn dead_letters_stopped(&self, topic: &str, held: usize) {
        info!(topic, held, "dead letters stopped");
    }

    pub(super) fn dead_letter_written(&self, at: RecordPosition) {
        self.instruments.dead_letters.increment("written");
        let RecordPosition { partition, offset } = at;
        debug!(partition, offset, "dead letter written");
    }

    /// Another replica has written it.
    pub(super) fn dead_letter_elsewhere(&self, at: RecordPosition) {
        self.instruments.dead_letters.increment("elsewhere");
        let RecordPosition { partition, offset } = at;
        debug!(partition, offset, "dead letter written by another replica");
    }

    /// It is not held by this replica, and lost if no other writes it.
    pub(super) fn dead_letter_no_room(&self, at: RecordPosition) {
        self.instruments.dead_letters.increment("no_room");
        self.instruments.errors.increment("dead_letter_no_room");
        if let Some(held_back) = self.admit_log_line("dead_letter_no_room", "") {
            let RecordPosition { partition, offset } = at;
            error!(
                partition,
                offset, held_back, "no room for a dead letter: not kept by this replica"
            );
        }
    }

    /// Kafka never takes it: it is too large, for example.
    pub(super) fn dead_letter_refused(&self, at: RecordPosition, problem: &dyn Display) {
        self.instruments.dead_letters.increment("refused");
        self.instruments.errors.increment("dead_letter_refused");
        if let Some(held_back) = self.admit_log_line("dead_letter_refused", "") {
            let RecordPosition { partition, offset } = at;
            error!(
                partition,
                offset, %problem, held_back, "dead letter given up: Kafka refuses it"
            );
        }
    }

    pub(super) fn dead_letter_waits(&self, at: RecordPosition, problem: &dyn Display) {
        self.instruments.errors.increment("dead_letter_waits");
        if let Some(held_back) = self.admit_log_line("dead_letter_waits", "") {
            let RecordPosition { partition, offset } = at;
            warn!(
                partition,
                offset, %problem, held_back, "dead letter not written; trying again"
            );
        }
    }

    pub(super) fn dead_letters_held(&self, used: usize, limit: usize) {
        self.instruments.dead_letters_held.set(used, "used");
        self.instruments.dead_letters_held.set(limit, "limit");
    }

    pub(super) fn dead_letters_owned(&self, partitions: &[i32]) {
        info!(
            ?partitions,
            "this replica writes the dead letters of these partitions"
        );
    }

    pub(super) fn dead_letters_revoked(&self, partitions: &[i32]) {
        info!(
            ?partitions,
            "another replica is to write the dead letters of these partitions"
        );
    }

    /// An error that passes, or that the clients get over by themselves.
    pub(super) fn dead_letters_error(&self, problem: &dyn Display) {
        self.instruments.errors.increment("dead_letters_error");
        if let Some(held_back) = self.admit_log_line("dead_letters_error", "") {
            warn!(%problem, held_back, "error around dead letters; trying again");
        }
    }

    /// A client failed for good; others take its place and the letters are kept.
    pub(super) fn dead_letters_failed(&self, problem: &dyn Display) {
        self.instruments.errors.increment("dead_letters_failed");
        error!(%problem, "clients of the dead letters failed; starting others");
    }
}
