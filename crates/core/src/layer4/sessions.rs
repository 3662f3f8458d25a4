//! The sessions of a UDP listener on one thread: whose a datagram is, and which session has been quiet for too long.
//!
//! All sessions of a listener have one idle time, so whoever is touched goes to the end of one list, and who has been
//! quiet longest stands at its front: each step costs the same for any number of sessions.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::moment::Moment;

/// Whose a datagram is: who sent it, and the address that it was sent to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flow {
    /// The client, as the kernel told it.
    pub client: SocketAddr,
    /// The address that the client wrote to, from which it expects answers.
    pub local: SocketAddr,
}

/// Which session; never that of another one, also once the session is over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    at: u32,
    turn: u32,
}

/// Sessions with something of each.
#[derive(Debug)]
pub struct Sessions<T> {
    by_flow: HashMap<Flow, Key>,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    quietest: Option<u32>,
    latest: Option<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    /// How often it was given away: a key of an earlier time finds nothing.
    turn: u32,
    listed: Option<Listed<T>>,
}

#[derive(Debug)]
struct Listed<T> {
    flow: Flow,
    touched: Moment,
    before: Option<u32>,
    after: Option<u32>,
    value: T,
}

impl<T> Default for Sessions<T> {
    fn default() -> Self {
        Self { by_flow: HashMap::new(), slots: Vec::new(), free: Vec::new(), quietest: None, latest: None }
    }
}

impl<T> Sessions<T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The session that the next datagram of a flow belongs to.
    pub fn find(&self, flow: &Flow) -> Option<Key> {
        self.by_flow.get(flow).copied()
    }

    /// What there is of a session.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.listed_mut(key).map(|listed| &mut listed.value)
    }

    /// Begins a session; datagrams of the flow belong to it from now on.
    pub fn begin(&mut self, flow: Flow, now: Moment, value: T) -> Key {
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { turn: 0, listed: None });
            // Each has a descriptor, of which a process has far fewer.
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let before = self.latest.replace(at);
        match before.and_then(|before| self.at_mut(before)) {
            Some(last) => last.after = Some(at),
            None => self.quietest = Some(at),
        }
        let mut key = Key { at, turn: 0 };
        if let Some(slot) = self.slots.get_mut(at as usize) {
            key.turn = slot.turn;
            slot.listed = Some(Listed { flow, touched: now, before, after: None, value });
        }
        self.by_flow.insert(flow, key);
        key
    }

    /// Something was sent on it, either way.
    pub fn touch(&mut self, key: Key, now: Moment) {
        let Some(listed) = self.listed_mut(key) else { return };
        listed.touched = now;
        if self.latest == Some(key.at) {
            return;
        }
        self.unlink(key.at);
        let before = self.latest.replace(key.at);
        if let Some(listed) = self.at_mut(key.at) {
            (listed.before, listed.after) = (before, None);
        }
        match before.and_then(|before| self.at_mut(before)) {
            Some(last) => last.after = Some(key.at),
            None => self.quietest = Some(key.at),
        }
    }

    /// The next datagram of its flow begins another session; this one goes on until its answers have come.
    pub fn let_flow_go(&mut self, key: Key) {
        let Some(flow) = self.listed_mut(key).map(|listed| listed.flow) else { return };
        if self.by_flow.get(&flow) == Some(&key) {
            self.by_flow.remove(&flow);
        }
    }

    /// Ends a session, and gives what there was of it.
    pub fn end(&mut self, key: Key) -> Option<T> {
        self.listed_mut(key)?;
        self.let_flow_go(key);
        self.unlink(key.at);
        let slot = self.slots.get_mut(key.at as usize)?;
        slot.turn = slot.turn.wrapping_add(1);
        self.free.push(key.at);
        slot.listed.take().map(|listed| listed.value)
    }

    /// The session that has been quiet for `idle` or longer, if there is one, and of several the quietest.
    pub fn next_idle(&self, idle: Duration, now: Moment) -> Option<Key> {
        let at = self.quietest?;
        let slot = self.slots.get(at as usize)?;
        let is_over = slot.listed.as_ref()?.touched.after(idle) <= now;
        is_over.then_some(Key { at, turn: slot.turn })
    }

    /// The sessions of which something holds.
    pub fn which(&self, holds: impl Fn(&T) -> bool) -> Vec<Key> {
        let key = |(at, slot): (u32, &Slot<T>)| {
            slot.listed.as_ref().filter(|listed| holds(&listed.value)).map(|_| Key { at, turn: slot.turn })
        };
        (0..).zip(&self.slots).filter_map(key).collect()
    }

    fn listed_mut(&mut self, key: Key) -> Option<&mut Listed<T>> {
        self.slots.get_mut(key.at as usize).filter(|slot| slot.turn == key.turn)?.listed.as_mut()
    }

    fn at_mut(&mut self, at: u32) -> Option<&mut Listed<T>> {
        self.slots.get_mut(at as usize)?.listed.as_mut()
    }

    /// Takes it out of the list; its neighbours become each other's.
    fn unlink(&mut self, at: u32) {
        let Some((before, after)) = self.at_mut(at).map(|listed| (listed.before, listed.after)) else { return };
        match before.and_then(|before| self.at_mut(before)) {
            Some(neighbour) => neighbour.after = after,
            None => self.quietest = after,
        }
        match after.and_then(|after| self.at_mut(after)) {
            Some(neighbour) => neighbour.before = before,
            None => self.latest = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    fn flow(number: u16) -> Flow {
        Flow { client: ([192, 0, 2, 1], number).into(), local: ([192, 0, 2, 9], 53).into() }
    }

    fn at(seconds: u64) -> Moment {
        Moment::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_session_is_over_once_it_has_been_quiet_for_the_idle_time() {
        let mut sessions = Sessions::default();
        let (one, two) = (sessions.begin(flow(1), at(0), "one"), sessions.begin(flow(2), at(10), "two"));
        assert_eq!(sessions.next_idle(IDLE, at(59)), None);
        sessions.touch(one, at(59));
        assert_eq!(sessions.next_idle(IDLE, at(69)), None);
        assert_eq!(sessions.next_idle(IDLE, at(70)), Some(two));
        assert_eq!(sessions.end(two), Some("two"));
        assert_eq!((sessions.find(&flow(2)), sessions.next_idle(IDLE, at(118))), (None, None));
        assert_eq!(sessions.next_idle(IDLE, at(119)), Some(one));
    }

    #[test]
    fn a_key_never_finds_another_session() {
        let mut sessions = Sessions::default();
        let old = sessions.begin(flow(1), at(0), "old");
        sessions.end(old);
        let new = sessions.begin(flow(1), at(0), "new");
        assert_eq!(sessions.get_mut(old), None);
        assert_eq!(sessions.end(old), None);
        assert_eq!(sessions.get_mut(new), Some(&mut "new"));
        assert_eq!(sessions.len(), 1);
    }

    #[test]
    fn a_flow_that_was_let_go_begins_another_session_and_both_go_on() {
        let mut sessions = Sessions::default();
        let first = sessions.begin(flow(1), at(0), "first");
        sessions.let_flow_go(first);
        assert_eq!(sessions.find(&flow(1)), None);
        let second = sessions.begin(flow(1), at(1), "second");
        sessions.end(first);
        assert_eq!(sessions.find(&flow(1)), Some(second));
    }

    proptest! {
        /// Whatever is done in whatever order, the sessions are those of a plain list.
        #[test]
        fn sessions_are_those_of_a_plain_list(steps in proptest::collection::vec((0u8..4, 0u16..8, 0u64..40), 0..200)) {
            let mut sessions = Sessions::default();
            let mut plain: Vec<(Flow, Key, u64, bool)> = Vec::new();
            let mut now = 0;
            for (what, number, later) in steps {
                now += later;
                let found = plain.iter().position(|(of, _, _, is_bound)| *of == flow(number) && *is_bound);
                prop_assert_eq!(sessions.find(&flow(number)), found.map(|at| plain[at].1));
                match (what, found) {
                    (0, None) => plain.push((flow(number), sessions.begin(flow(number), at(now), ()), now, true)),
                    (0 | 1, Some(place)) => {
                        sessions.touch(plain[place].1, at(now));
                        plain[place].2 = now;
                    }
                    (2, Some(place)) => {
                        sessions.let_flow_go(plain[place].1);
                        plain[place].3 = false;
                    }
                    (3, Some(place)) => {
                        let gone = plain.remove(place);
                        prop_assert_eq!(sessions.end(gone.1), Some(()));
                    }
                    _ => {}
                }
                while let Some(key) = sessions.next_idle(IDLE, at(now)) {
                    let place = plain.iter().position(|each| each.1 == key).expect("it is there");
                    prop_assert!(plain.iter().all(|each| plain[place].2 <= each.2), "the quietest comes first");
                    prop_assert!(plain.remove(place).2 + 60 <= now);
                    sessions.end(key);
                }
                prop_assert!(plain.iter().all(|each| each.2 + 60 > now), "none is forgotten");
                prop_assert_eq!(sessions.len(), plain.len());
            }
        }
    }
}
