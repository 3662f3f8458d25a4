//! Session persistence: which endpoint the token of a request names, and what tells a client of its endpoint. In Rust
//! because it runs for every request.
//!
//! A token is a keyed hash of upstream and address that Python makes (`python/tidegate/compile/persist.py`): it means the
//! same wherever the secret is the same, tells nobody an address, and who has not the secret can make up none. So
//! knowing one is comparing it, and nothing is remembered here.

use std::collections::HashMap;

use super::{EndpointId, Kept};
use crate::rule::Subject;
use crate::rule::repeated::Repeated;
use crate::snapshot::document;

/// Compiled [`document::Persist`].
#[derive(Debug)]
pub struct Persist {
    /// Whether a request is refused whose endpoint may not be chosen.
    pub strict: bool,
    from: Repeated,
    named: HashMap<Box<[u8]>, EndpointId>,
    /// Of each endpoint, in order.
    told: Box<[Told]>,
    behind_https: Box<[u8]>,
}

/// What tells a client of one endpoint.
#[derive(Debug)]
struct Told {
    token: Box<[u8]>,
    line: Box<[u8]>,
}

/// Behind each field with a token: a shared cache would else hand one client's endpoint to others (RFC 9111, section
/// 5.2.2.7).
const PRIVATE: &[u8] = b"\r\ncache-control: private\r\n";

impl Persist {
    /// Compiles.
    pub fn build(written: &document::Persist) -> Self {
        let document::Persist { from, field, before, behind, behind_https, strict, tokens } = written;
        let mut named = HashMap::new();
        for (at, tokens) in (0..).zip(tokens) {
            named.extend(tokens.iter().map(|token| (token.as_bytes().into(), EndpointId(at))));
        }
        let tell = |tokens: &Vec<String>| {
            let token = tokens.first().map_or("", String::as_str);
            let line = format!("{field}: {before}{token}{behind}");
            Told { token: token.as_bytes().into(), line: line.into_bytes().into() }
        };
        Self {
            strict: *strict,
            from: Repeated::compile(from),
            named,
            told: tokens.iter().map(tell).collect(),
            behind_https: behind_https.as_bytes().into(),
        }
    }

    /// The endpoint that the request names; of several tokens the first that names one.
    pub fn find(&self, subject: &Subject<'_>) -> Option<EndpointId> {
        self.from.find(subject, |token| self.named.get(token).copied())
    }

    /// What became of the session of a request that `served` has served.
    pub fn kept(&self, served: EndpointId, subject: &Subject<'_>) -> Kept {
        match self.find(subject) {
            Some(named) if named == served => Kept::Kept,
            Some(_) => Kept::Moved,
            None if self.from.find(subject, |token| (!token.is_empty()).then_some(())).is_some() => Kept::Gone,
            None => Kept::Made,
        }
    }

    /// Appends the fields that tell a client of the endpoint that served it; none where its request named that one by the
    /// token that it would be given.
    pub fn tell(&self, endpoint: EndpointId, subject: &Subject<'_>, out: &mut Vec<u8>) {
        let Some(told) = self.told.get(endpoint.0 as usize).filter(|told| !told.token.is_empty()) else { return };
        if self.from.has(&told.token, subject) {
            return;
        }
        out.extend_from_slice(&told.line);
        if subject.scheme() == "https" {
            out.extend_from_slice(&self.behind_https);
        }
        out.extend_from_slice(PRIVATE);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rule::asked::ask;

    fn persist(from: document::Repeated, tokens: &[&[&str]]) -> Persist {
        let of = |tokens: &&[&str]| tokens.iter().map(|token| (*token).to_owned()).collect();
        Persist::build(&document::Persist {
            from,
            field: "set-cookie".into(),
            before: "srv=".into(),
            behind: "; Path=/".into(),
            behind_https: "; Secure".into(),
            strict: false,
            tokens: tokens.iter().map(of).collect(),
        })
    }

    fn by_cookie() -> Persist {
        persist(document::Repeated::Cookie("srv".into()), &[&["one", "old"], &["two"], &[]])
    }

    #[test]
    fn what_became_of_a_session_is_told_by_who_was_named_and_who_served() {
        for (lines, served, kept) in [
            ("", 0, Kept::Made),
            ("cookie: srv=\n", 0, Kept::Made),
            ("cookie: srv=one\n", 0, Kept::Kept),
            ("cookie: srv=old\n", 0, Kept::Kept),
            ("cookie: srv=two\n", 0, Kept::Moved),
            ("cookie: srv=nobody\n", 0, Kept::Gone),
            ("cookie: srv=nobody; srv=one\n", 0, Kept::Kept),
        ] {
            let asked = ask(&format!("GET / HTTP/1.1\nhost: a\n{lines}\n"), "10.0.0.1:1", &["10.0.0.1/32"]);
            assert_eq!(by_cookie().kept(EndpointId(served), &asked.subject()), kept, "{lines}");
        }
    }

    /// What a request with these lines names, and what its client is told once the endpoint `served` it.
    fn meet(persist: &Persist, lines: &str, served: u32) -> (Option<u32>, String) {
        let asked = ask(&format!("GET / HTTP/1.1\nhost: a\n{lines}\n"), "10.0.0.1:1", &["10.0.0.1/32"]);
        let mut out = Vec::new();
        persist.tell(EndpointId(served), &asked.subject(), &mut out);
        (persist.find(&asked.subject()).map(|at| at.0), String::from_utf8(out).unwrap())
    }

    const ONE: &str = "set-cookie: srv=one; Path=/\r\ncache-control: private\r\n";

    #[test]
    fn a_client_is_told_only_what_it_does_not_know() {
        for (lines, served, named, told) in [
            ("", 0, None, ONE),
            ("cookie: a=b; srv=one; c=d\n", 0, Some(0), ""),
            ("cookie: srv=two\n", 0, Some(1), ONE),
            ("cookie: srv=old\n", 0, Some(0), ONE), // by the token that is given now
            ("cookie: srv=nobody\n", 0, None, ONE),
            ("cookie: SRV=one\n", 0, None, ONE),
            ("cookie: srv=nobody; srv=one\n", 0, Some(0), ""),
            ("cookie: srv=two\ncookie: srv=one\n", 0, Some(1), ""),
            ("cookie: srv=\n", 0, None, ONE),
            ("cookie: srv=\n", 2, None, ""), // of an endpoint without tokens nothing is told
            ("", 9, None, ""),
        ] {
            assert_eq!(meet(&by_cookie(), lines, served), (named, told.to_owned()), "{lines}");
        }
    }

    #[test]
    fn a_cookie_is_secure_where_the_client_speaks_https() {
        let (_, told) = meet(&by_cookie(), "x-forwarded-proto: https\n", 0);
        assert_eq!(told, "set-cookie: srv=one; Path=/; Secure\r\ncache-control: private\r\n");
    }

    #[test]
    fn a_header_names_an_endpoint_as_a_whole() {
        let persist = persist(document::Repeated::Header("X-Server".into()), &[&["one"], &["two"]]);
        assert_eq!(meet(&persist, "x-server: two\n", 1), (Some(1), String::new()));
        assert_eq!(meet(&persist, "x-server: two, one\n", 0).0, None);
    }

    proptest! {
        #[test]
        fn only_a_token_that_was_given_names_an_endpoint_whatever_stands_around_it(
            tokens in prop::collection::btree_set("[A-Za-z0-9_-]{22}", 1..50),
            guess in "[!-:<-~]{0,30}",
            around in prop::collection::vec(("[a-z]{1,5}", "[!-:<-~]{0,9}"), 0..4),
            at in any::<prop::sample::Index>(),
        ) {
            let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
            let lots: Vec<&[&str]> = tokens.chunks(1).collect();
            let persist = persist(document::Repeated::Cookie("srv".into()), &lots);
            let at = at.index(tokens.len());
            let mut pairs: Vec<String> = around.iter().map(|(name, value)| format!("x{name}={value}")).collect();
            pairs.push(format!("srv={guess}"));
            let named = |pairs: &[String]| meet(&persist, &format!("cookie: {}\n", pairs.join("; ")), 0).0;
            prop_assert_eq!(named(&pairs), tokens.iter().zip(0..).find(|(one, _)| **one == guess).map(|(_, at)| at));
            pairs.insert(0, format!("srv={}", tokens[at]));
            prop_assert_eq!(named(&pairs), Some(u32::try_from(at).unwrap()));
        }
    }
}
