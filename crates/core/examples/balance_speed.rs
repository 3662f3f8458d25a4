//! What a choice of an endpoint costs, in nanoseconds, and what its end: `cargo run --release -p tidegate-core --example balance_speed`
//!
//! A choice refreshes the view, chooses, and counts the exchange; an end takes in its latency and gives it back. Some 2
//! exchanges an endpoint are under way all the time. `balance_speed METHOD ENDPOINTS BATCHES` plays one row so many times,
//! for programs that count instructions (`python -m tools.instructions`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_core::balance::tiers::Tier;
use tidegate_core::balance::{EndpointId, HashTable, Holder, Method, Ranking, Rule, Seat, Turn, View};
use tidegate_core::dice::Dice;
use tidegate_core::geo::Place;
use tidegate_core::moment::Moment;

const BATCH: usize = 500;
const ROUNDS: usize = 2000;
const KEYS: usize = 4096;

fn main() {
    let mut dice = Dice::seeded(2);
    let keys: Vec<u64> = (0..KEYS).map(|_| dice.roll()).collect();
    let places: Vec<u64> = (0..KEYS).filter_map(|_| somewhere(&mut dice)).map(Place::key).collect();
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [name, count, batches] = words.as_slice() {
        let numbers = (count.parse(), batches.parse());
        let (Ok(count), Ok(batches)) = numbers else { panic!("two numbers, not {count} and {batches}") };
        let (_, method) = methods(count, 1).into_iter().find(|(known, _)| known == name).expect("a method's name");
        measure(&method, View::of(seats(count, 1)), &keys, batches);
        return;
    }
    for (of, count, weights) in [("3", 3, 1), ("1,000", 1000, 1), ("1,000, 7 weights", 1000, 7)] {
        for (name, method) in &methods(count, weights) {
            tell(name, measure(method, View::of(seats(count, weights)), &keys, ROUNDS), of);
        }
    }
    for (of, count) in [("3", 3), ("1,000", 1000)] {
        let least = Method::Ranked(Rule::LeastRequests);
        let zoned = seats(count, 1).into_iter().map(|seat| Seat { tier: Tier::new(0, seat.id % 4), ..seat });
        tell("least, a zone", measure(&least, View::of(zoned.collect()), &keys, ROUNDS), of);
        let labelled = seats(count, 1).into_iter().map(|seat| Seat { weight: u32::from(seat.id % 4 == 1), ..seat });
        tell("least, a subset", measure(&least, View::of(labelled.collect()), &keys, ROUNDS), of);
        let sites = (0..count).map(|_| somewhere(&mut dice)).collect();
        let nearest = Method::Nearest(sites, Box::new(Method::RandomTwo));
        tell("nearest", measure(&nearest, View::of(seats(count, 1)), &places, ROUNDS), of);
    }
}

fn tell(name: &str, (choice, end): (f64, f64), of: &str) {
    println!("{name:16} {choice:6.1} ns a choice, {end:6.1} ns an end, of {of}");
}

fn seats(count: u32, weights: u32) -> Vec<Seat> {
    (0..count).map(|n| Seat { id: n + 1, weight: 1 + n % weights, ..Seat::default() }).collect()
}

fn somewhere(dice: &mut Dice) -> Option<Place> {
    Place::of(dice.below(180) as f64 - 90.0, dice.below(360) as f64 - 180.0)
}

fn methods(count: u32, weights: u32) -> Vec<(&'static str, Method)> {
    let names: Vec<String> = (0..count).map(|at| format!("10.0.{}.{}:80", at / 256, at % 256)).collect();
    let pairs = || names.iter().zip(0..).map(|(name, at)| (name.as_str(), 1 + at % weights));
    vec![
        ("round_robin", Method::RoundRobin),
        ("least_requests", Method::Ranked(Rule::LeastRequests)),
        ("random_two", Method::RandomTwo),
        ("peak_ewma", Method::Ranked(Rule::PeakEwma)),
        ("first", Method::Ranked(Rule::First { limit: 4 })),
        ("hash", Method::Hashed(Arc::new(HashTable::maglev(pairs())), None)),
        ("hash, bound", Method::Hashed(Arc::new(HashTable::maglev(pairs())), Some(1.25))),
        ("hash by ring", Method::Hashed(Arc::new(HashTable::ring(pairs())), None)),
    ]
}

/// The quickest of several rounds: what others do on the machine only makes it slower.
fn measure(method: &Method, mut view: View, keys: &[u64], rounds: usize) -> (f64, f64) {
    let mut dice = Dice::seeded(1);
    let mut keys = keys.iter().copied().cycle();
    let ranking = Arc::<Ranking>::default();
    let mut balancer = method.balancer(&view, &ranking, 0, &mut dice);
    let holders: Vec<_> =
        view.seats().iter().zip(0..).map(|(seat, at)| seat.holder(EndpointId(at), &ranking)).collect();
    let (mut held, mut now) = (VecDeque::new(), 0u64);
    let mut best = (Duration::MAX, Duration::MAX);
    for _ in 0..rounds {
        let began = Instant::now();
        for _ in 0..BATCH {
            now += 1000;
            let at = Moment::from_nanos(now);
            view.refresh(at);
            let mut turn = Turn { now: at, dice: &mut dice, tried: &[], key: keys.next(), recording: false };
            let chosen = balancer.choose(&view, &mut turn).chosen;
            held.extend(chosen.and_then(|chosen| holders.get(chosen.0 as usize)).map(Holder::counted));
        }
        let chosen = Instant::now();
        let mut ended = 0;
        while held.len() > 2 * holders.len()
            && let Some(over) = held.pop_front()
        {
            now += 1000;
            over.answered(Duration::from_micros(500 + now % 512), Moment::from_nanos(now));
            ended += 1;
        }
        if ended == BATCH {
            best = (best.0.min(chosen - began), best.1.min(chosen.elapsed()));
        }
    }
    (best.0.as_nanos() as f64 / BATCH as f64, best.1.as_nanos() as f64 / BATCH as f64)
}
