//! What lines look like.

use serde_json::{Map, Value as Json};
use tidegate_core::failure::{Failure, Kind, Stage};
use tidegate_core::filter::forwarded::{Peer, Told, Trust};
use tidegate_core::framing::RequestFacts;
use tidegate_core::geo::NOWHERE;
use tidegate_core::head::{Known, RequestHead, Span, Version};
use tidegate_core::route::DotSegments;
use tidegate_core::rule::Subject;
use tidegate_core::snapshot::document::{self, LogTarget};

use super::super::fields::When;
use super::super::record::Layer4;
use super::*;

fn full(failure: &Failure) -> Record<'_> {
    Record {
        time_unix_ns: 1_798_761_599_500_000_000,
        client: "192.0.2.1",
        peer: "10.0.0.1",
        listener: "web",
        route: "api",
        upstream: "api",
        endpoint: "127.0.0.1:9001",
        layer4: None,
        method: b"GET",
        host: b"api.example.com",
        path: b"/v1/\"x\"?y=\xff",
        version: Version::Http11,
        status: 504,
        bytes_in: 120,
        bytes_out: 1200,
        duration_ns: 1_234_567,
        upstream_ns: Some(999_999),
        attempts: 2,
        tries: "127.0.0.1:9000 connect_refused 0.000100, 127.0.0.1:9001 response_timeout 0.000999",
        reused: true,
        request_id: b"0123456789abcdef",
        user_agent: b"curl/8",
        referer: b"https://example.com/",
        failure: Some(failure),
        subject: None,
    }
}

fn nothing(failure: &Failure) -> Record<'_> {
    Record {
        request_id: b"",
        peer: "",
        route: "",
        upstream: "",
        endpoint: "",
        layer4: None,
        method: b"",
        host: b"",
        path: b"",
        upstream_ns: None,
        attempts: 0,
        tries: "",
        user_agent: b"",
        referer: b"",
        failure: None,
        ..full(failure)
    }
}

fn timeout() -> Failure {
    Failure::new(Kind::ResponseTimeout, Stage::Exchange, "127.0.0.1:9001 took 60 s")
}

fn compiled(line: LogLine, syslog: Option<LogSyslog>) -> Result<Layout, String> {
    Layout::compile(&AccessLog { to: LogTarget::Stdout, line, syslog, when: None, sample: 1.0 })
}

fn of_json(names: &[&str]) -> Layout {
    compiled(LogLine::Json(names.iter().map(|name| LogMember::Field((*name).to_owned())).collect()), None)
        .expect("fields")
}

/// `literal`, or `{field}`.
fn of_words(pieces: &[&str]) -> Layout {
    let piece = |text: &&str| match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(name) => LogPiece::Field(name.to_owned()),
        None => LogPiece::Literal((*text).to_owned()),
    };
    compiled(LogLine::Words(pieces.iter().map(piece).collect()), None).expect("fields")
}

fn text(layout: &Layout, record: &Record<'_>) -> String {
    String::from_utf8(layout.line(record)).expect("UTF-8")
}

#[test]
fn a_full_line_has_every_field_of_the_table_in_its_order() {
    let failure = timeout();
    let of_layer4 = [Field::Protocol, Field::Sni, Field::DatagramsIn, Field::DatagramsOut];
    let of_requests = || Field::ALL.iter().filter(|field| !of_layer4.contains(field));
    let names: Vec<&str> = of_requests().map(|field| field.about().name).collect();
    let line = text(&of_json(&names), &full(&failure));
    let mut rest = line.as_str();
    let object: Map<String, Json> = serde_json::from_str(&line).expect("a JSON object");
    assert_eq!(object.len(), names.len());
    for field in of_requests() {
        let about = field.about();
        rest = rest.split_once(&format!("\"{}\":", about.name)).expect(about.name).1;
        let kind = match &object[about.name] {
            Json::String(_) => "string",
            Json::Number(_) => "number",
            Json::Bool(_) => "bool",
            other @ (Json::Null | Json::Array(_) | Json::Object(_)) => panic!("{other} has no place in a line"),
        };
        assert_eq!(kind, about.kind, "{}", about.name);
    }
    assert_eq!(object["path"], "/v1/\"x\"?y=\u{ff}");
    assert_eq!(object["duration"].as_f64(), Some(0.001234));
    assert_eq!(object["time_unix"].as_f64(), Some(1_798_761_599.5));
    assert!(line.ends_with("}\n"));
}

#[test]
fn a_usual_line_about_nothing_has_the_fields_that_every_line_has() {
    let failure = timeout();
    let object: Map<String, Json> =
        serde_json::from_str(&text(&Layout::usual(), &nothing(&failure))).expect("a JSON object");
    for field in Field::ALL {
        let about = field.about();
        assert_eq!(object.contains_key(about.name), about.when == When::Always, "{}", about.name);
    }
}

#[test]
fn the_usual_line_is_what_the_list_of_its_fields_gives() {
    let failure = timeout();
    let listed = Layout { header: None, body: Body::Json(Field::usual().map(member_of).collect()) };
    let by_name = of_json(&Field::usual().map(|field| field.about().name).collect::<Vec<_>>());
    assert!(matches!(by_name.body, Body::Usual));
    let tcp = Layer4 { protocol: "tcp", datagrams: None, server_name: b"db.example.com" };
    let udp = Layer4 { protocol: "udp", datagrams: Some((3, 4)), server_name: b"" };
    let [tcp, udp] = [tcp, udp].map(|layer4| Record { layer4: Some(layer4), ..full(&failure) });
    let old = Record { version: Version::Http10, ..full(&failure) };
    for record in [full(&failure), nothing(&failure), old, tcp, udp] {
        assert_eq!(text(&by_name, &record), text(&listed, &record));
    }
}

#[test]
fn fields_come_in_the_order_that_the_configuration_has() {
    let failure = timeout();
    assert_eq!(
        text(&of_json(&["status", "referer", "client"]), &full(&failure)),
        "{\"status\":504,\"referer\":\"https://example.com/\",\"client\":\"192.0.2.1\"}\n"
    );
    assert_eq!(text(&of_json(&["referer", "failure"]), &nothing(&failure)), "{}\n");
    assert_eq!(text(&of_json(&["referer", "status"]), &nothing(&failure)), "{\"status\":504}\n");
    assert!(compiled(LogLine::Json(vec![LogMember::Field("colour".to_owned())]), None).is_err());
}

#[test]
fn words_come_as_the_format_has_them_and_a_dash_is_nothing() {
    let failure = timeout();
    let combined = of_words(&[
        "{client}",
        " - - [",
        "{time_common}",
        "] \"",
        "{method}",
        " ",
        "{path}",
        " HTTP/",
        "{version}",
        "\" ",
        "{status}",
        " ",
        "{bytes_out}",
        " \"",
        "{referer}",
        "\" \"",
        "{user_agent}",
        "\"",
    ]);
    assert_eq!(
        text(&combined, &full(&failure)),
        "192.0.2.1 - - [31/Dec/2026:23:59:59 +0000] \"GET /v1/\\x22x\\x22?y=\\xff HTTP/1.1\" 504 1200 \
         \"https://example.com/\" \"curl/8\"\n"
    );
    assert_eq!(
        text(&combined, &nothing(&failure)),
        "192.0.2.1 - - [31/Dec/2026:23:59:59 +0000] \"- - HTTP/1.1\" 504 1200 \"-\" \"-\"\n"
    );
}

#[test]
fn words_of_the_request_are_escaped_like_all_else() {
    let failure = timeout();
    let (bytes, head, facts) = (b"x-betaa\"b\n", head_with_beta(), RequestFacts::default());
    let nobody = document::Forwarded { from: Vec::new(), field: document::ForwardedField::XForwardedFor };
    let trust = Trust::build(&nobody).expect("no networks");
    let (peer, told) = (Peer::new(None, None), Told::default());
    let subject = Subject {
        listener: "web",
        trust: &trust,
        dots: DotSegments::Refuse,
        geo: &NOWHERE,
        peer: &peer,
        told: &told,
        bytes,
        head: &head,
        facts: &facts,
        path: None,
        answer: None,
    };
    let record = Record { subject: Some(subject), ..full(&failure) };
    let beta = |name: &str| document::Text::Joined(document::Repeated::Header(name.to_owned()));
    let members = vec![
        LogMember::Text { key: "none".to_owned(), text: beta("x-none") },
        LogMember::Text { key: "beta".to_owned(), text: beta("x-beta") },
    ];
    let json = compiled(LogLine::Json(members), None).expect("texts");
    assert!(json.reads_words());
    assert_eq!(text(&json, &record), "{\"beta\":\"a\\\"b\\n\"}\n");
    let pieces = vec![LogPiece::Text(beta("x-beta")), LogPiece::Literal(" ".to_owned()), LogPiece::Text(beta("x"))];
    let words = compiled(LogLine::Words(pieces), None).expect("texts");
    assert_eq!(text(&words, &record), "a\\x22b\\x0a -\n");
    assert!(!Layout::usual().reads_words());
}

fn head_with_beta() -> RequestHead {
    let span = |start, end| Span { start, end };
    let beta = tidegate_core::head::Field { name: span(0, 6), value: span(6, 10), known: Known::of(b"x-beta") };
    RequestHead { fields: vec![beta], ..RequestHead::default() }
}

#[test]
fn no_byte_of_a_client_forges_a_line_or_closes_a_quote() {
    let failure = timeout();
    let (json, words) = (of_json(&["user_agent", "status"]), of_words(&["\"", "{user_agent}", "\" ", "{status}"]));
    for first in 0..=255u8 {
        for second in [b'\n', b'"', b'\\', 0xc2, 0x9b, b'x'] {
            let agent = [first, second];
            let record = Record { user_agent: &agent, ..full(&failure) };
            let object: Map<String, Json> = serde_json::from_str(&text(&json, &record)).expect("JSON");
            assert_eq!(object.len(), 2);
            let line = text(&words, &record);
            assert_eq!(line.matches('"').count(), 2, "{line:?}");
            assert!(line.ends_with("\" 504\n") && !line.trim_end_matches('\n').contains(char::is_control), "{line:?}");
        }
    }
}

#[test]
fn a_message_of_syslog_has_its_header_and_one_line() {
    let failure = timeout();
    let syslog = LogSyslog { priority: 190, app: "tidegate".to_owned() };
    let layout = compiled(LogLine::Json(vec![LogMember::Field("status".to_owned())]), Some(syslog)).expect("fields");
    let line = text(&layout, &full(&failure));
    let parts: Vec<&str> = line.splitn(8, ' ').collect();
    let pid = std::process::id().to_string();
    assert_eq!(parts[..2], ["<190>1", "2026-12-31T23:59:59.500Z"]);
    assert!(!parts[2].is_empty());
    assert_eq!(parts[3..], ["tidegate", pid.as_str(), "access", "-", "{\"status\":504}\n"]);
}
