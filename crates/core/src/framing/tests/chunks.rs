//! Chunked bodies: what is read of them, or why they are refused.

use super::super::{ChunkLimits, ChunkReader, Piece};
use super::*;

/// A whole body: its data, how many bytes came after it, its trailers.
pub(super) type Whole = (Vec<u8>, usize, Vec<u8>);

/// Reads a body that comes in pieces of `step` bytes; `None` if it is not whole.
pub(super) fn read(bytes: &[u8], step: usize, limits: &ChunkLimits) -> Result<Option<Whole>, Failure> {
    let (mut reader, mut data, mut at) = (ChunkReader::default(), Vec::new(), 0);
    for end in ends(bytes.len(), step) {
        loop {
            let input = &bytes[at..end];
            let (used, piece) = reader.advance(input, limits)?;
            assert!(used <= input.len());
            at += used;
            match piece {
                Piece::Data { at, len } => {
                    assert!(len > 0 && at + len == used);
                    data.extend_from_slice(&input[at..used]);
                }
                Piece::NeedMore => {
                    assert_eq!(used, input.len());
                    break;
                }
                Piece::End => return Ok(Some((data, bytes.len() - at, reader.trailers().to_vec()))),
            }
        }
    }
    Ok(None)
}

fn sentence(bytes: &[u8], step: usize) -> String {
    match read(bytes, step, &CHUNK_LIMITS) {
        Ok(Some((data, after, trailers))) => {
            format!("{}|{}|{after}", String::from_utf8_lossy(&data), String::from_utf8_lossy(&trailers))
        }
        Ok(None) => "more is needed".into(),
        Err(failure) => format!("refused {failure}"),
    }
}

const BODIES: &[(&str, &[u8], &str)] = &[
    ("nothing yet", b"", "more is needed"),
    ("an empty body", b"0\r\n\r\n", "||0"),
    ("a chunk", b"5\r\nhello\r\n0\r\n\r\n", "hello||0"),
    ("two chunks", b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world||0"),
    ("data that looks like chunks", b"7\r\n0\r\n\r\n0\r\r\n0\r\n\r\n", "0\r\n\r\n0\r||0"),
    ("a size in either case", b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789||0"),
    ("a size with zeros before it", b"0000000000000005\r\nhello\r\n0\r\n\r\n", "hello||0"),
    ("several zeros", b"000\r\n\r\n", "||0"),
    ("what follows stays", b"0\r\n\r\nGET /", "||5"),
    ("no end", b"5\r\nhello\r\n", "more is needed"),
    ("no end of data", b"5\r\nhel", "more is needed"),
    ("no end of the end", b"0\r\n", "more is needed"),
    ("half the end of the end", b"0\r\n\r", "more is needed"),
    // Sizes.
    ("a size of 17 digits", b"00000000000000005\r\nhello\r\n", "refused ambiguous_framing: too large"),
    ("a size of 2^64 and 5", b"10000000000000005\r\nhello\r\n", "refused ambiguous_framing: too large"),
    ("a size of 2^63", b"8000000000000000\r\n", "refused ambiguous_framing: too large"),
    ("the largest size", b"7fffffffffffffff\r\n", "more is needed"),
    ("a size with 0x", b"0x5\r\nhello\r\n0\r\n\r\n", "refused ambiguous_framing: byte 1"),
    ("a size with a plus", b"+5\r\nhello\r\n0\r\n\r\n", "refused ambiguous_framing: byte 0"),
    ("a size with a minus", b"-5\r\nhello\r\n0\r\n\r\n", "refused ambiguous_framing: byte 0"),
    ("a size with an underscore", b"1_0\r\n", "refused ambiguous_framing: byte 1"),
    ("a size behind a space", b" 5\r\nhello\r\n0\r\n\r\n", "refused ambiguous_framing: byte 0"),
    ("a size behind a tab", b"\t5\r\nhello\r\n0\r\n\r\n", "refused ambiguous_framing: byte 0"),
    ("a size before a space", b"5 \r\nhello\r\n0\r\n\r\n", "refused ambiguous_framing: byte 2: white space"),
    ("a size before a tab", b"5\t\r\nhello\r\n0\r\n\r\n", "refused ambiguous_framing: byte 2: white space"),
    ("a size with a space in it", b"5 0\r\n", "refused ambiguous_framing: byte 2"),
    ("a size with a point", b"5.0\r\n", "refused ambiguous_framing: byte 1"),
    ("a size with a comma", b"5,5\r\n", "refused ambiguous_framing: byte 1"),
    ("a size that is none", b"g\r\n", "refused ambiguous_framing: byte 0"),
    ("a size with a letter behind it", b"5g\r\n", "refused ambiguous_framing: byte 1"),
    ("an empty size", b"\r\nhello", "refused ambiguous_framing: byte 0"),
    ("an extension without a size", b";a=b\r\n", "refused ambiguous_framing: byte 0"),
    ("a NUL behind a size", b"5\0\r\n", "refused ambiguous_framing: byte 1"),
    ("a size in quotes", b"\"5\"\r\n", "refused ambiguous_framing: byte 0"),
    // Line ends.
    ("a bare LF behind a size", b"5\nhello\r\n0\r\n\r\n", "refused ambiguous_framing: byte 1"),
    ("a bare CR behind a size", b"5\rhello\r\n0\r\n\r\n", "refused ambiguous_framing: byte 2"),
    ("CR CR LF behind a size", b"5\r\r\nhello\r\n0\r\n\r\n", "refused ambiguous_framing: byte 2"),
    ("LF CR behind a size", b"5\n\rhello\r\n", "refused ambiguous_framing: byte 1"),
    ("a bare LF behind data", b"5\r\nhello\n0\r\n\r\n", "refused ambiguous_framing: byte 8: no CR LF after"),
    ("a bare CR behind data", b"5\r\nhello\r0\r\n\r\n", "refused ambiguous_framing: byte 9: no CR LF after"),
    ("nothing behind data", b"5\r\nhello0\r\n\r\n", "refused ambiguous_framing: byte 8: no CR LF after"),
    ("junk behind data", b"5\r\nhelloX\r\n0\r\n\r\n", "refused ambiguous_framing: byte 8: no CR LF after"),
    ("two bytes of junk for the CR LF", b"5\r\nhelloXX0\r\n\r\n", "refused ambiguous_framing: byte 8"),
    ("an empty line behind data", b"5\r\nhello\r\n\r\n0\r\n\r\n", "refused ambiguous_framing: byte 10"),
    ("a bare LF behind the last size", b"0\n\r\n", "refused ambiguous_framing: byte 1"),
    ("a bare LF for the end", b"0\r\n\n", "refused malformed_request: byte 3"),
    ("a bare CR for the end", b"0\r\n\rX", "refused ambiguous_framing: byte 4"),
    // Extensions.
    ("an extension", b"5;a=b\r\nhello\r\n0\r\n\r\n", "hello||0"),
    ("an extension without a value", b"5;a\r\nhello\r\n0\r\n\r\n", "hello||0"),
    ("several extensions", b"5;a=b;c;d=e\r\nhello\r\n0;f\r\n\r\n", "hello||0"),
    ("a quoted value", b"5;a=\"b;\\\"\\\\ \t\xe9\"\r\nhello\r\n0\r\n\r\n", "hello||0"),
    ("an empty quoted value", b"0;a=\"\"\r\n\r\n", "||0"),
    ("bad white space where the grammar has it", b"0 ;\ta = b ; c=\"d\" ;e\r\n\r\n", "||0"),
    ("a semicolon alone", b"5;\r\nhello\r\n0\r\n\r\n", "refused ambiguous_framing: byte 2"),
    ("two semicolons", b"5;;a\r\n", "refused ambiguous_framing: byte 2"),
    ("a semicolon at the end", b"5;a=b;\r\n", "refused ambiguous_framing: byte 6"),
    ("an extension without a name", b"5;=b\r\n", "refused ambiguous_framing: byte 2"),
    ("an extension with an empty value", b"5;a=\r\n", "refused ambiguous_framing: byte 4"),
    ("white space behind an extension", b"5;a=b \r\n", "refused ambiguous_framing: byte 6: white space"),
    ("white space behind a name", b"5;a \r\n", "refused ambiguous_framing: byte 4"),
    ("two values", b"5;a=b=c\r\n", "refused ambiguous_framing: byte 5"),
    ("two names", b"5;a b\r\n", "refused ambiguous_framing: byte 4"),
    ("something behind a quoted value", b"5;a=\"b\"c\r\n", "refused ambiguous_framing: byte 7"),
    ("a bare LF in an extension", b"5;a\nhello\r\n0\r\n\r\n", "refused ambiguous_framing: byte 3"),
    ("a bare LF behind a semicolon", b"5;\nhello\r\n0\r\n\r\n", "refused ambiguous_framing: byte 2"),
    ("a bare CR in an extension", b"5;a\rb\r\nhello\r\n", "refused ambiguous_framing: byte 4"),
    ("a bare CR in a quoted value", b"5;a=\"\r\"\r\n", "refused ambiguous_framing: byte 5"),
    ("CR LF in a quoted value", b"5;a=\"\r\nhello\"\r\n", "refused ambiguous_framing: byte 5"),
    ("a bare LF in a quoted value", b"5;a=\"\n\"\r\n", "refused ambiguous_framing: byte 5"),
    ("an escaped LF", b"5;a=\"\\\n\"\r\n", "refused ambiguous_framing: byte 6"),
    ("an escaped CR", b"5;a=\"\\\r\n\"\r\n", "refused ambiguous_framing: byte 6"),
    ("a NUL in an extension", b"5;a\0\r\n", "refused ambiguous_framing: byte 3"),
    ("a NUL in a quoted value", b"5;a=\"\0\"\r\n", "refused ambiguous_framing: byte 5"),
    ("a delete in a quoted value", b"5;a=\"\x7f\"\r\n", "refused ambiguous_framing: byte 5"),
    ("UTF-8 outside of quotes", b"5;a=\xc3\xa9\r\n", "refused ambiguous_framing: byte 4"),
    (
        "an extension as long as allowed",
        b"0;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n",
        "||0",
    ),
    (
        "an extension one too long",
        b"0;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n",
        "refused chunk_extension_too_long",
    ),
    // Trailers.
    ("a trailer", b"0\r\nX-Sum: 1\r\n\r\n", "|X-Sum: 1\r\n|0"),
    (
        "several trailers",
        b"0\r\nX-Sum:1\r\nETag: \t\"a\" \r\nEmpty:\r\n\r\nX",
        "|X-Sum: 1\r\nETag: \"a\"\r\nEmpty: \r\n|1",
    ),
    ("a trailer that is not whole", b"0\r\nX-Sum: 1\r", "more is needed"),
    ("trailers without an end", b"0\r\nX-Sum: 1\r\n", "more is needed"),
    ("a trailer by bare LF", b"0\r\nX: 1\n\r\n", "refused malformed_request: byte 7: an LF"),
    ("a trailer with a bare CR", b"0\r\nX: 1\r2\r\n\r\n", "refused malformed_request: byte 7: a CR"),
    ("trailers that end in a bare LF", b"0\r\nX: 1\r\n\n", "refused malformed_request: byte 9: an LF"),
    ("trailers that end in bare CRs", b"0\r\nX: 1\r\r", "refused malformed_request: byte 7: a CR"),
    ("a trailer with a NUL", b"0\r\nX: \0\r\n\r\n", "refused malformed_request: byte 6"),
    (
        "a folded trailer",
        b"0\r\nX: 1\r\n 2\r\n\r\n",
        "refused malformed_request: byte 9: a line that begins with white space",
    ),
    ("a trailer without a colon", b"0\r\nX\r\n\r\n", "refused malformed_request: byte 4"),
    ("a trailer without a name", b"0\r\n: x\r\n\r\n", "refused malformed_request: byte 3"),
    ("a trailer with a space before the colon", b"0\r\nX : 1\r\n\r\n", "refused malformed_request: byte 4"),
    ("a request in the place of a trailer", b"0\r\nGET / HTTP/1.1\r\n\r\n", "refused malformed_request: byte 6"),
    ("Content-Length as a trailer", b"0\r\nContent-Length: 5\r\n\r\n", "refused invalid_trailer: `Content-Length`"),
    ("Transfer-Encoding as a trailer", b"0\r\ntransfer-encoding: chunked\r\n\r\n", "refused invalid_trailer"),
    ("Host as a trailer", b"0\r\nHost: b\r\n\r\n", "refused invalid_trailer"),
    ("Authorization as a trailer", b"0\r\nX: y\r\nAuthorization: Basic x\r\n\r\n", "refused invalid_trailer: byte 9"),
    ("Cookie as a trailer", b"0\r\nCookie: a=b\r\n\r\n", "refused invalid_trailer"),
    ("Set-Cookie as a trailer", b"0\r\nSet-Cookie: a=b\r\n\r\n", "refused invalid_trailer"),
    ("Connection as a trailer", b"0\r\nConnection: close\r\n\r\n", "refused invalid_trailer"),
    ("Upgrade as a trailer", b"0\r\nUpgrade: websocket\r\n\r\n", "refused invalid_trailer"),
    ("TE as a trailer", b"0\r\nTE: trailers\r\n\r\n", "refused invalid_trailer"),
    ("Trailer as a trailer", b"0\r\nTrailer: X\r\n\r\n", "refused invalid_trailer"),
    ("X-Forwarded-For as a trailer", b"0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n", "refused invalid_trailer"),
    ("X_Forwarded_For as a trailer", b"0\r\nX_Forwarded_For: 1.2.3.4\r\n\r\n", "refused invalid_trailer"),
    ("Forwarded as a trailer", b"0\r\nForwarded: for=x\r\n\r\n", "refused invalid_trailer"),
    ("Content_Length as a trailer", b"0\r\nContent_Length: 5\r\n\r\n", "refused invalid_trailer"),
];

#[test]
fn bodies() {
    for (id, bytes, expected) in BODIES {
        for step in [bytes.len().max(1), 1, 2, 3, 7] {
            let found = sentence(bytes, step);
            assert!(agrees(&found, expected), "{id}, by {step}:\n found    {found}\n expected {expected}");
        }
    }
}

#[test]
fn trailers_have_a_limit() {
    for (len, fits) in [(251, true), (252, false)] {
        let body = format!("0\r\nX: {}\r\n\r\n", "x".repeat(len));
        for step in [1, 5, 1000] {
            let read = read(body.as_bytes(), step, &CHUNK_LIMITS);
            assert_eq!(read.is_ok(), fits, "{len} by {step}");
            assert!(fits || read.is_err_and(|failure| failure.kind.name() == "trailers_too_large"));
        }
    }
    let endless = format!("0\r\nX: {}", "x".repeat(300));
    assert!(read(endless.as_bytes(), 1, &CHUNK_LIMITS).is_err());
}

#[test]
fn extensions_may_not_outweigh_the_data() {
    let small = "1;aaaaaaaaaaaaaaaa\r\nx\r\n".repeat(10) + "0\r\n\r\n";
    let failure = read(small.as_bytes(), 1000, &CHUNK_LIMITS).unwrap_err();
    assert_eq!(failure.kind.name(), "chunk_extension_too_long");
    let large = "20;aaaaaaaaaaaaaaaa\r\n0123456789abcdef0123456789abcdef\r\n".repeat(10) + "0\r\n\r\n";
    assert!(read(large.as_bytes(), 1000, &CHUNK_LIMITS).unwrap().is_some());
}

#[test]
fn data_is_told_of_without_being_there() {
    let mut reader = ChunkReader::default();
    assert_eq!(reader.advance(b"40000000\r\nabc", &CHUNK_LIMITS).unwrap(), (13, Piece::Data { at: 10, len: 3 }));
    assert_eq!(reader.remaining_in_chunk(), 0x4000_0000 - 3);
    assert_eq!(reader.advance(b"", &CHUNK_LIMITS).unwrap(), (0, Piece::NeedMore));
}

#[test]
fn a_body_of_an_answer_is_the_endpoints_fault() {
    let failure = ChunkReader::of_response().advance(b"x", &CHUNK_LIMITS).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "response_malformed at exchange: byte 0: a chunk size that does not begin with a digit: `x`"
    );
}
