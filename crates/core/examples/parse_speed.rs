//! Prints how long a head takes to read and judge: `cargo run --release -p tidegate-core --example parse_speed`.

use std::hint::black_box;
use std::time::Instant;

use tidegate_core::framing::{ChunkLimits, ChunkReader, Dropped, HeadLimits, HeadReader, Piece};
use tidegate_core::framing::{judge_request, judge_response};
use tidegate_core::head::{Method, RequestHead, ResponseHead};

const LIMITS: HeadLimits = HeadLimits { bytes: 65_536, fields: 128, line: 16_384 };
const ROUNDS: u32 = 1_000_000;

const SHORT_REQUEST: &[u8] =
    b"GET /items/1?page=2 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: wrk/4.2.0\r\nAccept: */*\r\n\r\n";

const BROWSER_REQUEST: &[u8] =
    b"GET /assets/app.js?v=20240101 HTTP/1.1\r\nHost: www.example.com\r\nConnection: keep-alive\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
    Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\nCookie: session=0123456789abcdef; a=b\r\n\
    Cache-Control: max-age=0\r\nReferer: https://www.example.com/\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx/1.26.2\r\nDate: Tue, 24 Nov 2026 04:00:00 GMT\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 1024\r\nLast-Modified: Mon, 23 Nov 2026 04:00:00 GMT\r\n\
    Connection: keep-alive\r\nETag: \"6565f3a0-400\"\r\nAccept-Ranges: bytes\r\n\r\n";

const CHUNKS: &[u8] = b"400;name=value\r\n";

fn main() {
    let mut request = RequestHead::default();
    let mut response = ResponseHead::default();
    for (name, bytes) in [("short request", SHORT_REQUEST), ("browser's request", BROWSER_REQUEST)] {
        time(&format!("{name}, {} bytes: read", bytes.len()), || {
            black_box(HeadReader::default().read_request(black_box(bytes), &LIMITS, &mut request)).is_ok()
        });
        time(&format!("{name}: judge"), || black_box(judge_request(black_box(bytes), black_box(&request))).is_ok());
        time(&format!("{name}: drop"), || {
            let dropped = Dropped::of_request(black_box(bytes), &request);
            request.fields.iter().filter(|field| !dropped.drops(bytes, field)).count() > 0
        });
    }
    time(&format!("answer, {} bytes: read", RESPONSE.len()), || {
        black_box(HeadReader::default().read_response(black_box(RESPONSE), &LIMITS, &mut response)).is_ok()
    });
    time("answer: judge", || black_box(judge_response(black_box(RESPONSE), &response, Method::Get)).is_ok());
    time("answer: drop", || {
        let dropped = Dropped::of_response(black_box(RESPONSE), &response);
        response.fields.iter().filter(|field| !dropped.drops(RESPONSE, field)).count() > 0
    });
    let limits = ChunkLimits { extension: 4096, trailer: 8192 };
    time("chunk's size line", || {
        let piece = ChunkReader::default().advance(black_box(CHUNKS), &limits);
        matches!(piece, Ok((_, Piece::NeedMore)))
    });
}

fn time(name: &str, mut work: impl FnMut() -> bool) {
    let best = (0..5)
        .map(|_| {
            let began = Instant::now();
            for _ in 0..ROUNDS {
                assert!(work());
            }
            began.elapsed()
        })
        .min()
        .unwrap_or_default();
    println!("{:>8.1} ns  {name}", best.as_secs_f64() * 1e9 / f64::from(ROUNDS));
}
