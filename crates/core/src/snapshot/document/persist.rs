//! Session persistence, as Python writes it (`python/tidegate/compile/persist.py`).

use serde::Deserialize;

use super::rule::Repeated;

/// A session stays with the endpoint that served it first: a token in the request names that one.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Persist {
    /// Where a request has its token.
    pub from: Repeated,
    /// The field by which an answer gives the client its token.
    pub field: String,
    /// What stands there before the token.
    pub before: String,
    /// What stands behind it.
    pub behind: String,
    /// What stands behind that where the client speaks HTTPS.
    pub behind_https: String,
    /// Whether a request is refused whose endpoint may not be chosen.
    pub strict: bool,
    /// The tokens of each endpoint, in the order of the endpoints: first the one that clients are given, then older ones.
    pub tokens: Vec<Vec<String>>,
}
