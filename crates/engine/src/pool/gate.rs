//! Bounded pools: permits to have a connection open to an endpoint, and the requests that wait for one.
//!
//! All threads share them, so that `pool.connections` (often 1 for a Python backend) is exact on the machine. Whoever
//! waits takes the first connection that any acceptable endpoint can spare: it is handed over, from thread to thread if
//! need be, and never lies in a pool while somebody waits.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::Idle;

/// The permits of one upstream.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Most connections to one endpoint.
    most: u64,
    /// Most requests that wait.
    queue: u64,
    /// Connections by endpoint id: in use, being made, or resting in a pool.
    open: HashMap<u32, u64>,
    /// Those that rest in a pool.
    resting: HashMap<u32, u64>,
    /// Those that the worker whose place we take has yet.
    elsewhere: HashMap<u32, u64>,
    waiting: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    /// Ids of the endpoints that may serve it.
    accepts: Vec<u32>,
    sender: oneshot::Sender<Grant>,
}

/// What a request has waited for.
#[derive(Debug)]
pub enum Grant {
    /// A connection may be made.
    Permit(Permit),
    /// A connection, which thread number `usize` has used, and in whose pool it may have rested meanwhile.
    Connection(Idle, usize),
}

/// What becomes of a request for a permit.
#[derive(Debug)]
pub enum Asked {
    /// A connection may be made.
    Granted(Permit),
    /// It waits. `rests`: an acceptable connection lies in some thread's pool, which must be asked for it.
    Waits {
        /// Where the grant will come.
        grant: oneshot::Receiver<Grant>,
        /// Whether the threads must be asked for a connection that rests.
        rests: bool,
    },
    /// As many wait as may.
    Full,
}

/// Leave to have one connection open to one endpoint, until it is dropped.
#[derive(Debug)]
pub struct Permit {
    gate: Arc<Gate>,
    endpoint: u32,
}

impl Gate {
    /// Sets the bounds: connections to one endpoint, and requests that wait.
    pub fn bound(self: &Arc<Self>, most: u64, queue: u64) {
        {
            let mut state = self.state();
            (state.most, state.queue) = (most, queue);
        }
        self.let_all_in();
    }

    /// The worker whose place we take has so many connections with work yet, by endpoint.
    pub fn count_elsewhere(self: &Arc<Self>, used: HashMap<u32, u64>) {
        self.state().elsewhere = used;
        self.let_all_in();
    }

    /// Connections with work by endpoint, those of the worker whose place we take included.
    pub fn used(&self) -> HashMap<u32, u64> {
        let state = self.state();
        let mut used = state.elsewhere.clone();
        for (endpoint, open) in &state.open {
            let resting = state.resting.get(endpoint).copied().unwrap_or(0);
            let sum = used.entry(*endpoint).or_default();
            *sum = sum.saturating_add(open.saturating_sub(resting));
        }
        used
    }

    fn let_all_in(self: &Arc<Self>) {
        while let Some((waiter, endpoint)) = self.let_in() {
            let permit = Permit { gate: Arc::clone(self), endpoint };
            // Whoever has gone meanwhile sends it back, and dropping that makes room.
            let _ = waiter.sender.send(Grant::Permit(permit));
        }
    }

    /// The first that waits for an endpoint which has room, since there is more of it; that room is taken.
    fn let_in(&self) -> Option<(Waiter, u32)> {
        let mut state = self.state();
        let found = (0..).zip(&state.waiting).find_map(|(at, waiter)| Some((at, state.room_for(&waiter.accepts)?)));
        let (at, endpoint) = found?;
        let waiter = state.waiting.remove(at)?;
        state.enter(endpoint);
        Some((waiter, endpoint))
    }

    /// Asks for a permit for one of `accepts`, the first of them for choice. Joins the queue for want of one.
    pub fn ask(self: &Arc<Self>, accepts: Vec<u32>) -> Asked {
        let mut state = self.state();
        if let Some(endpoint) = state.room_for(&accepts) {
            state.enter(endpoint);
            return Asked::Granted(Permit { gate: Arc::clone(self), endpoint });
        }
        // Whoever has gone meanwhile keeps no place.
        state.waiting.retain(|waiter| !waiter.sender.is_closed());
        if state.waiting.len() as u64 >= state.queue {
            return Asked::Full;
        }
        let rests = accepts.iter().any(|id| state.resting.contains_key(id));
        let (sender, grant) = oneshot::channel();
        state.waiting.push_back(Waiter { accepts, sender });
        Asked::Waits { grant, rests }
    }

    /// Hands a connection to the first that waits for one like it; returns it if nobody does, counted as resting.
    pub fn hand_over(&self, mut idle: Idle, thread: usize) -> Option<Idle> {
        let endpoint = idle.connection.permit.as_ref()?.endpoint;
        loop {
            let waiter = {
                let mut state = self.state();
                let waiter = state.next_for(endpoint);
                if waiter.is_none() {
                    *state.resting.entry(endpoint).or_default() += 1;
                }
                waiter
            };
            let Some(waiter) = waiter else { return Some(idle) };
            match waiter.sender.send(Grant::Connection(idle, thread)) {
                Ok(()) => return None,
                Err(Grant::Connection(same, _)) => idle = same,
                Err(Grant::Permit(_)) => return None,
            }
        }
    }

    /// A connection that rested is taken out of its pool.
    fn wake(&self, endpoint: u32) {
        let mut state = self.state();
        if let Some(resting) = state.resting.get_mut(&endpoint) {
            *resting -= 1;
            if *resting == 0 {
                state.resting.remove(&endpoint);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The first of `endpoints` that may have one connection more.
    fn room_for(&self, endpoints: &[u32]) -> Option<u32> {
        endpoints.iter().copied().find(|id| self.in_all(*id) < self.most)
    }

    fn in_all(&self, endpoint: u32) -> u64 {
        let of = |counts: &HashMap<u32, u64>| counts.get(&endpoint).copied().unwrap_or(0);
        of(&self.open).saturating_add(of(&self.elsewhere))
    }

    fn enter(&mut self, endpoint: u32) {
        *self.open.entry(endpoint).or_default() += 1;
    }

    /// The first that waits for `endpoint`, unless that has more connections than it may, since the bound fell.
    fn next_for(&mut self, endpoint: u32) -> Option<Waiter> {
        if self.in_all(endpoint) > self.most {
            return None;
        }
        let at = self.waiting.iter().position(|waiter| waiter.accepts.contains(&endpoint))?;
        self.waiting.remove(at)
    }
}

impl Permit {
    /// The endpoint's id.
    pub fn endpoint(&self) -> u32 {
        self.endpoint
    }

    /// The gate that gave it.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// The connection that holds it leaves its pool.
    pub fn wake(&self) {
        self.gate.wake(self.endpoint);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let waiter = {
            let mut state = self.gate.state();
            let waiter = state.next_for(self.endpoint);
            if waiter.is_none()
                && let Some(open) = state.open.get_mut(&self.endpoint)
            {
                *open -= 1;
                if *open == 0 {
                    state.open.remove(&self.endpoint);
                }
            }
            waiter
        };
        if let Some(waiter) = waiter {
            let permit = Self { gate: Arc::clone(&self.gate), endpoint: self.endpoint };
            // Whoever has gone meanwhile sends it back, and dropping that asks the next one.
            let _ = waiter.sender.send(Grant::Permit(permit));
        }
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
