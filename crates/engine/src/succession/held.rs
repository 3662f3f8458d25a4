//! What a worker holds of things that are bounded on the machine: connections of clients, and permits of pools.
//!
//! The heir counts it as held by somebody else. The elder lets nobody in any more and what it holds only gets less, so what
//! was told last is never too little: limits hold, and what is let go is free at the heir within a fifth of a second.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use tidegate_core::moment::Moment;
use tidegate_core::snapshot::compiled::Compiled;

use crate::threads::shared::Shared;

/// Clients of one word.
const MOST_CLIENTS: usize = 10_000;

/// What is held, but for what each client has.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Default, Debug)]
pub struct Held {
    /// Connections of clients, in all.
    pub connections: u64,
    /// Connections by listener.
    pub listeners: BTreeMap<String, u64>,
    /// Connections to endpoints that have work, by upstream and address, where pools are bounded.
    pub permits: BTreeMap<String, BTreeMap<String, u64>>,
}

/// What some clients of a listener have.
#[derive(Serialize, Deserialize, PartialEq, Eq, Debug)]
pub struct Clients {
    /// Its name.
    pub listener: String,
    /// Connections of each client, and for how many nanoseconds yet it counts that more have come; 0 where that was told.
    pub rows: Vec<(IpAddr, u64, u64)>,
}

/// What was told so far.
#[derive(Default, Debug)]
pub struct Told {
    held: Held,
    clients: HashMap<String, HashMap<IpAddr, u64>>,
}

impl Told {
    /// What is held now, if that is not what was told.
    pub fn held(&mut self, shared: &Shared, compiled: &Compiled) -> Option<Held> {
        let listeners = compiled
            .listeners
            .iter()
            .map(|listener| (listener.name.clone(), shared.crowd(&listener.name).seats.in_all()));
        let bounded = compiled.upstreams.iter().filter(|upstream| upstream.connections > 0);
        let permits = bounded.map(|upstream| {
            let used = shared.gate(&upstream.name).used();
            let endpoints = upstream.endpoints.iter();
            let of_each = endpoints.filter_map(|each| Some((each.address.clone(), *used.get(&each.id)?)));
            (upstream.name.clone(), of_each.collect())
        });
        let held =
            Held { connections: shared.seats.in_all(), listeners: listeners.collect(), permits: permits.collect() };
        let is_news = held != self.held;
        self.held.clone_from(&held);
        is_news.then_some(held)
    }

    /// The clients of each listener that bounds them, as far as something has changed.
    pub fn clients(&mut self, shared: &Shared, compiled: &Compiled, now: Moment) -> Vec<Clients> {
        let mut news = Vec::new();
        for listener in &compiled.listeners {
            if listener.connections_per_client == 0 && listener.connection_rate.is_none() {
                continue;
            }
            let is_first = !self.clients.contains_key(&listener.name);
            let told = self.clients.entry(listener.name.clone()).or_default();
            let now_there = shared.crowd(&listener.name).tell(now);
            let mut rows = Vec::new();
            let mut after = HashMap::with_capacity(now_there.len());
            for (client, open, busy_ns) in now_there {
                let busy_ns = if is_first { busy_ns } else { 0 };
                if told.remove(&client).unwrap_or(0) != open || busy_ns > 0 {
                    rows.push((client, open, busy_ns));
                }
                if open > 0 {
                    after.insert(client, open);
                }
            }
            rows.extend(told.keys().map(|gone| (*gone, 0, 0)));
            *told = after;
            let part = |rows: &[(IpAddr, u64, u64)]| Clients { listener: listener.name.clone(), rows: rows.to_vec() };
            news.extend(rows.chunks(MOST_CLIENTS).map(part));
        }
        news
    }
}
