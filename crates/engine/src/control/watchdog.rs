//! Watches over the threads that serve: one that stands still for 10 seconds ends the process, and says where it stood.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::machine::{Beat, Machine};

/// How often the threads are looked at.
const TICK: Duration = Duration::from_secs(1);

/// After how many ticks without a beat a thread is stuck. Ticks of our own are counted, not time: a process that was
/// stopped and goes on has missed none.
const STUCK_AFTER: u32 = 10;

/// Looks at the beats of `machine` for ever. `tell` is told of a thread that is stuck, then the process aborts.
pub(super) fn watch(machine: &Arc<dyn Machine>, tell: impl Fn(&Beat)) -> ! {
    let mut watch = Watch::default();
    loop {
        std::thread::sleep(TICK);
        let Some(beats) = machine.beats() else { continue };
        if let Some(stuck) = watch.tick(beats) {
            let Beat { thread, route, stage, .. } = &stuck;
            let stood = format!("thread {thread} has stood still for {STUCK_AFTER} s");
            machine.last_words(&format!("{stood}, last at route {route:?}, stage {stage}: the worker aborts"));
            tell(&stuck);
            std::process::abort();
        }
    }
}

/// How often each thread's count was seen unmoved.
#[derive(Default)]
struct Watch {
    seen: HashMap<String, (u64, u32)>,
}

impl Watch {
    /// Takes the counts of one tick; gives back a thread that is stuck.
    fn tick(&mut self, beats: Vec<Beat>) -> Option<Beat> {
        let mut seen = HashMap::with_capacity(beats.len());
        let mut stuck = None;
        for beat in beats {
            let unmoved = match self.seen.get(&beat.thread) {
                Some((count, unmoved)) if *count == beat.count => unmoved + 1,
                Some(_) | None => 0,
            };
            seen.insert(beat.thread.clone(), (beat.count, unmoved));
            if unmoved >= STUCK_AFTER {
                stuck = Some(beat);
            }
        }
        self.seen = seen;
        stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(thread: &str, count: u64) -> Beat {
        Beat { thread: thread.to_owned(), count, route: "api".to_owned(), stage: "exchange" }
    }

    #[test]
    fn a_thread_is_stuck_after_ten_ticks_without_a_beat() {
        let mut watch = Watch::default();
        for tick in 0..10 {
            assert_eq!(watch.tick(vec![beat("serve-0", tick), beat("serve-1", 5)]), None);
        }
        assert_eq!(watch.tick(vec![beat("serve-0", 10), beat("serve-1", 5)]), Some(beat("serve-1", 5)));
    }

    #[test]
    fn one_beat_in_time_begins_the_count_anew() {
        let mut watch = Watch::default();
        for tick in 0..100 {
            assert_eq!(watch.tick(vec![beat("serve-0", tick / 10)]), None);
        }
    }

    #[test]
    fn a_thread_that_ended_is_not_stuck() {
        let mut watch = Watch::default();
        for _ in 0..10 {
            assert_eq!(watch.tick(vec![beat("serve-0", 1)]), None);
        }
        assert_eq!(watch.tick(vec![]), None);
        assert_eq!(watch.tick(vec![beat("serve-0", 1)]), None);
    }
}
