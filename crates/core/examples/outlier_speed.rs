//! What it costs to tell an endpoint's standing what became of a request, in nanoseconds:
//! `cargo run --release -p tidegate-core --example outlier_speed`

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tidegate_core::health::Outcome;
use tidegate_core::moment::Moment;
use tidegate_core::snapshot::compiled::{Compiled, Endpoint, Upstream};

const NOW: Moment = Moment::from_nanos(1_000);

fn main() {
    for count in [3, 1_000] {
        for (says, outlier) in [("off", false), ("on", true)] {
            let upstream = upstream(count, outlier);
            let endpoint = &upstream.endpoints[0];
            measure(&format!("a good answer, outliers {says}, {count} endpoints"), |n| {
                ends(&upstream, endpoint, 200, n)
            });
        }
        let upstream = upstream(count, true);
        let (one, two) = (&upstream.endpoints[0], &upstream.endpoints[1]);
        measure(&format!("an error and a good answer in turn, {count} endpoints"), |n| {
            ends(&upstream, one, 500 - n % 2 * 300, n);
        });
        ends(&upstream, one, 500, 7);
        ends(&upstream, two, 500, 7);
        measure(&format!("a good answer while a request is blamed, {count} endpoints"), |n| {
            ends(&upstream, two, 200, n + 8)
        });
    }
}

fn ends(upstream: &Upstream, endpoint: &Arc<Endpoint>, status: usize, print: usize) {
    let outcome = Outcome::Answered(u16::try_from(black_box(status)).unwrap_or(200));
    upstream.observe(endpoint, outcome, || print as u64, NOW);
}

fn upstream(count: usize, outlier: bool) -> Arc<Upstream> {
    let endpoint = |n: usize| {
        let address = format!("10.0.{}.{}:80", n / 250, n % 250);
        json!({"address": address, "entry": address, "weight": 1})
    };
    let outlier = outlier.then(|| {
        json!({
            "server_errors": 1_000_000_000, "gateway_errors": 0, "broken": 5, "interval_ms": 10_000,
            "ejection_time_ms": 30_000, "most_ejection_time_ms": 300_000, "most_ejected": 10,
            "success_rate": {"deviations": 1.9, "endpoints": 5, "requests": 100},
            "latency": {"factor": 4.0, "least_ms": 20, "endpoints": 3, "requests": 20},
        })
    });
    let document = json!({
        "format": 1, "number": 1, "source": "speed", "since": 0.0, "threads": 1, "connections": 0,
        "access_log": null, "log": {"level": "info", "format": "text"}, "listeners": [], "routes": [],
        "upstreams": [{
            "name": "api", "balance": "round_robin", "endpoints": (0..count).map(endpoint).collect::<Vec<_>>(),
            "unresolved": [], "proxy_protocol": "off", "health": null, "outlier": outlier, "panic_threshold": 50,
            "pool": {"idle_ms": 4_000, "connections": 0, "queue": 128, "wait_ms": 5_000, "connect_ms": 5_000},
        }],
    });
    let compiled = Compiled::build(serde_json::from_value(document).expect("a document"), None).expect("a snapshot");
    Arc::clone(&compiled.upstreams[0])
}

/// The quickest of several rounds: what others do on the machine only makes it slower.
fn measure(what: &str, mut work: impl FnMut(usize)) {
    const TIMES: usize = 200_000;
    let mut best = Duration::MAX;
    for _ in 0..7 {
        let began = Instant::now();
        (0..TIMES).for_each(&mut work);
        best = best.min(began.elapsed());
    }
    println!("{:8.1} ns  {what}", best.as_nanos() as f64 / TIMES as f64);
}
