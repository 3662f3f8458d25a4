//! What clients say, whole, in pieces, and wrongly.

use proptest::prelude::*;

use super::*;

/// A length of `width` bytes in front of `bytes`.
fn sized(width: usize, bytes: &[u8]) -> Vec<u8> {
    let len = (bytes.len() as u32).to_be_bytes();
    [&len[4 - width..], bytes].concat()
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &sized(2, body)].concat()
}

fn name(name: &[u8]) -> Vec<u8> {
    extension(0, &sized(2, &[&[0][..], &sized(2, name)].concat()))
}

fn protocols(all: &[&[u8]]) -> Vec<u8> {
    extension(16, &sized(2, &all.iter().flat_map(|one| sized(1, one)).collect::<Vec<_>>()))
}

/// A handshake message with these extensions.
fn message(extensions: &[Vec<u8>]) -> Vec<u8> {
    let body = [&[3, 3][..], &[7; 32], &sized(1, &[9; 32]), &sized(2, &[0x13, 1]), &sized(1, &[0])].concat();
    [&[1][..], &sized(3, &[body, sized(2, &extensions.concat())].concat())].concat()
}

/// The message in records of at most so many bytes.
fn records(message: &[u8], most: usize) -> Vec<u8> {
    message.chunks(most).flat_map(|fragment| [&[0x16, 3, 1][..], &sized(2, fragment)].concat()).collect()
}

fn usual() -> Vec<u8> {
    message(&[extension(0x0a0a, b""), name(b"DB.example.com"), protocols(&[b"h2", b"http/1.1"])])
}

#[test]
fn a_hello_tells_the_name_in_lower_case_and_the_protocols() {
    let expected = Hello { name: (*b"db.example.com").into(), protocols: vec![(*b"h2").into(), (*b"http/1.1").into()] };
    assert_eq!(read(&records(&usual(), 9999)), Ok(Seen::Hello(expected)));
    assert_eq!(read(&records(&message(&[]), 9999)), Ok(Seen::Hello(Hello::default())));
}

#[test]
fn what_begins_no_tls_is_told_apart() {
    let ssl_request = [0, 0, 0, 8, 4, 210, 22, 47]; // PostgreSQL's
    for bytes in [&b"GET / HTTP/1.1"[..], b"SSH-2.0", &ssl_request, b"\x16\x02\x00", b"\x80\x2e\x01"] {
        assert_eq!(read(bytes), Ok(Seen::Other), "{bytes:?}");
    }
    assert_eq!(read(b""), Ok(Seen::Partial));
    assert_eq!(read(b"\x16"), Ok(Seen::Partial));
}

#[test]
fn what_two_readers_could_take_for_two_is_refused() {
    for (wrong, says) in [
        (message(&[name(b"a"), name(b"b")]), "an extension comes twice"),
        (message(&[name(b"a\0b")]), "the server's name is none"),
        (message(&[name(b"")]), "the server's name is none"),
        (message(&[extension(0, b"")]), "the server's name is none"),
        (
            message(&[extension(0, &sized(2, &[&[0, 0, 1, b'a'][..], &[0, 0, 1, b'b']].concat()))]),
            "the server's name is none",
        ),
        (message(&[protocols(&[b""])]), "the list of protocols is none"),
        (message(&[extension(16, &sized(2, b""))]), "the list of protocols is none"),
        (message(&[vec![0]]), "an extension is cut off"),
        (message(&[vec![0, 0, 0, 9, 1]]), "an extension is cut off"),
        ([&[2][..], &usual()[1..]].concat(), "the first message is no ClientHello"),
        ([&[1][..], &sized(3, b"short")].concat(), "the ClientHello is cut off"),
        ([&[1, 1, 0, 0][..], &[0; 200]].concat(), "the ClientHello is longer than 16 KiB"),
    ] {
        assert_eq!(read(&records(&wrong, 9999)), Err(says), "{wrong:?}");
    }
    let hello = records(&usual(), 40);
    assert_eq!(read(&[&hello[..45], &[0x15, 3, 1, 0, 2]].concat()), Err("another record comes inside the ClientHello"));
    assert_eq!(
        read(&[&hello[..45], &[0x16, 3, 1, 0, 0]].concat()),
        Err("a record is empty, or longer than TLS allows")
    );
}

proptest! {
    #[test]
    fn however_it_is_cut_into_records_and_reads_it_says_the_same(most in 1usize..400, at in 0usize..3000) {
        let bytes = records(&usual(), most);
        let whole = read(&bytes);
        prop_assert!(matches!(whole, Ok(Seen::Hello(_))));
        prop_assert_eq!(read(&[&bytes[..], b"more"].concat()), whole);
        let at = at % bytes.len();
        prop_assert_eq!(read(&bytes[..at]), Ok(Seen::Partial));
    }

    #[test]
    fn what_is_said_of_a_beginning_stays_true(bytes in proptest::collection::vec(any::<u8>(), 0..400), valid in 0usize..250) {
        let hello = records(&usual(), 64);
        let bytes = [&hello[..valid.min(hello.len())], &bytes].concat();
        let mut last = Ok(Seen::Partial);
        for end in 0..=bytes.len() {
            let now = read(&bytes[..end]);
            prop_assert!(last == Ok(Seen::Partial) || last == now, "{:?} became {:?} at {}", last, now, end);
            last = now;
        }
    }
}
