//! Which addresses are checked, and for whom: upstreams that check one address in the same way share its checks.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tidegate_core::balance::EndpointStanding;
use tidegate_core::balance::standing::{Checked, CheckedEvent};
use tidegate_core::dice::Dice;
use tidegate_core::health::{Check, Pulse};
use tidegate_core::snapshot::compiled::{Compiled, Http2Out};
use tidegate_core::snapshot::document::{Health, ProxyProtocolOut};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use super::ask::{Outcome, ask};
use super::instant;
use crate::metrics::counted::HealthMetrics;
use crate::threads::shared::Shared;

/// Most checks at once: each holds a descriptor.
const MOST_AT_ONCE: usize = 256;

/// What makes two checks one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Key {
    address: String,
    announced: ProxyProtocolOut,
    http2: Option<Http2Out>,
    health: Health,
}

/// Who learns what a check says: an endpoint of an upstream.
struct Subscriber {
    standing: Arc<EndpointStanding>,
    metrics: Arc<HealthMetrics>,
}

/// An address that is checked.
struct Probe {
    key: Key,
    check: Arc<Check>,
    pulse: Cell<Pulse>,
    subscribers: RefCell<Vec<Subscriber>>,
}

/// All addresses that are checked.
pub(super) struct Rounds {
    shared: Arc<Shared>,
    probes: HashMap<Key, (Rc<Probe>, AbortHandle)>,
    at_once: Rc<Semaphore>,
    dice: Dice,
    /// No snapshot was followed yet: what is known of its endpoints a worker before this one has told.
    is_first: bool,
}

impl Rounds {
    /// Nothing is checked yet.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seed = seed.map_or(1, |since| since.as_secs() ^ u64::from(since.subsec_nanos()) << 24);
        let at_once = Rc::new(Semaphore::new(MOST_AT_ONCE));
        Self { shared, probes: HashMap::new(), at_once, dice: Dice::seeded(seed), is_first: true }
    }

    /// Checks what this snapshot wants checked. What is checked as before keeps its schedule and what is known.
    pub(super) fn follow(&mut self, compiled: &Compiled) {
        let mut wanted = self.wanted(compiled);
        self.probes.retain(|key, (_, task)| {
            let stays = wanted.contains_key(key);
            if !stays {
                task.abort();
            }
            stays
        });
        for (key, (check, subscribers)) in wanted.drain() {
            match self.probes.get(&key) {
                Some((probe, _)) => probe.tell_all(subscribers, &self.shared),
                None => self.begin(key, check, subscribers),
            }
        }
        self.is_first = false;
    }

    /// Checks nothing any more.
    pub(super) fn stop(&mut self) {
        self.probes.drain().for_each(|(_, (_, task))| task.abort());
    }

    fn wanted(&self, compiled: &Compiled) -> HashMap<Key, (Arc<Check>, Vec<Subscriber>)> {
        let mut wanted: HashMap<Key, (Arc<Check>, Vec<Subscriber>)> = HashMap::new();
        for upstream in &compiled.upstreams {
            for endpoint in &upstream.endpoints {
                let standing = Arc::clone(&endpoint.standing);
                let Some(check) = &upstream.check else {
                    standing.check(
                        CheckedEvent::Forgotten,
                        self.shared.now(),
                        &"its upstream has no `health` any more",
                    );
                    continue;
                };
                let address = endpoint.address.clone();
                let key = Key {
                    address,
                    announced: upstream.proxy_protocol,
                    http2: upstream.http2,
                    health: check.document.clone(),
                };
                let metrics = self.shared.registry.health(&upstream.name, &endpoint.address);
                let (_, all) = wanted.entry(key).or_insert_with(|| (Arc::clone(check), Vec::new()));
                all.push(Subscriber { standing, metrics });
            }
        }
        wanted
    }

    fn begin(&mut self, key: Key, check: Arc<Check>, subscribers: Vec<Subscriber>) {
        // Of several upstreams that it is checked for, all were told the same.
        let known = subscribers.first().filter(|_| self.is_first);
        let known = known.map_or(Checked::Unknown, |one| one.standing.at(self.shared.now()).checked);
        let (pulse, subscribers) = (Cell::new(Pulse::known(known)), RefCell::new(subscribers));
        let probe = Rc::new(Probe { key: key.clone(), check, pulse, subscribers });
        let dice = Dice::seeded(self.dice.roll());
        let task = run(Rc::clone(&probe), Arc::clone(&self.shared), Rc::clone(&self.at_once), dice);
        self.probes.insert(key, (probe, tokio::task::spawn_local(task).abort_handle()));
    }
}

/// Checks one address again and again: at once, then as its schedule has it.
async fn run(probe: Rc<Probe>, shared: Arc<Shared>, at_once: Rc<Semaphore>, mut dice: Dice) {
    let mut is_first = true;
    loop {
        // Never closed: it lives as long as the thread.
        let permit = at_once.acquire().await;
        let began = shared.now();
        let outcome = ask(&probe.check, &probe.key.address, probe.key.announced, probe.key.http2).await;
        drop(permit);
        probe.take(outcome, &shared);
        let due = probe.check.schedule.next(began, probe.pulse.get().hurries(), is_first, &mut dice);
        is_first = false;
        tokio::time::sleep_until(instant(&shared, due)).await;
    }
}

impl Probe {
    /// Takes what came of a check.
    fn take(&self, outcome: Outcome, shared: &Shared) {
        let (passed, says) = match outcome {
            Outcome::Passed => (true, String::new()),
            Outcome::Failed(says) => (false, says),
            Outcome::Unknown => return,
        };
        let Health { rise, fall, .. } = self.check.document;
        let mut pulse = self.pulse.get();
        let event = pulse.observe(passed, rise, fall);
        self.pulse.set(pulse);
        let because = because(pulse.run(), passed, &says);
        for subscriber in self.subscribers.borrow().iter() {
            if passed { &subscriber.metrics.passed } else { &subscriber.metrics.failed }.one();
            if let Some(event) = event {
                subscriber.standing.check(event, shared.now(), &because);
            }
        }
    }

    /// Tells what is known already to endpoints that join.
    fn tell_all(&self, subscribers: Vec<Subscriber>, shared: &Shared) {
        let event = match self.pulse.get().checked() {
            Checked::Unknown => None,
            Checked::Up => Some(CheckedEvent::Rose),
            Checked::Down => Some(CheckedEvent::Fell),
        };
        for subscriber in subscribers.iter().filter(|_| event.is_some()) {
            let event = event.unwrap_or(CheckedEvent::Rose);
            // Those that knew it already do not change by it.
            subscriber.standing.check(event, shared.now(), &"checks of its address for another upstream say so");
        }
        self.subscribers.replace(subscribers);
    }
}

fn because(run: u32, passed: bool, says: &str) -> String {
    match (passed, run) {
        (true, 1) => "a check passed".to_owned(),
        (true, run) => format!("{run} checks in a row passed"),
        (false, 1) => format!("a check failed: {says}"),
        (false, run) => format!("{run} checks in a row failed: {says}"),
    }
}
