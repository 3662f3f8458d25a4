//! What holds for every expression and every request.

use proptest::prelude::*;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;

use super::asked::{Asked, ask};
use super::*;
use crate::snapshot::document;

fn query(name: &str) -> document::Text {
    document::Text::Joined(document::Repeated::Query(name.to_owned()))
}

/// A request whose query term `v` has this value.
fn with_term(value: &[u8]) -> Asked {
    let escaped: String = value.iter().map(|byte| format!("%{byte:02x}")).collect();
    ask(&format!("GET /?v={escaped} HTTP/1.1\nHost: a\n\n"), "10.1.2.3:5000", &[])
}

fn filled(value: &[u8], stand: Stand) -> Vec<u8> {
    let template = Template::compile(&document::Template(vec![query("v")]), stand).unwrap();
    let mut out = Vec::new();
    template.write(&with_term(value).subject(), &mut out);
    out
}

proptest! {
    #[test]
    fn a_term_is_the_bytes_that_were_sent(value: Vec<u8>) {
        let text = Text::compile(&query("v")).unwrap();
        let asked = with_term(&value);
        let read = text.read(&asked.subject());
        prop_assert_eq!(&*read, &*value);
    }

    #[test]
    fn matches_finds_what_the_engine_finds(
        pattern in r"\^?([ab.]|\[a-c\]|\(a\|b\)|\\d|\(\?i:A\)|\\xff){0,4}[*+?]?\$?",
        value in prop::collection::vec(prop::sample::select(b"abcdA1\xff\n".to_vec()), 0..12),
    ) {
        let plain = Regex::builder()
            .configure(Regex::config().utf8_empty(false))
            .syntax(syntax::Config::new().utf8(false))
            .build(&pattern);
        let rule = document::Rule::Matches { text: query("v"), pattern };
        match (plain, Rule::compile(&rule, &Sets::default())) {
            (Ok(plain), Ok(rule)) => prop_assert_eq!(rule.holds(&with_term(&value).subject()), plain.is_match(&value)),
            (plain, rule) => prop_assert!(plain.is_err() && rule.is_err()),
        }
    }

    #[test]
    fn what_is_written_into_a_header_stays_one_line(value: Vec<u8>) {
        let out = filled(&value, Stand::HeaderValue);
        prop_assert_eq!(out.len(), value.len());
        prop_assert!(!out.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    }

    #[test]
    fn what_is_written_into_a_target_is_escaped(value: Vec<u8>) {
        for stand in [Stand::Path, Stand::Query, Stand::Uri] {
            let out = filled(&value, stand);
            let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(byte);
            prop_assert!(out.iter().all(is_plain), "{}", out.escape_ascii());
        }
    }

    #[test]
    fn what_is_written_into_json_is_read_from_it(value: Vec<u8>) {
        let out = [b"\"".as_slice(), &filled(&value, Stand::Json), b"\""].concat();
        let read: String = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(read, String::from_utf8_lossy(&value));
    }

    #[test]
    fn what_is_written_into_html_opens_nothing(value: Vec<u8>) {
        prop_assert!(!filled(&value, Stand::Html).iter().any(|byte| b"<>\"'".contains(byte)));
    }
}
