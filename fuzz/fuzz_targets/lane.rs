//! A connection on which anything happens in any order: the lane neither panics nor goes round in circles, waits for
//! nobody without a deadline, reads no faster than it can write, and whatever a client sends, an endpoint is sent at most
//! one request by each connection it gives, and one that is well formed. The transcripts' player stands for the engine.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_core::failure::Kind;
use tidegate_core::framing::{
    BodyLength, ChunkLimits, ChunkReader, HeadLimits, HeadReader, Piece, Progress, judge_request,
};
use tidegate_core::head::RequestHead;

macro_rules! of_the_transcripts {
    ($($name:ident $file:literal)+) => {
        $(#[path = $file] #[allow(dead_code, reason = "a fuzzer expects nothing")] mod $name;)+
    };
}

of_the_transcripts! {
    notation "../../crates/core/tests/transcripts/notation.rs"
    script "../../crates/core/tests/transcripts/script.rs"
    setting "../../crates/core/tests/transcripts/setting.rs"
    split "../../crates/core/tests/transcripts/split.rs"
    socket "../../crates/core/tests/transcripts/socket.rs"
    fault "../../crates/core/tests/transcripts/fault.rs"
    player "../../crates/core/tests/transcripts/player.rs"
    told "../../crates/core/tests/transcripts/told.rs"
}

use script::{Input, Script, Side, Step};
use split::Split;
use told::{Done, Seen};

const SETTINGS: &[&str] = &[
    "listener limits.body_bytes 10",
    "route buffer_request 20",
    "listener timeouts.max_age 5s",
    // Two of them at once, if the first one takes its time.
    "upstream endpoints 10.0.0.1:80 10.0.0.2:80 10.0.0.3:80\n\
     route retry {\"reset\": true, \"hedge\": {\"after\": {\"ms\": 10}, \"least_ms\": 0}}",
    "respond / 200 ok",
    "upstream endpoints",
    "client crowded",
    "route host b",
];

/// Chosen by the last byte.
const FILTERS: &[&str] = &[
    r#"route request_headers {"set": [["X-A", "{request.path}"]], "append": [["via", "1.1 b"], ["accept", "c"]]}"#,
    r#"route response_headers {"set": [["X-A", "{request.uri}"]], "remove": ["via", "date", "content-type", "link"]}"#,
    r#"route rewrite {"regex": {"pattern": "(.)", "with": "/.$1"}, "host": "b", "query": "{request.query}"}"#,
    r#"route rewrite {"path": "/{request.path}/{client.ip}"}"#,
    r#"route error_pages [{"statuses": [[400, 599]], "kinds": [], "endpoints": true, "content_type": "text/html",
        "body": "<p>{failure}", "send": null}]"#,
    "route body_limit 7",
    r#"route deny ["192.0.2.1"]"#,
    r#"route request_id {"field": "X-Id"}"#,
];

const REQUESTS: &[&str] = &[
    "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    "HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello",
    "POST / HTTP/1.0\r\ncontent-length: 30\r\n\r\nhello",
    "PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nhost: a\r\nmax-forwards: 1\r\n\r\n",
    "5\r\nhello\r\n",
    "0\r\nx-sum: 1\r\n\r\n",
    "\r\n",
];

const ANSWERS: &[&str] = &[
    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nhello",
    "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nhello",
    "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\nconnection: close\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    "5\r\nhello\r\n",
    "0\r\n\r\n",
];

const KINDS: &[Kind] = &[Kind::ConnectRefused, Kind::ConnectTimeout, Kind::QueueFull, Kind::Internal];

/// Times that pass, as powers of ten milliseconds.
const MOST_TENS: u8 = 7;

fuzz_target!(|input: &[u8]| {
    let Some((script, _)) = guess(input) else { return };
    let done = player::play(&script, Split::Whole).expect("the lane does what a lane may do");
    for request in requests(&done) {
        check_request(&request);
    }
});

/// A script that the bytes stand for; each takes one byte for what happens, and what that needs.
fn guess(input: &[u8]) -> Option<(Script, &[u8])> {
    let (&first, rest) = input.split_first()?;
    let (&last, mut rest) = rest.split_last().unwrap_or((&0, rest));
    let mut script = Script::read("").ok()?;
    script.is_guessed = true;
    for (at, line) in SETTINGS.iter().enumerate() {
        if first >> at & 1 == 1 {
            line.lines().try_for_each(|line| script.setting.take(line)).ok()?;
        }
    }
    for (at, line) in FILTERS.iter().enumerate() {
        if last >> at & 1 == 1 {
            script.setting.take(line).ok()?;
        }
    }
    while let Some((&what, more)) = rest.split_first() {
        let (&how, more) = more.split_first().unwrap_or((&0, more));
        rest = more;
        let side = match (what & 0x80, what & 0x40) {
            (0, _) => Side::Downstream,
            (_, 0) => Side::Upstream,
            _ => Side::Second,
        };
        let pick = |all: &[&str]| all[usize::from(how) % all.len()].as_bytes().to_vec();
        let input = match what % 12 {
            0 | 1 if side == Side::Downstream => Input::Bytes(side, pick(REQUESTS)),
            0 | 1 => Input::Bytes(side, pick(ANSWERS)),
            2 => {
                let (bytes, more) = rest.split_at(rest.len().min(usize::from(how)));
                rest = more;
                Input::Bytes(side, bytes.to_vec())
            }
            3 => Input::Bytes(side, vec![b'x'; usize::from(how) * 100]),
            4 => Input::Closed(side),
            5 if how & 1 == 0 => Input::Reset(side),
            5 => Input::Refuses(side),
            6 => Input::Takes(side, if how == 0xff { usize::MAX } else { usize::from(how) }),
            7 | 8 => Input::Connected { reused: how & 1 == 1, has_room: how & 2 == 0 },
            9 if how & 1 == 0 => Input::Queued,
            9 => Input::Connecting,
            10 => Input::Failed(KINDS[usize::from(how) % KINDS.len()]),
            _ if how == 0xff => Input::Drain,
            _ if how >= 0xf8 => {
                let mut setting = script.setting.clone();
                let lines = SETTINGS[usize::from(how) % SETTINGS.len()].lines();
                lines.for_each(|line| drop(setting.take(line)));
                Input::Reload(Box::new(setting))
            }
            _ => Input::Pass(std::time::Duration::from_millis(10_u64.pow(u32::from(how % MOST_TENS)))),
        };
        script.steps.push(Step { line: script.steps.len(), input, expected: Vec::new() });
    }
    Some((script, rest))
}

/// What each connection to an endpoint was sent.
fn requests(done: &[Done]) -> Vec<Vec<u8>> {
    let mut requests: Vec<Vec<u8>> = Vec::new();
    let (mut first, mut second) = (0, 0);
    for seen in done.iter().flat_map(|done| &done.seen) {
        match seen {
            Seen::Act(act) if act.starts_with("connect") => {
                *(if act.ends_with("second") { &mut second } else { &mut first }) = requests.len();
                requests.push(Vec::new());
            }
            Seen::Bytes(Side::Upstream, bytes) => requests[first].extend_from_slice(bytes),
            Seen::Bytes(Side::Second, bytes) => requests[second].extend_from_slice(bytes),
            Seen::Act(_) | Seen::Bytes(Side::Downstream, _) => {}
        }
    }
    requests
}

/// Fails unless `bytes` are the beginning of one request, or all of it and what follows in a tunnel.
fn check_request(bytes: &[u8]) {
    let (mut reader, mut head) = (HeadReader::default(), RequestHead::default());
    let limits = HeadLimits { bytes: u32::MAX, fields: u32::MAX, line: u32::MAX };
    if reader.read_request(bytes, &limits, &mut head).expect("a head that may be sent") == Progress::Partial {
        return;
    }
    let facts = judge_request(bytes, &head).expect("a request that may be sent");
    let rest = &bytes[head.len as usize..];
    let left = match facts.body {
        BodyLength::None | BodyLength::UntilClose => rest.len(),
        BodyLength::Length(n) => rest.len().saturating_sub(usize::try_from(n).unwrap_or(usize::MAX)),
        BodyLength::Chunked => behind_chunks(rest),
    };
    assert!(left == 0 || facts.upgrade_websocket, "{left} bytes behind a request");
}

/// How many bytes follow a chunked body.
fn behind_chunks(mut rest: &[u8]) -> usize {
    let limits = ChunkLimits { extension: u32::MAX, trailer: u32::MAX };
    let mut reader = ChunkReader::default();
    loop {
        let (used, piece) = reader.advance(rest, &limits).expect("chunks that may be sent");
        rest = &rest[used..];
        match piece {
            Piece::Data { .. } => {}
            Piece::NeedMore => return 0,
            Piece::End => return rest.len(),
        }
    }
}
