//! What shows an issuer of certificates that a name is ours (RFC 8555, section 8.3), told before any route is looked for:
//! a route must not be able to send its question elsewhere.
//!
//! In Rust because it is told while requests are served. A question for what is not under way here is a request like any
//! other: whoever stands behind us may obtain certificates too.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Where it is asked for.
const BELOW: &[u8] = b"/.well-known/acme-challenge/";

/// What is under way now: the answer to each token. It outlives snapshots, and all threads see one.
#[derive(Debug, Default)]
pub struct Challenges(RwLock<HashMap<String, Arc<str>>>);

impl Challenges {
    /// Tells these from now on, and no others.
    pub fn set(&self, answers: HashMap<String, String>) {
        let answers = answers.into_iter().map(|(token, answer)| (token, answer.into())).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = answers;
    }

    /// The answer to a question for `path`, if it is one, and is under way here. Costs another request a look at its first
    /// bytes.
    pub fn answer(&self, path: &[u8]) -> Option<Arc<str>> {
        let token = std::str::from_utf8(path.strip_prefix(BELOW)?).ok()?;
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_under_way_is_answered() {
        let challenges = Challenges::default();
        let ask = |path: &[u8]| challenges.answer(path).map(|answer| answer.to_string());
        assert_eq!(ask(b"/.well-known/acme-challenge/one"), None);
        challenges.set(HashMap::from([("one".to_owned(), "one.print".to_owned())]));
        assert_eq!(ask(b"/.well-known/acme-challenge/one").as_deref(), Some("one.print"));
        for other in [&b"/.well-known/acme-challenge/two"[..], b"/one", b"/", b"/.well-known/acme-challenge/\xff"] {
            assert_eq!(ask(other), None);
        }
        challenges.set(HashMap::new());
        assert_eq!(ask(b"/.well-known/acme-challenge/one"), None);
    }
}
