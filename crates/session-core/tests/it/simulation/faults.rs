//! Time passes, and things go wrong.

use std::time::Duration;

use session_core::Input;
use types::{SessionId, SessionKey};

use super::client::Frame;
use super::replica::Replica;
use super::world::World;

impl World {
    pub(super) fn time_passes(&mut self) {
        let longest = if self.faults { 4_000 } else { 20_000 };
        let millis = u64::try_from(self.random.below(longest)).unwrap();
        let end = self.now + Duration::from_millis(millis);
        for place in 0..self.replicas.len() {
            while let Some((at, _)) = self.replicas[place]
                .registry
                .poll_timeout()
                .filter(|(at, _)| *at <= end)
            {
                self.now = self.now.max(at);
                self.tell_replica(place, Input::Tick);
            }
        }
        self.now = self.now.max(end);
    }

    pub(super) fn fault(&mut self) {
        // What a replica does not know it learns in the end.
        if !self.half_open.is_empty() {
            let place = self.random.below(self.half_open.len());
            let (replica, key) = self.half_open.swap_remove(place);
            self.sockets.remove(&(replica, key.generation));
            return self.tell_replica(replica, Input::Disconnected { key });
        }
        if !self.faults {
            return;
        }
        match self.random.below(12) {
            0..=6 => self.cut(),
            7 => self.drain(),
            8..=9 => self.reload(),
            _ => self.crash(),
        }
    }

    pub(super) fn cut(&mut self) {
        let number = self.random.below(self.clients.len());
        if self.leave_half_open(number) {
            self.clients[number].disconnect();
            self.tally.count("cut");
        }
    }

    /// A page is loaded again: its socket, its token and the question it waited for are gone.
    pub(super) fn reload(&mut self) {
        let number = self.random.below(self.clients.len());
        if self.clients[number].is_v2 && self.leave_half_open(number) {
            self.clients[number].reload();
            self.tally.count("reload");
        }
    }

    /// The replica of this client's socket, if it has one, is to learn later that the socket is gone.
    fn leave_half_open(&mut self, number: usize) -> bool {
        let Some(connection) = &self.clients[number].connection else {
            return false;
        };
        let id = SessionId::parse(&connection.session).unwrap();
        let generation = connection.generation;
        let key = SessionKey { id, generation };
        self.half_open.push((connection.replica, key));
        true
    }

    /// A replica is asked to end, and started anew in the end.
    pub(super) fn drain(&mut self) {
        let place = self.random.below(self.replicas.len());
        if std::mem::replace(&mut self.replicas[place].drains, true) {
            return self.end_drain(place);
        }
        self.tally.count("drain");
        self.tell_replica(place, Input::Drain { max_closes: 2 });
    }

    pub(super) fn end_drain(&mut self, place: usize) {
        self.tell_replica(place, Input::DrainExpired);
        self.restart(place);
    }

    pub(super) fn crash(&mut self) {
        let place = self.random.below(self.replicas.len());
        self.tally.count("crash");
        self.restart(place);
    }

    pub(super) fn restart(&mut self, place: usize) {
        self.replicas[place].crash(&mut self.random, &mut self.kafka);
        self.replicas[place] = Replica::start(&self.settings, &self.kafka);
        self.half_open.retain(|(replica, _)| *replica != place);
        for client in &mut self.clients {
            let here = client
                .connection
                .as_ref()
                .is_some_and(|one| one.replica == place);
            // What is on the wire may still arrive.
            let left = client
                .connection
                .as_ref()
                .is_some_and(|one| !one.inbox.is_empty());
            if here && !(left && self.random.one_in(2)) {
                client.disconnect();
            } else if here && let Some(connection) = &mut client.connection {
                connection.inbox.push_back(Frame::Close);
                self.sockets.remove(&(place, connection.generation));
            }
        }
    }
}
