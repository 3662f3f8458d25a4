//! What the decisions of one request cost, in nanoseconds: `cargo run --release -p tidegate-core --example decision_speed`

use std::hint::black_box;
use std::time::{Duration, Instant};

use tidegate_core::dice::Dice;
use tidegate_core::filter::forwarded::{Peer, Trust, listen_to, passes, write_fields};
use tidegate_core::head::{Field, Known, RequestHead, Span};
use tidegate_core::route::{DotSegments, read_path};
use tidegate_core::snapshot::document::{Forwarded, ForwardedField};

fn main() {
    let mut dice = Dice::seeded(1);
    measure("path: plain", |_| read_path(black_box(b"/v1/items/42/details"), DotSegments::Refuse).is_ok());
    measure("path: escaped", |_| read_path(black_box(b"/v1/items/a%20b%2Fc"), DotSegments::Refuse).is_ok());
    forwarded(&mut dice);
}

fn forwarded(dice: &mut Dice) {
    let lines = [
        ("Host", "api.example.com"),
        ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)"),
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, br"),
        ("Accept-Language", "de"),
        ("Cookie", "session=0123456789abcdef"),
    ];
    let (mut bytes, mut head) = (Vec::new(), RequestHead::default());
    let mut put = |text: &str| {
        let start = bytes.len() as u32;
        bytes.extend_from_slice(text.as_bytes());
        Span { start, end: bytes.len() as u32 }
    };
    for (name, value) in lines {
        head.fields.push(Field { name: put(name), value: put(value), known: Known::of(name.as_bytes()) });
    }
    let from = vec!["10.0.0.0/8".to_owned()];
    let trust = Trust::build(&Forwarded { from, field: ForwardedField::XForwardedFor }).expect("a network");
    let peer = Peer::new("203.0.113.9:5000".parse().ok(), "192.0.2.1:8080".parse().ok());
    let mut out = Vec::with_capacity(4096);
    measure("forwarded: a stranger, 6 fields", |_| {
        out.clear();
        let told = listen_to(&trust, &peer, &bytes, &head, dice);
        let passing = head.fields.iter().filter(|field| passes(&told, &bytes, field, false)).count();
        write_fields(&mut out, &trust, &peer, &told, &bytes, &head, Some(b"api.example.com"));
        passing + out.len()
    });
}

/// The quickest of several rounds: what others do on the machine only makes it slower.
fn measure<T>(what: &str, mut work: impl FnMut(usize) -> T) {
    const TIMES: usize = 100_000;
    let mut best = Duration::MAX;
    for _ in 0..7 {
        let began = Instant::now();
        for n in 0..TIMES {
            black_box(work(n));
        }
        best = best.min(began.elapsed());
    }
    println!("{:8.1} ns  {what}", best.as_nanos() as f64 / TIMES as f64);
}
