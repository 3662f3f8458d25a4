//! What holds of any bytes.

use proptest::prelude::*;

use super::*;
use crate::head::Field;

/// Bytes that are often nearly a message: pieces that matter, put together at random.
fn nearly(pieces: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(pieces).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

const OF_HEADS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\n",
    b"POST /a?b HTTP/1.1\r\n",
    b"GET http://a/ HTTP/1.0\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 204 \r\n",
    b"Host: a\r\n",
    b"host: a:80\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close, x\r\n",
    b"Upgrade: websocket\r\n",
    b"Connection: upgrade\r\n",
    b"X: y\r\n",
    b"x:\t z\xff \r\n",
    b"Expect: 100-continue\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\r",
    b"\n",
    b"\0",
    b" ",
    b"\t",
    b":",
    b"GET ",
    b"/",
    b"HTTP/1.1",
    b"X",
    b",",
    b"\x0b",
    b"#",
];

const OF_CHUNKS: &[&[u8]] = &[
    b"5\r\nhello\r\n",
    b"1\r\nx\r\n",
    b"0\r\n",
    b"\r\n",
    b"0\r\n\r\n",
    b"5",
    b"a",
    b";a=b",
    b";a=\"b\\\"c\"",
    b"X: y\r\n",
    b"ETag:z \r\n",
    b"Host: a\r\n",
    b"\r",
    b"\n",
    b"\0",
    b" ",
    b"\"",
    b"=",
    b";",
    b"hello",
    b"fffffffff",
];

/// A head that has all that it needs, with some fields in between.
fn whole_request() -> impl Strategy<Value = Vec<u8>> {
    (
        prop::sample::select(vec!["GET", "POST", "X"]),
        "/[!-\"$-~]{0,20}",
        prop::collection::vec(("[a-z!_.-]{1,12}", "[ -~\t]{0,20}"), 0..8),
    )
        .prop_map(|(method, target, fields)| {
            let fields: String = fields.iter().map(|(name, value)| format!("q{name}:{value}\r\n")).collect();
            format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes()
        })
}

fn read(bytes: &[u8], step: usize) -> String {
    let limits = HeadLimits { bytes: 200, fields: 6, line: 60 };
    format!("{:?} {:?}", request(bytes, step, &limits), response(bytes, Method::Get, step, &limits))
}

fn is_clean(bytes: &[u8], field: &Field) -> bool {
    let value = field.value.of(bytes);
    let bare = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
    !field.name.is_empty()
        && !field.name.of(bytes).iter().any(bare)
        && !value.iter().any(bare)
        && value == super::super::bytes::trim(value)
}

proptest! {
    #[test]
    fn a_split_changes_nothing_of_what_is_read(bytes in nearly(OF_HEADS), step in 1usize..20) {
        prop_assert_eq!(read(&bytes, step), read(&bytes, bytes.len().max(1)));
    }

    #[test]
    fn a_split_changes_nothing_of_a_body(bytes in nearly(OF_CHUNKS), step in 1usize..20) {
        let limits = ChunkLimits { extension: 12, trailer: 24 };
        prop_assert_eq!(super::chunks::read(&bytes, step, &limits), super::chunks::read(&bytes, bytes.len().max(1), &limits));
    }

    #[test]
    fn no_field_that_is_read_holds_a_line_end_or_a_nul(bytes in nearly(OF_HEADS)) {
        if let Ok(Some((head, _))) = request(&bytes, bytes.len().max(1), &LIMITS) {
            prop_assert!(head.fields.iter().all(|field| is_clean(&bytes, field)));
        }
        if let Ok(Some((head, _))) = response(&bytes, Method::Get, bytes.len().max(1), &LIMITS) {
            prop_assert!(head.fields.iter().all(|field| is_clean(&bytes, field)));
        }
    }

    #[test]
    fn a_head_that_is_written_anew_is_read_the_same(bytes in whole_request()) {
        let (head, facts) = request(&bytes, bytes.len(), &LIMITS).unwrap().unwrap();
        let mut anew = [head.method_span.of(&bytes), b" ", head.target.of(&bytes), b" HTTP/1.1\r\n"].concat();
        for field in &head.fields {
            anew.extend([field.name.of(&bytes), b": ", field.value.of(&bytes), b"\r\n"].concat());
        }
        anew.extend(b"\r\n");
        let (again, facts_again) = request(&anew, anew.len(), &LIMITS).unwrap().unwrap();
        let pairs = |head: &RequestHead, bytes: &[u8]| -> Vec<(Vec<u8>, Vec<u8>)> {
            head.fields.iter().map(|field| (field.name.of(bytes).to_vec(), field.value.of(bytes).to_vec())).collect()
        };
        prop_assert_eq!(pairs(&head, &bytes), pairs(&again, &anew));
        prop_assert_eq!((facts.body, facts.keep_alive), (facts_again.body, facts_again.keep_alive));
        prop_assert_eq!(head.path.of(&bytes), again.path.of(&anew));
        prop_assert_eq!(again.len as usize, anew.len());
    }
}
