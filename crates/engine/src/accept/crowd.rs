//! Who is connected to a listener, over all threads: how many in all, and how many of one client.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tidegate_core::moment::Moment;
use tidegate_core::rate::{Allowance, Rate};

use super::seats::Seats;

/// Most clients that are remembered. Who sends datagrams can give any address for his own, and would fill the memory; a
/// rate for each address means nothing then anyway, so those beyond are not counted.
const MOST: usize = 1 << 18;

/// So many clients are remembered without a look whether they need be.
const FEW: usize = 1024;

/// Who is connected to a listener.
#[derive(Debug, Default)]
pub struct Crowd {
    /// Its seats.
    pub seats: Arc<Seats>,
    is_bounded: AtomicBool,
    most_per_client: AtomicU64,
    clients: Mutex<Clients>,
}

#[derive(Debug, Default)]
struct Clients {
    rate: Option<Rate>,
    all: FxHashMap<IpAddr, Client>,
    /// How many have come since those that need not be remembered were forgotten.
    came: usize,
}

#[derive(Debug, Default)]
struct Client {
    open: u64,
    /// Connections that it has yet with the worker whose place we take.
    elsewhere: u64,
    allowance: Allowance,
}

impl Crowd {
    /// From now on there may be so many connections, and so many of one client; 0 is no limit.
    pub fn bound(&self, most: u64, most_per_client: u64, rate: Option<Rate>) {
        self.seats.set_most(most);
        self.most_per_client.store(most_per_client, Ordering::Relaxed);
        self.clients().rate = rate;
        self.is_bounded.store(most_per_client > 0 || rate.is_some(), Ordering::Relaxed);
    }

    /// Counts a connection of `client` that comes at `now`, where that is bounded.
    pub fn join(self: &Arc<Self>, client: IpAddr, now: Moment) -> Option<Member> {
        if !self.is_bounded.load(Ordering::Relaxed) {
            return None;
        }
        let most = self.most_per_client.load(Ordering::Relaxed);
        let mut clients = self.clients();
        clients.forget(now);
        if clients.all.len() >= MOST && !clients.all.contains_key(&client) {
            return None;
        }
        let rate = clients.rate;
        let of_client = clients.all.entry(client).or_default();
        of_client.open += 1;
        let is_too_many = most > 0 && of_client.open.saturating_add(of_client.elsewhere) > most;
        let is_too_often = rate.is_some_and(|rate| !of_client.allowance.admit(rate, now));
        Some(Member { crowd: Arc::clone(self), client, is_too_much: is_too_many || is_too_often })
    }

    /// The connections of each client, those of the worker whose place we take included, and for how many nanoseconds yet it
    /// counts that more have come.
    pub fn tell(&self, now: Moment) -> Vec<(IpAddr, u64, u64)> {
        let clients = self.clients();
        let tell = |(ip, client): (&IpAddr, &Client)| {
            let busy = u64::try_from(client.allowance.busy_for(now).as_nanos()).unwrap_or(u64::MAX);
            (*ip, client.open.saturating_add(client.elsewhere), busy)
        };
        clients.all.iter().map(tell).filter(|(_, open, busy)| *open > 0 || *busy > 0).collect()
    }

    /// Clients have so many connections with the worker whose place we take; where more have come there that still counts,
    /// that is told once.
    pub fn count_elsewhere(&self, rows: &[(IpAddr, u64, u64)], now: Moment) {
        let mut clients = self.clients();
        let rate = clients.rate;
        for (ip, open, busy_ns) in rows {
            if clients.all.len() >= MOST && !clients.all.contains_key(ip) {
                continue;
            }
            let client = clients.all.entry(*ip).or_default();
            client.elsewhere = *open;
            if *busy_ns > 0 {
                client.allowance = Allowance::busy(now.after(Duration::from_nanos(*busy_ns)));
            }
            if client.is_gone() && rate.is_none() {
                clients.all.remove(ip);
            }
        }
    }

    /// The worker whose place we take has ended.
    pub fn forget_elsewhere(&self) {
        self.clients().all.values_mut().for_each(|client| client.elsewhere = 0);
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clients {
    /// Forgets who has gone and is as if nothing had ever come. Each look is paid for by as many that came since.
    fn forget(&mut self, now: Moment) {
        self.came += 1;
        if self.came >= self.all.len().max(FEW) {
            self.all.retain(|_, client| !client.is_gone() || !client.allowance.is_fresh(now));
            self.came = 0;
        }
    }
}

impl Client {
    fn is_gone(&self) -> bool {
        self.open == 0 && self.elsewhere == 0
    }
}

/// A connection of a client, counted until it is dropped.
#[derive(Debug)]
pub struct Member {
    crowd: Arc<Crowd>,
    client: IpAddr,
    /// Whether the client had as many as it may before this one.
    pub is_too_much: bool,
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut clients = self.crowd.clients();
        let is_rated = clients.rate.is_some();
        if let Some(client) = clients.all.get_mut(&self.client) {
            client.open -= 1;
            if client.is_gone() && !is_rated {
                clients.all.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_core::snapshot::document;

    use super::*;

    const NOW: Moment = Moment::from_nanos(1_000_000_000_000);

    #[test]
    fn what_is_too_much_is_a_fact_of_the_connection() {
        let crowd = Arc::new(Crowd::default());
        crowd.bound(0, 1, None);
        let client = IpAddr::from([127, 0, 0, 1]);
        let first = crowd.join(client, NOW).expect("counted");
        let second = crowd.join(client, NOW).expect("counted");
        let other = crowd.join(IpAddr::from([127, 0, 0, 2]), NOW).expect("counted");
        assert_eq!((first.is_too_much, second.is_too_much, other.is_too_much), (false, true, false));
        drop(first);
        assert!(second.is_too_much, "and stays so");
        assert!(crowd.join(client, NOW).expect("counted").is_too_much, "it is there as well");
        drop(second);
        assert!(!crowd.join(client, NOW).expect("counted").is_too_much);
        assert_eq!(crowd.clients().all.len(), 1);
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        assert!(Arc::new(Crowd::default()).join(IpAddr::from([127, 0, 0, 1]), NOW).is_none());
    }

    #[test]
    fn a_client_that_comes_too_often_is_too_much_until_it_has_waited() {
        let crowd = Arc::new(Crowd::default());
        crowd.bound(0, 0, Rate::of(document::Rate { count: 2, per_ms: 1000 }));
        let client = IpAddr::from([127, 0, 0, 1]);
        let too_much = |after: u64| {
            let member = crowd.join(client, NOW.after(Duration::from_millis(after))).expect("counted");
            member.is_too_much
        };
        assert_eq!([0, 0, 0, 500, 501].map(too_much), [false, false, true, false, true]);
        assert!(!crowd.join(IpAddr::from([127, 0, 0, 2]), NOW).expect("counted").is_too_much);
    }

    #[test]
    fn what_a_client_has_with_another_worker_counts_until_that_has_ended() {
        let (here, there) = (Arc::new(Crowd::default()), Arc::new(Crowd::default()));
        let client = IpAddr::from([127, 0, 0, 1]);
        for crowd in [&here, &there] {
            crowd.bound(0, 2, Rate::of(document::Rate { count: 3, per_ms: 60_000 }));
        }
        let held = there.join(client, NOW).expect("counted");
        here.count_elsewhere(&there.tell(NOW), NOW);
        let first = here.join(client, NOW).expect("counted");
        let second = here.join(client, NOW).expect("counted");
        assert_eq!((first.is_too_much, second.is_too_much), (false, true), "it has two of two");
        drop((second, held));
        here.count_elsewhere(&[(client, 0, 0)], NOW);
        let later = NOW.after(Duration::from_secs(20));
        assert!(here.join(client, NOW).expect("counted").is_too_much, "three of three have come");
        assert!(!here.join(client, later).expect("counted").is_too_much);
        here.count_elsewhere(&[(client, 9, 0)], NOW);
        here.forget_elsewhere();
        assert!(!here.join(client, later.after(Duration::from_secs(60))).expect("counted").is_too_much);
    }

    #[test]
    fn clients_that_have_gone_are_forgotten() {
        let crowd = Arc::new(Crowd::default());
        crowd.bound(0, 0, Rate::of(document::Rate { count: 1, per_ms: 1 }));
        for number in 0..10_000u32 {
            let now = NOW.after(Duration::from_millis(2 * u64::from(number)));
            drop(crowd.join(IpAddr::from(number.to_be_bytes()), now));
        }
        assert!(crowd.clients().all.len() <= FEW);
    }

    #[test]
    fn no_flood_of_addresses_fills_the_memory() {
        let crowd = Arc::new(Crowd::default());
        crowd.bound(0, 0, Rate::of(document::Rate { count: 1, per_ms: 3_600_000 }));
        for number in 0..u32::try_from(MOST).expect("few") + 1000 {
            drop(crowd.join(IpAddr::from(number.to_be_bytes()), NOW));
        }
        assert_eq!(crowd.clients().all.len(), MOST);
        let known = crowd.join(IpAddr::from([0, 0, 0, 7]), NOW).expect("it is counted on");
        assert!(known.is_too_much);
    }
}
