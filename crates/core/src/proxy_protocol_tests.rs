//! Headers as the document has them, in each version, whole, cut, wrong, and back again.

use proptest::prelude::*;

use super::*;

fn whole(bytes: &[u8]) -> (usize, Option<(String, String)>) {
    match read(bytes).expect("a header") {
        Header::Whole { len, told } => (len, told.map(|(from, to)| (from.to_string(), to.to_string()))),
        Header::Partial => panic!("it is whole"),
    }
}

fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(rest.len()).expect("short");
    [SIGNATURE.as_slice(), &[command, family], &len.to_be_bytes(), rest].concat()
}

const TCP4: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 7, 0x1f, 0x90, 0, 80];

#[test]
fn a_line_tells_both_addresses_and_what_follows_stays() {
    let told = whole(b"PROXY TCP4 192.0.2.1 198.51.100.7 8080 80\r\nGET /");
    assert_eq!(told, (43, Some(("192.0.2.1:8080".into(), "198.51.100.7:80".into()))));
    let told = whole(b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n");
    assert_eq!(told.1, Some(("[2001:db8::1]:1".into(), "[::1]:65535".into())));
}

#[test]
fn what_names_nobody_leaves_the_connection_to_speak_for_itself() {
    assert_eq!(whole(b"PROXY UNKNOWN\r\n"), (15, None));
    assert_eq!(whole(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\nX"), (35, None));
    assert_eq!(whole(&binary(0x20, 0x00, b"")), (16, None));
    assert_eq!(whole(&binary(0x20, 0x11, TCP4)), (28, None));
    assert_eq!(whole(&binary(0x20, 0xff, &[1, 2, 3])), (19, None));
    assert_eq!(whole(&binary(0x21, 0x31, &[0; 216])), (232, None));
    assert_eq!(whole(&binary(0x21, 0x00, &[1, 2, 3])), (19, None));
}

#[test]
fn version_2_tells_both_addresses_and_entries_are_walked() {
    let told = Some(("192.0.2.1:8080".to_owned(), "198.51.100.7:80".to_owned()));
    assert_eq!(whole(&binary(0x21, 0x11, TCP4)), (28, told.clone()));
    let with_alpn = [TCP4, &[0x01, 0, 2, b'h', b'2']].concat();
    assert_eq!(whole(&binary(0x21, 0x11, &with_alpn)), (33, told));
}

#[test]
fn a_checksum_must_be_right() {
    let mut header = binary(0x21, 0x11, &[TCP4, &[CHECKSUM, 0, 4, 0, 0, 0, 0]].concat());
    let at = header.len() - 4;
    let sum = crc32c(&header, at).to_be_bytes();
    header[at..].copy_from_slice(&sum);
    assert_eq!(whole(&header).0, 35);
    header[17] ^= 1;
    assert_eq!(read(&header), Err("the checksum is wrong"));
    // The check value of the catalogue of CRCs: "123456789".
    assert_eq!(crc32c(b"123456789", 9), 0xe306_9283);
}

#[test]
fn what_is_wrong_is_said() {
    for (bytes, says) in [
        (&b"GET / HTTP/1.1\r\n"[..], "it begins with neither `PROXY ` nor the signature of version 2"),
        (b"PROXY TCP4 192.0.2.1 198.51.100.7 8080 80\n", "the line does not end in CR LF"),
        (b"PROXY TCP4 192.0.2.1 198.51.100.7 8080\r\n", "the line does not have the six words of version 1"),
        (b"PROXY TCP4  192.0.2.1 198.51.100.7 8080 80\r\n", "the line does not have the six words of version 1"),
        (b"PROXY TCP4 192.0.2.1 198.51.100.7 8080 80 \r\n", "the line does not have the six words of version 1"),
        (b"PROXY TCP4 ::1 198.51.100.7 8080 80\r\n", "an address is not IPv4"),
        (b"PROXY TCP6 192.0.2.1 ::1 8080 80\r\n", "an address is not IPv6"),
        (b"PROXY TCP4 192.0.2.1 198.51.100.7 +1 80\r\n", "a port is no number from 0 to 65535"),
        (b"PROXY TCP4 192.0.2.1 198.51.100.7 080 80\r\n", "a port is no number from 0 to 65535"),
        (b"PROXY TCP4 192.0.2.1 198.51.100.7 65536 80\r\n", "a port is no number from 0 to 65535"),
        (b"PROXY UDP4 192.0.2.1 198.51.100.7 1 80\r\n", "the family is none of TCP4, TCP6 and UNKNOWN"),
        (&[&b"PROXY UNKNOWN "[..], &[b'x'; 100]].concat(), "the line has no end within 107 bytes"),
        (&binary(0x31, 0x11, TCP4), "version or command are neither PROXY nor LOCAL of version 2"),
        (&binary(0x22, 0x11, TCP4), "version or command are neither PROXY nor LOCAL of version 2"),
        (&binary(0x21, 0x41, TCP4), "the family is unknown"),
        (&binary(0x21, 0x11, &TCP4[..11]), "the addresses are cut off"),
        (&binary(0x21, 0x21, TCP4), "the addresses are cut off"),
        (&binary(0x21, 0x11, &[TCP4, &[1, 0]].concat()), "an entry is cut off"),
        (&binary(0x21, 0x11, &[TCP4, &[1, 0, 9, 1]].concat()), "an entry reaches beyond the header"),
        (&binary(0x21, 0x11, &vec![0; LONGEST]), "the header is longer than 16 KiB"),
    ] {
        assert_eq!(read(bytes), Err(says), "{}", String::from_utf8_lossy(bytes));
    }
}

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip.to_canonical(), port))
}

proptest! {
    #[test]
    fn what_is_written_is_read_and_every_part_of_it_is_partial(from in address(), to in address(), binary: bool) {
        let version = if binary { ProxyProtocolOut::V2 } else { ProxyProtocolOut::V1 };
        let mut out = Vec::new();
        write(&mut out, version, Some(from), Some(to));
        let len = out.len();
        for cut in 0..len {
            prop_assert_eq!(read(&out[..cut]), Ok(Header::Partial));
        }
        out.extend_from_slice(b"GET / HTTP/1.1\r\n");
        let Ok(Header::Whole { len: read_len, told: Some((read_from, read_to)) }) = read(&out) else {
            return Err(TestCaseError::fail("not read"));
        };
        prop_assert_eq!(read_len, len);
        let canonical = |address: SocketAddr| (address.ip().to_canonical(), address.port());
        prop_assert_eq!((canonical(read_from), canonical(read_to)), (canonical(from), canonical(to)));
    }

    #[test]
    fn no_bytes_are_taken_for_more_than_they_are(bytes: Vec<u8>) {
        if let Ok(Header::Whole { len, .. }) = read(&bytes) {
            prop_assert!(len <= bytes.len());
        }
    }
}
