//! Who is connected to a listener, over all threads: how many in all, and how many of one client.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;

use super::seats::Seats;

/// Who is connected to a listener.
#[derive(Debug, Default)]
pub struct Crowd {
    /// Its seats.
    pub seats: Arc<Seats>,
    most_per_client: AtomicU64,
    clients: Mutex<FxHashMap<IpAddr, u64>>,
}

impl Crowd {
    /// From now on there may be so many connections, and so many of one client; 0 is no limit.
    pub fn bound(&self, most: u64, most_per_client: u64) {
        self.seats.set_most(most);
        self.most_per_client.store(most_per_client, Ordering::Relaxed);
    }

    /// Counts a connection of `client`, where that is bounded.
    pub fn join(self: &Arc<Self>, client: IpAddr) -> Option<Member> {
        let most = self.most_per_client.load(Ordering::Relaxed);
        if most == 0 {
            return None;
        }
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let count = clients.entry(client).or_default();
        *count += 1;
        Some(Member { crowd: Arc::clone(self), client, is_too_much: *count > most })
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
        let mut clients = self.crowd.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = clients.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                clients.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_a_fact_of_the_connection() {
        let crowd = Arc::new(Crowd::default());
        crowd.bound(0, 1);
        let client = IpAddr::from([127, 0, 0, 1]);
        let first = crowd.join(client).expect("counted");
        let second = crowd.join(client).expect("counted");
        let other = crowd.join(IpAddr::from([127, 0, 0, 2])).expect("counted");
        assert_eq!((first.is_too_much, second.is_too_much, other.is_too_much), (false, true, false));
        drop(first);
        assert!(second.is_too_much, "and stays so");
        assert!(crowd.join(client).expect("counted").is_too_much, "it is there as well");
        drop(second);
        assert!(!crowd.join(client).expect("counted").is_too_much);
        assert_eq!(crowd.clients.lock().expect("clients").len(), 1);
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        assert!(Arc::new(Crowd::default()).join(IpAddr::from([127, 0, 0, 1])).is_none());
    }
}
