//! Seats: how many connections there may be, counted exactly over all threads, and who waits for one to end.
//!
//! Taking a seat and leaving it are an addition and a load each while nobody waits.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use tokio::sync::Notify;

/// Wakes who waits for something to change, one at a time and in turn.
#[derive(Debug, Default)]
pub struct Bell {
    waiting: AtomicUsize,
    notify: Notify,
}

impl Bell {
    /// Something has changed: the one that has waited longest looks again.
    pub fn ring(&self) {
        if self.waiting.load(SeqCst) > 0 {
            self.notify.notify_one();
        }
    }

    /// Everybody looks again.
    pub fn ring_for_all(&self) {
        self.notify.notify_waiters();
    }

    /// Waits until `look` finds something; it looks now, and again whenever the bell rings for it.
    pub async fn until<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        loop {
            if let Some(found) = look() {
                return found;
            }
            let _waiting = Waiting::at(self);
            let mut rung = pin!(self.notify.notified());
            rung.as_mut().enable();
            // What changed before we stood in the queue woke nobody. A ring that was ours goes to the next if we leave.
            if let Some(found) = look() {
                return found;
            }
            rung.await;
        }
    }

    /// Waits for the next ring.
    pub async fn rung(&self) {
        let _waiting = Waiting::at(self);
        self.notify.notified().await;
    }
}

/// Somebody who waits, until dropped.
struct Waiting<'a>(&'a Bell);

impl<'a> Waiting<'a> {
    fn at(bell: &'a Bell) -> Self {
        bell.waiting.fetch_add(1, SeqCst);
        Self(bell)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, SeqCst);
    }
}

/// Room for connections.
#[derive(Debug, Default)]
pub struct Seats {
    /// 0 is no limit.
    most: AtomicU64,
    taken: AtomicU64,
    /// How many the worker whose place we take has yet.
    elsewhere: AtomicU64,
    freed: Bell,
    emptied: Bell,
}

impl Seats {
    /// How many are taken.
    pub fn taken(&self) -> u64 {
        self.taken.load(SeqCst)
    }

    /// How many are taken, those of the worker whose place we take included.
    pub fn in_all(&self) -> u64 {
        self.taken().saturating_add(self.elsewhere.load(SeqCst))
    }

    /// So many are taken in the worker whose place we take.
    pub fn count_elsewhere(&self, taken: u64) {
        if self.elsewhere.swap(taken, SeqCst) > taken {
            self.freed.ring_for_all();
        }
    }

    /// From now on there are so many; 0 is no limit. Who sits stays.
    pub fn set_most(&self, most: u64) {
        self.most.store(most, SeqCst);
        self.freed.ring_for_all();
    }

    /// A seat, as soon as there is one.
    pub async fn take(self: &Arc<Self>) -> Seat {
        self.freed.until(|| self.try_take()).await
    }

    /// Waits until nobody sits here.
    pub async fn emptied(&self) {
        self.emptied.until(|| (self.taken() == 0).then_some(())).await;
    }

    /// A seat, if there is one now.
    pub fn try_take(self: &Arc<Self>) -> Option<Seat> {
        let most = match self.most.load(SeqCst) {
            0 => u64::MAX,
            most => most,
        };
        let elsewhere = self.elsewhere.load(SeqCst);
        let one_more = |taken: u64| (taken.saturating_add(elsewhere) < most).then_some(taken + 1);
        self.taken.fetch_update(SeqCst, SeqCst, one_more).ok().map(|_| Seat(Arc::clone(self)))
    }
}

/// Leave for one connection, until it is dropped.
#[derive(Debug)]
pub struct Seat(Arc<Seats>);

impl Drop for Seat {
    fn drop(&mut self) {
        let before = self.0.taken.fetch_sub(1, SeqCst);
        self.0.freed.ring();
        if before == 1 {
            self.0.emptied.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
    }

    fn seats(most: u64) -> Arc<Seats> {
        let seats = Arc::new(Seats::default());
        seats.set_most(most);
        seats
    }

    #[test]
    fn no_seat_is_given_twice_and_nobody_waits_for_ever() {
        let (seats, sitting, (done, ends)) = (seats(2), Arc::new(AtomicU64::new(0)), channel());
        for _ in 0..4 {
            let (seats, sitting, done) = (Arc::clone(&seats), Arc::clone(&sitting), done.clone());
            std::thread::spawn(move || {
                block_on(async {
                    for turn in 0..2_000 {
                        let seat = seats.take().await;
                        assert!(sitting.fetch_add(1, SeqCst) < 2);
                        if turn % 3 == 0 {
                            std::thread::yield_now();
                        }
                        sitting.fetch_sub(1, SeqCst);
                        drop(seat);
                    }
                });
                done.send(()).expect("the test waits");
            });
        }
        for _ in 0..4 {
            ends.recv_timeout(Duration::from_secs(30)).expect("a thread did not come to its end");
        }
        assert_eq!(seats.taken(), 0);
    }

    #[test]
    fn whoever_leaves_the_queue_takes_no_ring_with_him() {
        block_on(async {
            let seats = seats(1);
            let seat = seats.take().await;
            let (mut one, mut two) = (Box::pin(seats.take()), Box::pin(seats.take()));
            assert!(futures_now(&mut one).is_none() && futures_now(&mut two).is_none());
            drop(seat); // rings for the first, who goes away before it looks
            drop(one);
            assert!(futures_now(&mut two).is_some());
        });
    }

    #[test]
    fn a_higher_limit_lets_those_in_who_wait_and_a_lower_one_turns_nobody_out() {
        block_on(async {
            let seats = seats(1);
            let _one = seats.take().await;
            let mut two = Box::pin(seats.take());
            assert!(futures_now(&mut two).is_none());
            seats.set_most(2);
            let _two = futures_now(&mut two).expect("a seat");
            seats.set_most(1);
            assert_eq!(seats.taken(), 2);
            seats.set_most(0);
            assert!(futures_now(&mut Box::pin(seats.take())).is_some());
        });
    }

    #[test]
    fn what_another_worker_has_yet_is_taken_and_free_once_it_is_let_go() {
        block_on(async {
            let seats = seats(3);
            seats.count_elsewhere(2);
            let one = seats.take().await;
            let mut two = Box::pin(seats.take());
            assert!(futures_now(&mut two).is_none());
            seats.count_elsewhere(1);
            let _two = futures_now(&mut two).expect("a seat");
            assert_eq!((seats.taken(), seats.in_all()), (2, 3));
            drop(one);
            seats.count_elsewhere(u64::MAX);
            assert!(seats.try_take().is_none());
        });
    }

    #[test]
    fn it_is_told_when_the_last_seat_is_left() {
        block_on(async {
            let seats = seats(0);
            let (one, two) = (seats.take().await, seats.take().await);
            let mut empty = Box::pin(seats.emptied());
            assert!(futures_now(&mut empty).is_none());
            drop(one);
            assert!(futures_now(&mut empty).is_none());
            drop(two);
            assert!(futures_now(&mut empty).is_some());
        });
    }

    /// What a future comes to without waiting.
    fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        }
    }
}
