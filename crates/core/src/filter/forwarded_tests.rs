//! What strangers cannot forge, and what believed peers may say.

use proptest::prelude::*;

use super::*;
use crate::head::Span;
use crate::snapshot::document::Forwarded;

fn head(lines: &[(&str, &str)]) -> (Vec<u8>, RequestHead) {
    let (mut bytes, mut head) = (Vec::new(), RequestHead::default());
    let mut put = |text: &str| {
        let start = u32::try_from(bytes.len()).unwrap();
        bytes.extend_from_slice(text.as_bytes());
        Span { start, end: u32::try_from(bytes.len()).unwrap() }
    };
    for (name, value) in lines {
        head.fields.push(Field { name: put(name), value: put(value), known: Known::of(name.as_bytes()) });
    }
    (bytes, head)
}

fn trust(from: &[&str], field: ForwardedField) -> Trust {
    Trust::build(&Forwarded { from: from.iter().map(|text| (*text).to_owned()).collect(), field }).unwrap()
}

fn peer(address: &str) -> Peer {
    Peer::new(address.parse().ok(), "192.0.2.80:8080".parse().ok())
}

/// The client, and all that the endpoint gets, a line each.
fn sent(trust: &Trust, peer: &Peer, lines: &[(&str, &str)], keep: bool) -> (Option<IpAddr>, String) {
    let (bytes, head) = head(lines);
    let told = listen_to(trust, peer, &bytes, &head, &mut Dice::seeded(1));
    let mut out = Vec::new();
    for field in head.fields.iter().filter(|field| passes(&told, &bytes, field, keep)) {
        out.extend_from_slice(&[field.name.of(&bytes), b": ", field.value.of(&bytes), b"\r\n"].concat());
    }
    write_fields(&mut out, trust, peer, &told, &bytes, &head, Some(b"a.example:8080"));
    (told.client, String::from_utf8(out).unwrap().to_ascii_lowercase())
}

fn ip(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

const FORGED: &[(&str, &str)] = &[
    ("X-Forwarded-For", "6.6.6.6"),
    ("x-forwarded-proto", "forged"),
    ("X-Forwarded-Host", "forged"),
    ("X-Forwarded-Port", "forged"),
    ("Forwarded", "for=6.6.6.6"),
    ("X-Real-IP", "6.6.6.6"),
    ("X-Forwarded-Prefix", "/forged"),
    ("X-Forwarded-Server", "forged"),
    ("X-Request-Id", "forged"),
    ("X-Forwarded-Ssl", "forged"),
    ("X-Forwarded-Whatever-Else-There-May-Be-Somewhere", "forged"),
];

#[test]
fn a_stranger_is_told_of_as_we_see_it() {
    let trust = trust(&["10.0.0.0/8"], ForwardedField::XForwardedFor);
    let (client, out) = sent(&trust, &peer("203.0.113.9:5"), FORGED, false);
    assert_eq!(client, ip("203.0.113.9"));
    assert!(!out.contains("6.6.6.6") && !out.contains("forged"), "{out}");
    let expected = "x-forwarded-for: 203.0.113.9\r\nx-forwarded-proto: http\r\nx-forwarded-host: a.example:8080\r\n\
                    x-forwarded-port: 8080\r\nx-request-id: ";
    assert!(out.starts_with(expected), "{out}");
    assert!(out.ends_with("\r\nvia: 1.1 tidegate\r\n"));
}

#[test]
fn a_believed_peer_is_appended_to() {
    let trust = trust(&["10.0.0.0/8"], ForwardedField::XForwardedFor);
    let lines = [
        ("X-Forwarded-For", "6.6.6.6, 203.0.113.9"),
        ("X-Forwarded-For", "10.0.0.7"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "shop.example"),
        ("Forwarded", "for=6.6.6.6"),
        ("X-Request-Id", "abc-1"),
        ("X-Real-IP", "203.0.113.9"),
        ("X-Forwarded-Ssl", "on"),
    ];
    let (client, out) = sent(&trust, &peer("10.0.0.1:5"), &lines, false);
    assert_eq!(client, ip("203.0.113.9"));
    assert!(out.contains("x-forwarded-for: 6.6.6.6, 203.0.113.9, 10.0.0.7, 10.0.0.1\r\n"), "{out}");
    assert!(out.contains("x-forwarded-proto: https\r\n") && !out.contains("x-forwarded-proto: http\r\n"));
    assert!(out.contains("x-forwarded-host: shop.example\r\n") && !out.contains("\r\nforwarded:"));
    assert!(out.contains("x-request-id: abc-1\r\n") && out.contains("x-real-ip: 203.0.113.9\r\n"));
    assert!(out.contains("x-forwarded-ssl: on\r\n"));
}

#[test]
fn the_client_is_the_rightmost_stranger_of_the_chain() {
    let trust = trust(&["10.0.0.0/8", "unix:"], ForwardedField::XForwardedFor);
    for (chain, client) in [
        ("203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("203.0.113.9, nonsense, 10.0.0.2", "10.0.0.2"),
        ("nonsense", "10.0.0.1"),
        ("203.0.113.9:4711, ,10.0.0.2", "203.0.113.9"),
        ("[2001:db8::1]:5", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("", "10.0.0.1"),
    ] {
        assert_eq!(sent(&trust, &peer("10.0.0.1:5"), &[("X-Forwarded-For", chain)], false).0, ip(client), "{chain}");
    }
    let (client, out) = sent(&trust, &Peer::new(None, None), &[("X-Forwarded-For", "203.0.113.9")], false);
    assert_eq!(client, ip("203.0.113.9"));
    assert!(out.contains("x-forwarded-for: 203.0.113.9\r\n") && out.contains("x-forwarded-port: 80\r\n"));
    let (client, out) = sent(&trust, &Peer::new(None, None), &[], false);
    assert_eq!(client, None);
    assert!(out.contains("x-forwarded-for: unknown\r\n"));
}

#[test]
fn forwarded_is_read_and_written_where_it_is_the_field() {
    let trust = trust(&["10.0.0.0/8"], ForwardedField::Forwarded);
    let lines = [
        ("Forwarded", r#"for=6.6.6.6, for="[2001:db8::1]:5";proto=https;host=shop.example, for=10.0.0.2;proto=http"#),
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-Proto", "forged"),
    ];
    let (client, out) = sent(&trust, &peer("10.0.0.1:5"), &lines, false);
    assert_eq!(client, ip("2001:db8::1"));
    assert!(out.contains("x-forwarded-for: 2001:db8::1, 10.0.0.1\r\n"), "{out}");
    assert!(out.contains("x-forwarded-proto: https\r\nx-forwarded-host: shop.example\r\nx-forwarded-port: 443\r\n"));
    assert!(out.contains(r#", for=10.0.0.2;proto=http, for=10.0.0.1;host="a.example:8080";proto=http"#), "{out}");
    let (_, out) = sent(&trust, &peer("[2001:db8::9]:5"), FORGED, false);
    assert!(out.contains(r#"forwarded: for="[2001:db8::9]";host="a.example:8080";proto=http"#), "{out}");
    assert!(!out.contains("6.6.6.6") && !out.contains("forged"));
}

#[test]
fn an_id_goes_on_only_from_the_believed_and_only_if_it_is_a_token() {
    let trust = trust(&["10.0.0.0/8"], ForwardedField::XForwardedFor);
    let long = "a".repeat(129);
    for (id, goes_on) in [("a.b-c_1", true), ("a b", false), ("", false), (&long[1..], true), (long.as_str(), false)] {
        let (_, out) = sent(&trust, &peer("10.0.0.1:5"), &[("X-Request-Id", id)], false);
        assert_eq!(out.contains(&format!("x-request-id: {id}\r\n")), goes_on, "{id}");
    }
    let (_, out) = sent(&trust, &peer("10.0.0.1:5"), &[("X-Request-Id", "a"), ("X-Request-Id", "b")], false);
    assert!(!out.contains("x-request-id: a\r\n") && !out.contains("x-request-id: b\r\n"));
}

#[test]
fn underscores_are_dropped_or_kept_but_never_forge() {
    let trust = trust(&[], ForwardedField::XForwardedFor);
    let lines = [("my_field", "kept"), ("X_Forwarded_For", "6.6.6.6"), ("Content_Length", "6"), ("my.field", "dot")];
    let (_, out) = sent(&trust, &peer("203.0.113.9:5"), &lines, false);
    assert!(!out.contains("kept") && out.contains("my.field: dot"));
    let (_, out) = sent(&trust, &peer("203.0.113.9:5"), &lines, true);
    assert!(out.contains("my_field: kept") && !out.contains("6.6.6.6") && !out.contains("content_length"));
}

proptest! {
    #[test]
    fn a_stranger_can_forge_no_forwarded_field_in_any_spelling(
        at in 0..FORGED.len(), cases: u32, signs in prop::collection::vec(prop::sample::select(b"-_.!~'*+|".to_vec()), 4),
        keep: bool, by_forwarded: bool,
    ) {
        let (name, _) = FORGED[at];
        let mut sign = signs.into_iter().cycle();
        let spelled: String = name
            .bytes()
            .enumerate()
            .map(|(at, byte)| match byte {
                b'-' => char::from(sign.next().unwrap_or(b'-')),
                _ if cases >> (at % 32) & 1 == 1 => char::from(byte.to_ascii_uppercase()),
                _ => char::from(byte.to_ascii_lowercase()),
            })
            .collect();
        let field = if by_forwarded { ForwardedField::Forwarded } else { ForwardedField::XForwardedFor };
        let trust = trust(&["10.0.0.0/8"], field);
        let (client, out) = sent(&trust, &peer("203.0.113.9:5"), &[(&spelled, "6.6.6.6")], keep);
        prop_assert_eq!(client, ip("203.0.113.9"));
        prop_assert!(!out.contains("6.6.6.6"), "{}: {}", spelled, out);
    }

    #[test]
    fn no_value_makes_a_line_of_its_own(value in "[ -~]{0,30}", by_forwarded: bool) {
        let field = if by_forwarded { ForwardedField::Forwarded } else { ForwardedField::XForwardedFor };
        let lines = [("X-Forwarded-For", value.as_str()), ("Forwarded", &value), ("X-Request-Id", &value)];
        let (_, out) = sent(&trust(&["10.0.0.0/8"], field), &peer("10.0.0.1:5"), &lines, false);
        let names: Vec<_> = out.lines().map(|line| line.split(':').next().unwrap()).collect();
        let mut expected =
            vec!["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-request-id", "via"];
        if by_forwarded {
            expected.insert(4, "forwarded");
        }
        prop_assert_eq!(names, expected);
    }
}
