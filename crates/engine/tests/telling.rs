//! What is told, seen from outside: the text of `/metrics`, and the access log while its destination misbehaves.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tidegate_core::failure::{Kind, Stage};
use tidegate_core::head::Version;
use tidegate_core::lane::Exposition;
use tidegate_engine::log::{AccessLog, Layout, LogWriter, Plan, Record, Target};
use tidegate_engine::metrics::counted::Answered;
use tidegate_engine::metrics::family::REMEMBERED;
use tidegate_engine::metrics::{Named, Registry};

const ENOUGH: Duration = Duration::from_secs(10);

/// Reads the text as strictly as the format's page has it: HELP, TYPE, then the samples of that metric alone, each once.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let (mut metric, mut kind) = (String::new(), String::new());
    let mut metrics = HashSet::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            metric = help.split(' ').next().expect("a name").to_owned();
            kind.clear();
            assert!(metrics.insert(metric.clone()), "{metric} comes once");
        } else if let Some(of) = line.strip_prefix("# TYPE ") {
            let (name, of) = of.split_once(' ').expect("a type");
            assert_eq!(name, metric);
            of.clone_into(&mut kind);
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let name = series.split('{').next().expect("a name");
            let allowed = match kind.as_str() {
                "histogram" => ["_bucket", "_sum", "_count"].iter().any(|end| name == format!("{metric}{end}")),
                "counter" => name == metric && name.ends_with("_total"),
                "gauge" => name == metric && !name.ends_with("_total"),
                other => panic!("type {other:?}"),
            };
            assert!(allowed, "{line} under {metric}");
            assert!(series == name || series.ends_with('}'), "{line}");
            let value: f64 = value.parse().expect("a number");
            assert!(samples.insert(series.to_owned(), value).is_none(), "{series} comes once");
        }
    }
    samples
}

fn scrape(registry: &Registry) -> BTreeMap<String, f64> {
    let mut out = Vec::new();
    registry.render(&mut out, Exposition::Text);
    parse(std::str::from_utf8(&out).expect("UTF-8"))
}

fn answered(status: u16) -> Answered {
    Answered { status, duration_ns: 3_000_000, bytes_in: 100, bytes_out: 1000 }
}

#[test]
fn a_scrape_adds_the_threads_up() {
    let registry = Registry::default();
    for thread in 0..3 {
        registry.route(thread, "api").answered(&answered(200));
        registry.route(thread, "api").answered(&answered(404));
        registry.listener(thread, "web").accepted.add(2);
        registry.thread(thread).failed(Kind::NoRoute, Stage::Route);
    }
    registry.listener(1, "web").closed.one();
    registry.endpoint(0, "api", "127.0.0.1:1").requests.one();
    let seen = scrape(&registry);
    assert_eq!(seen[r#"tidegate_requests_total{route="api",status="2xx"}"#], 3.0);
    assert_eq!(seen[r#"tidegate_requests_total{route="api",status="4xx"}"#], 3.0);
    assert_eq!(seen[r#"tidegate_request_duration_seconds_bucket{route="api",le="0.0025"}"#], 0.0);
    assert_eq!(seen[r#"tidegate_request_duration_seconds_bucket{route="api",le="0.005"}"#], 6.0);
    assert_eq!(seen[r#"tidegate_request_duration_seconds_bucket{route="api",le="+Inf"}"#], 6.0);
    assert_eq!(seen[r#"tidegate_request_duration_seconds_count{route="api"}"#], 6.0);
    assert_eq!(seen[r#"tidegate_request_duration_seconds_sum{route="api"}"#], 0.018);
    assert_eq!(seen[r#"tidegate_failures_total{kind="no_route",stage="route"}"#], 3.0);
    assert_eq!(seen[r#"tidegate_connections_open{listener="web"}"#], 5.0);
    assert_eq!(seen[r#"tidegate_endpoint_requests_total{upstream="api",endpoint="127.0.0.1:1"}"#], 1.0);
    assert!(seen["process_open_fds"] >= 3.0 && seen["process_resident_memory_bytes"] > 1e5);
}

#[test]
fn a_name_from_the_configuration_cannot_break_a_line() {
    let registry = Registry::default();
    registry.route(0, "a\"b\\c\nd{}").answered(&answered(200));
    let seen = scrape(&registry);
    assert_eq!(seen[r#"tidegate_requests_total{route="a\"b\\c\nd{}",status="2xx"}"#], 1.0);
}

#[test]
fn counters_go_on_over_snapshots_and_end_some_minutes_after_their_name() {
    let registry = Registry::default();
    let now = Instant::now();
    let series = r#"tidegate_requests_total{route="api",status="2xx"}"#;
    registry.route(0, "api").answered(&answered(200));
    registry.retire(&Named { routes: HashSet::from(["api"]), ..Named::default() }, now);
    registry.route(0, "api").answered(&answered(200));
    assert_eq!(scrape(&registry)[series], 2.0);

    registry.retire(&Named::default(), now);
    registry.retire(&Named::default(), now + REMEMBERED / 2);
    assert_eq!(scrape(&registry)[series], 2.0);
    registry.route(1, "api").answered(&answered(200));
    assert_eq!(scrape(&registry)[series], 3.0);

    registry.retire(&Named::default(), now + REMEMBERED);
    registry.retire(&Named::default(), now + REMEMBERED * 2);
    assert_eq!(scrape(&registry).get(series), None);
}

/// A folder that is gone when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tidegate-telling-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn record(path: &[u8]) -> Record<'_> {
    Record {
        time_unix_ns: 0,
        client: "192.0.2.1",
        peer: "192.0.2.1",
        listener: "web",
        route: "",
        upstream: "",
        endpoint: "",
        layer4: None,
        method: b"GET",
        host: b"",
        path,
        version: Version::Http11,
        status: 200,
        bytes_in: 0,
        bytes_out: 0,
        duration_ns: 0,
        upstream_ns: None,
        attempts: 0,
        tries: "",
        reused: false,
        request_id: b"",
        user_agent: b"",
        referer: b"",
        failure: None,
        subject: None,
    }
}

fn start(registry: &Registry, path: &std::path::Path) -> (LogWriter, AccessLog) {
    let (writer, _) = LogWriter::start(registry.access_log(), registry.program_log()).expect("a thread");
    let log = AccessLog::new(writer.clone(), 1);
    log_to(&writer, &log, Target::File(path.to_owned())).expect("it opens");
    (writer, log)
}

/// What a reload does: opens, lets the threads follow, and leaves what was there.
fn log_to(writer: &LogWriter, log: &AccessLog, target: Target) -> std::io::Result<()> {
    let outlet = writer.open(target)?;
    log.follow(Some(Arc::new(Plan::new(Layout::usual(), outlet, 1.0, None))));
    writer.settle(Some(outlet))
}

/// The numbers of the lines in order; each line must be whole.
fn numbers(text: &str) -> Vec<u64> {
    let number = |line: &str| -> u64 {
        let object: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("whole: {line}"));
        object["path"].as_str().expect("a path").parse().expect("a number")
    };
    text.lines().map(number).collect()
}

#[test]
fn every_line_arrives_in_order() {
    let (registry, folder) = (Registry::default(), Folder::new("order"));
    let path = folder.0.join("access.log");
    let (writer, log) = start(&registry, &path);
    for number in 0..20_000 {
        log.write(&record(number.to_string().as_bytes()));
    }
    log.flush();
    assert!(writer.flush(ENOUGH));
    assert_eq!(numbers(&fs::read_to_string(path).expect("a file")), (0..20_000).collect::<Vec<_>>());
    assert_eq!(registry.access_log().written.load(Ordering::Relaxed), 20_000);
}

#[test]
fn reopening_after_a_rename_loses_nothing() {
    let (registry, folder) = (Registry::default(), Folder::new("reopen"));
    let (path, old) = (folder.0.join("access.log"), folder.0.join("access.log.1"));
    let (writer, log) = start(&registry, &path);
    log.write(&record(b"0"));
    log.flush();
    fs::rename(&path, &old).expect("a rename");
    writer.reopen().expect("it opens");
    log.write(&record(b"1"));
    log.flush();
    assert!(writer.flush(ENOUGH));
    assert_eq!(numbers(&fs::read_to_string(old).expect("a file")), [0]);
    assert_eq!(numbers(&fs::read_to_string(path).expect("a file")), [1]);
}

#[test]
fn a_destination_that_does_not_open_changes_nothing() {
    let (registry, folder) = (Registry::default(), Folder::new("refused"));
    let path = folder.0.join("access.log");
    let (writer, log) = start(&registry, &path);
    log_to(&writer, &log, Target::File(folder.0.join("none/access.log"))).expect_err("no such folder");
    log.write(&record(b"0"));
    log.flush();
    assert!(writer.flush(ENOUGH));
    assert_eq!(numbers(&fs::read_to_string(path).expect("a file")), [0]);
}

#[test]
fn a_blocked_pipe_holds_nobody_up_and_its_lines_are_whole() {
    let (registry, folder) = (Registry::default(), Folder::new("pipe"));
    let path = folder.0.join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a FIFO");
    let mut reader = fs::OpenOptions::new().read(true).write(true).open(&path).expect("a reader");
    let (writer, log) = start(&registry, &path);
    let long = vec![b'7'; 200];
    let lines = 60_000u64; // beyond what pipe, channel and memory hold together
    for _ in 0..lines {
        log.write(&record(&long));
    }
    log.flush();
    assert!(!writer.flush(Duration::ZERO), "the pipe is full");
    let dropped = registry.access_log().dropped();
    assert!(dropped > 0, "what fits nowhere is counted");
    let mut text = String::new();
    let mut seen = 0;
    let mut part = vec![0; 65_536];
    while seen < lines - dropped {
        let count = reader.read(&mut part).expect("a pipe");
        text.push_str(std::str::from_utf8(&part[..count]).expect("ASCII"));
        let end = text.rfind('\n').map_or(0, |last| last + 1);
        for line in text.drain(..end).collect::<String>().lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("a whole line");
            seen += 1;
        }
    }
    assert!(writer.flush(ENOUGH));
    assert_eq!(registry.access_log().written.load(Ordering::Relaxed), seen);
    assert_eq!(registry.access_log().dropped(), dropped);
}

#[test]
fn a_full_disk_is_written_to_again_when_there_is_room() {
    let (registry, folder) = (Registry::default(), Folder::new("full"));
    let path = folder.0.join("access.log");
    let (writer, log) = start(&registry, std::path::Path::new("/dev/full"));
    log.write(&record(b"0"));
    log.flush();
    assert!(!writer.flush(Duration::from_millis(50)), "there is no room");
    log_to(&writer, &log, Target::File(path.clone())).expect("it opens");
    log.write(&record(b"1"));
    log.flush();
    assert!(writer.flush(ENOUGH));
    assert_eq!(numbers(&fs::read_to_string(path).expect("a file")), [0, 1]);
}
