//! Prints what telling costs a serving thread: nanoseconds for a line of the access log, and for the metrics of one
//! request. `cargo run --release -p tidegate-engine --example tell_speed`

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use tidegate_core::failure::{Kind, Stage};
use tidegate_core::head::Version;
use tidegate_core::lane::Exposition;
use tidegate_core::snapshot::document::{self, LogLine, LogMember, LogPiece, LogTarget};
use tidegate_engine::log::fields::Field;
use tidegate_engine::log::{AccessLog, Layout, LogWriter, Plan, Record, Target};
use tidegate_engine::metrics::Registry;
use tidegate_engine::metrics::counted::Answered;

const ROUNDS: u64 = 1_000_000;

fn main() -> std::io::Result<()> {
    let registry = Registry::default();
    let (writer, _) = LogWriter::start(registry.access_log(), registry.program_log())?;
    let outlet = writer.open(Target::File("/dev/null".into()))?;
    let log = AccessLog::new(writer, 1);
    for (name, layout) in layouts() {
        log.follow(Some(Arc::new(Plan::new(layout, outlet, 1.0, None))));
        let record = record();
        let line = nanoseconds_each(|round| {
            if log.wants(true) {
                log.write(black_box(&Record { time_unix_ns: record.time_unix_ns + round * 5000, ..record }));
            }
        });
        println!("a line of the access log, {name}: {line:.1} ns");
        log.flush();
    }

    let (route, endpoint) = (registry.route(0, "api"), registry.endpoint(0, "api", "127.0.0.1:9001"));
    let thread = registry.thread(0);
    let update = nanoseconds_each(|round| {
        let answered =
            Answered { status: 200, duration_ns: 200_000 + round % 1_000_000, bytes_in: 120, bytes_out: 1200 };
        endpoint.requests.one();
        endpoint.reused.one();
        endpoint.idle.down();
        endpoint.exchanges.up();
        endpoint.exchanges.down();
        endpoint.idle.up();
        route.answered(black_box(&answered));
    });
    println!("the metrics of a request: {update:.1} ns");
    println!("a failure: {:.1} ns", nanoseconds_each(|_| thread.failed(black_box(Kind::NoRoute), Stage::Route)));

    for name in 0..1000 {
        drop(Arc::clone(&registry.route(0, &format!("route {name}"))));
    }
    let began = Instant::now();
    let mut text = Vec::new();
    registry.render(&mut text, Exposition::Text);
    println!("a scrape of 1,001 routes: {:.1} ms, {} KiB", began.elapsed().as_secs_f64() * 1e3, text.len() / 1024);
    Ok(())
}

fn layouts() -> [(&'static str, Layout); 4] {
    let few = ["time", "client", "method", "path", "status", "bytes_out", "duration"];
    let few = few.map(|name| LogMember::Field(name.to_owned())).to_vec();
    let all_but_one = Field::usual().skip(1).map(|field| LogMember::Field(field.about().name.to_owned())).collect();
    let field = |name: &str| LogPiece::Field(name.to_owned());
    let literal = |text: &str| LogPiece::Literal(text.to_owned());
    let combined = vec![
        field("client"),
        literal(" - - ["),
        field("time_common"),
        literal("] \""),
        field("method"),
        literal(" "),
        field("path"),
        literal(" HTTP/"),
        field("version"),
        literal("\" "),
        field("status"),
        literal(" "),
        field("bytes_out"),
        literal(" \""),
        field("referer"),
        literal("\" \""),
        field("user_agent"),
        literal("\""),
    ];
    let compiled = |line| {
        let document = document::AccessLog { to: LogTarget::Stdout, line, syslog: None, when: None, sample: 1.0 };
        Layout::compile(&document).expect("fields that there are")
    };
    [
        ("JSON with the usual fields", Layout::usual()),
        ("JSON with the usual fields but one", compiled(LogLine::Json(all_but_one))),
        ("JSON with seven fields", compiled(LogLine::Json(few))),
        ("the combined format", compiled(LogLine::Words(combined))),
    ]
}

fn nanoseconds_each(mut what: impl FnMut(u64)) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        (0..ROUNDS).for_each(&mut what);
        best = best.min(began.elapsed().as_secs_f64() * 1e9 / ROUNDS as f64);
    }
    best
}

fn record() -> Record<'static> {
    Record {
        time_unix_ns: 1_798_761_599_500_000_000,
        client: "192.0.2.1",
        peer: "192.0.2.1",
        listener: "web",
        route: "api",
        upstream: "api",
        endpoint: "127.0.0.1:9001",
        layer4: None,
        method: b"GET",
        host: b"api.example.com",
        path: b"/v1/items/12345?page=2",
        version: Version::Http11,
        status: 200,
        bytes_in: 120,
        bytes_out: 1200,
        duration_ns: 1_234_567,
        upstream_ns: Some(999_999),
        attempts: 1,
        tries: "",
        reused: true,
        request_id: b"0123456789abcdef0123456789abcdef",
        user_agent: b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        referer: b"https://example.com/",
        failure: None,
        subject: None,
    }
}
