//! Expressions over requests that are read as the road reads them.

use std::sync::Arc;
use std::time::Duration;

use super::asked::{Asked, ask};
use super::*;
use crate::failure::Kind;
use crate::snapshot::document;

impl Asked {
    fn text(&self, json: &str) -> String {
        let text = Text::compile(&serde_json::from_str(json).unwrap()).unwrap();
        String::from_utf8_lossy(&text.read(&self.subject())).into_owned()
    }

    fn holds(&self, json: &str) -> bool {
        rule(json).unwrap().holds(&self.subject())
    }

    fn filled(&self, stand: Stand, parts: &str) -> String {
        let template = Template::compile(&serde_json::from_str(parts).unwrap(), stand).unwrap();
        let mut out = Vec::new();
        template.write(&self.subject(), &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

fn rule(json: &str) -> Result<Rule, String> {
    let mut sets = Sets::default();
    sets.insert("office".into(), Arc::new(Set::compile("10.0.0.0/8\n2001:db8::/32").unwrap()));
    sets.insert("words".into(), Arc::new(Set::compile("a\nb").unwrap()));
    Rule::compile(&serde_json::from_str(json).unwrap(), &sets)
}

const HEAD: &str = "GET /a%20b//c?page=2&q=x+y&page=3&flag HTTP/1.1\nHost: API.example.com:8080\nX-A: 1\nx-a: 2\n\
                    Cookie: s=one; t=\"q\"\nCookie: s=two; bare; S=x\n\n";

#[test]
fn each_word_is_what_the_vocabulary_says() {
    let asked = ask(HEAD, "10.1.2.3:5000", &[]);
    for (json, meant) in [
        (r#"{"word": "request.method"}"#, "GET"),
        (r#"{"word": "request.scheme"}"#, "http"),
        (r#"{"word": "request.host"}"#, "api.example.com"),
        (r#"{"word": "request.path"}"#, "/a b/c"),
        (r#"{"word": "request.query"}"#, "page=2&q=x+y&page=3&flag"),
        (r#"{"word": "request.uri"}"#, "/a%20b//c?page=2&q=x+y&page=3&flag"),
        (r#"{"word": "client.ip"}"#, "10.1.2.3"),
        (r#"{"word": "client.port"}"#, "5000"),
        (r#"{"word": "listener"}"#, "web"),
        (r#"{"word": "response.status"}"#, "0"),
        (r#"{"word": "failure"}"#, ""),
        (r#"{"joined": {"header": "x-a"}}"#, "1, 2"),
        (r#"{"joined": {"header": "X-B"}}"#, ""),
        (r#"{"joined": {"header": "HOST"}}"#, "API.example.com:8080"),
        (r#"{"joined": {"cookie": "s"}}"#, "one, two"),
        (r#"{"joined": {"cookie": "t"}}"#, "\"q\""),
        (r#"{"joined": {"cookie": "bare"}}"#, ""),
        (r#"{"joined": {"query": "page"}}"#, "2, 3"),
        (r#"{"joined": {"query": "q"}}"#, "x y"),
        (r#"{"joined": {"query": "flag"}}"#, ""),
        (r#"{"lower": {"literal": "\u00c4B"}}"#, "\u{e4}b"),
        (r#"{"sum": [{"word": "request.method"}, {"literal": " "}, {"joined": {"query": "q"}}]}"#, "GET x y"),
    ] {
        assert_eq!(asked.text(json), meant, "{json}");
    }
    assert_eq!(asked.text(r#"{"word": "request.id"}"#), asked.told.request_id.as_str());
}

#[test]
fn a_believed_proxy_tells_the_client_and_its_scheme() {
    let head = "GET / HTTP/1.1\nHost: a\nX-Forwarded-For: 198.51.100.7\nX-Forwarded-Proto: https\n\n";
    let asked = ask(head, "10.1.2.3:5000", &["10.0.0.0/8"]);
    assert_eq!(asked.text(r#"{"word": "client.ip"}"#), "198.51.100.7");
    assert_eq!(asked.text(r#"{"word": "client.port"}"#), "0", "nobody told the client's port");
    assert_eq!(asked.text(r#"{"word": "request.scheme"}"#), "https");
    let stranger = ask(head, "10.1.2.3:5000", &[]);
    assert_eq!(stranger.text(r#"{"word": "request.scheme"}"#), "http");
}

#[test]
fn each_kind_of_condition_holds_where_it_should() {
    let asked = ask(HEAD, "10.1.2.3:5000", &[]);
    let a = r#"{"joined": {"header": "x-a"}}"#;
    for (json, holds) in [
        (r#"{"always": true}"#.to_owned(), true),
        (r#"{"all": [{"always": true}, {"always": false}]}"#.to_owned(), false),
        (r#"{"any": [{"always": true}, {"always": false}]}"#.to_owned(), true),
        (r#"{"not": {"always": false}}"#.to_owned(), true),
        (format!(r#"{{"texts": {{"left": {a}, "is": "==", "right": {{"literal": "1, 2"}}}}}}"#), true),
        (format!(r#"{{"texts": {{"left": {{"literal": "1"}}, "is": "==", "right": {a}}}}}"#), false),
        (format!(r#"{{"texts": {{"left": {a}, "is": "<", "right": {{"literal": "2"}}}}}}"#), true),
        (format!(r#"{{"texts": {{"left": {a}, "is": "!=", "right": {a}}}}}"#), false),
        (
            r#"{"numbers": {"left": {"word": "client.port"}, "is": ">=", "right": {"literal": 5000000000000}}}"#.into(),
            true,
        ),
        (format!(r#"{{"contains": {{"whole": {a}, "part": {{"literal": ", "}}}}}}"#), true),
        (r#"{"contains": {"whole": {"literal": "a"}, "part": {"literal": ""}}}"#.into(), true),
        (format!(r#"{{"one_of": {{"text": {a}, "of": ["z", "1, 2", "a"]}}}}"#), true),
        (format!(r#"{{"one_of": {{"text": {a}, "of": []}}}}"#), false),
        (r#"{"among_all": {"text": {"literal": "2"}, "all": {"header": "x-a"}}}"#.into(), true),
        (r#"{"among_all": {"text": {"literal": "1, 2"}, "all": {"header": "x-a"}}}"#.into(), false),
        (r#"{"among_all": {"text": {"literal": ""}, "all": {"query": "flag"}}}"#.into(), true),
        (r#"{"number_one_of": {"number": {"word": "client.port"}, "of": [5000000000000]}}"#.into(), true),
        (format!(r#"{{"starts_with": {{"text": {a}, "with": [{{"literal": "2"}}, {{"literal": "1"}}]}}}}"#), true),
        (format!(r#"{{"ends_with": {{"text": {a}, "with": [{{"literal": "1"}}]}}}}"#), false),
        (format!(r#"{{"matches": {{"text": {a}, "pattern": "^[0-9]+, 2$"}}}}"#), true),
        (r#"{"client_within": ["192.0.2.0/24", "10.0.0.0/8"]}"#.into(), true),
        (r#"{"client_in_set": "office"}"#.into(), true),
        (format!(r#"{{"text_in_set": {{"text": {a}, "set": "words"}}}}"#), false),
        (r#"{"text_in_set": {"text": {"literal": "b"}, "set": "words"}}"#.into(), true),
    ] {
        assert_eq!(asked.holds(&json), holds, "{json}");
    }
}

#[test]
fn who_has_no_address_is_in_no_network() {
    let asked = ask(HEAD, "", &[]);
    assert!(!asked.holds(r#"{"client_within": ["0.0.0.0/0", "::/0"]}"#));
    assert!(asked.holds(r#"{"not": {"client_in_set": "office"}}"#));
    assert_eq!(asked.text(r#"{"word": "client.ip"}"#), "");
    assert_eq!(asked.text(r#"{"word": "client.port"}"#), "0");
}

#[test]
fn an_answer_has_words_of_its_own() {
    let asked = ask(HEAD, "10.1.2.3:5000", &[]);
    let answer = Answer { status: 502, duration: Duration::from_millis(1500), failure: Some(Kind::ConnectRefused) };
    let subject = Subject { answer: Some(answer), ..asked.subject() };
    for (json, holds) in [
        (r#"{"number_one_of": {"number": {"word": "response.status"}, "of": [502000000000]}}"#, true),
        (r#"{"numbers": {"left": {"word": "response.duration"}, "is": ">", "right": {"literal": 1500000000}}}"#, false),
        (r#"{"numbers": {"left": {"word": "response.duration"}, "is": ">=", "right": {"literal": 1500000000}}}"#, true),
        (r#"{"texts": {"left": {"word": "failure"}, "is": "==", "right": {"literal": "connect_refused"}}}"#, true),
    ] {
        assert_eq!(rule(json).unwrap().holds(&subject), holds, "{json}");
    }
}

#[test]
fn what_cannot_be_compiled_says_why() {
    for (json, says) in [
        (r#"{"matches": {"text": {"literal": ""}, "pattern": "("}}"#, "the pattern `(` is wrong: unclosed group"),
        (r#"{"client_within": ["ten"]}"#, "`ten` is no network"),
        (r#"{"client_in_set": "home"}"#, "there is no set `home`"),
        (r#"{"client_in_set": "words"}"#, "the set `words` has texts, not networks"),
        (r#"{"text_in_set": {"text": {"literal": ""}, "set": "office"}}"#, "the set `office` has networks, not texts"),
    ] {
        assert_eq!(rule(json).unwrap_err(), says);
    }
    let deep = (0..70).fold(document::Rule::Always(true), |rule, _| document::Rule::Not(Box::new(rule)));
    assert_eq!(Rule::compile(&deep, &Sets::default()).unwrap_err(), "an expression is more than 64 levels deep");
    let deep = (0..70).fold(document::Text::Literal("A".into()), |text, _| document::Text::Lower(Box::new(text)));
    assert!(Text::compile(&deep).is_err());
}

#[test]
fn what_fills_a_hole_is_escaped_for_where_it_stands() {
    let head = "GET /a%20b%2Fc?n=%22%3Cb%3E%0D%0AX:%20y%00/..&m=%5c HTTP/1.1\nHost: a.example\n\n";
    let asked = ask(head, "10.1.2.3:5000", &[]);
    let hole = r#"[{"literal": "<"}, {"joined": {"query": "n"}}, {"literal": ">"}]"#;
    for (stand, filled) in [
        (Stand::HeaderValue, "<\"<b>  X: y /..>"),
        (Stand::Text, "<\"<b>\r\nX: y\0/..>"),
        (Stand::Html, "<&quot;&lt;b&gt;\r\nX: y\0/..>"),
        (Stand::Json, "<\\\"<b>\\r\\nX: y\\u0000/..>"),
        (Stand::Query, "<%22%3Cb%3E%0D%0AX%3A%20y%00%2F..>"),
        (Stand::Path, "<%22%3Cb%3E%0D%0AX%3A%20y%00%2F..>"),
        (Stand::Uri, "<%22%3Cb%3E%0D%0AX%3A%20y%00%2F..>"),
    ] {
        assert_eq!(asked.filled(stand, hole), filled, "{stand:?}");
    }
    let path = r#"[{"word": "request.path"}]"#;
    assert_eq!(asked.filled(Stand::Text, path), "/a b%2Fc");
    assert_eq!(asked.filled(Stand::Path, path), "/a%20b%2Fc");
    assert_eq!(asked.filled(Stand::Query, path), "%2Fa%20b%252Fc");
    let whole = r#"[{"literal": "https://"}, {"word": "request.host"}, {"word": "request.uri"}]"#;
    let same = "https://a.example/a%20b%2Fc?n=%22%3Cb%3E%0D%0AX:%20y%00/..&m=%5c";
    assert_eq!(asked.filled(Stand::Uri, whole), same);
}

#[test]
fn a_redirect_never_leaves_for_a_host_that_a_stranger_names() {
    let asked = ask("GET //evil.example/x HTTP/1.1\nHost: a\n\n", "10.1.2.3:5000", &[]);
    assert_eq!(asked.filled(Stand::Uri, r#"[{"word": "request.uri"}]"#), "/evil.example/x");
    assert_eq!(asked.filled(Stand::Uri, r#"[{"literal": "/"}, {"word": "request.path"}]"#), "/evil.example/x");
    let meant = r#"[{"literal": "//cdn.example"}, {"word": "request.uri"}]"#;
    assert_eq!(asked.filled(Stand::Uri, meant), "//cdn.example//evil.example/x");
}

#[test]
fn a_template_without_holes_is_known_as_one() {
    let compile = |parts: &str| Template::compile(&serde_json::from_str(parts).unwrap(), Stand::HeaderValue);
    assert_eq!(compile(r#"[{"literal": "a"}, {"literal": "b"}]"#).unwrap().literal(), Some(b"ab".as_slice()));
    assert_eq!(compile("[]").unwrap().literal(), Some(b"".as_slice()));
    assert_eq!(compile(r#"[{"word": "request.id"}]"#).unwrap().literal(), None);
    assert!(compile(r#"[{"literal": "a\nb"}]"#).unwrap_err().contains("control character"));
}
