//! Expressions as Python writes them (`python/tidegate/config/expression/`): types are checked there, so that nothing in
//! here can be compared with what it cannot be compared with. `crate::rule` compiles them.

use serde::Deserialize;

/// A condition.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Rule {
    /// `True` or `False`.
    Always(bool),
    /// `and`
    All(Vec<Rule>),
    /// `or`
    Any(Vec<Rule>),
    /// `not`
    Not(Box<Rule>),
    /// Two texts, in the order of their bytes, which for UTF-8 is that of their characters.
    Texts {
        /// What stands left.
        left: Text,
        /// How both are compared.
        is: Comparison,
        /// What stands right.
        right: Text,
    },
    /// Two numbers.
    Numbers {
        /// What stands left.
        left: Number,
        /// How both are compared.
        is: Comparison,
        /// What stands right.
        right: Number,
    },
    /// `part in whole`
    Contains {
        /// Where is looked.
        whole: Text,
        /// What is looked for.
        part: Text,
    },
    /// `text in ["a", "b"]`
    OneOf {
        /// What is looked for.
        text: Text,
        /// Where.
        of: Vec<String>,
    },
    /// `text in request.headers["x"].all`
    AmongAll {
        /// What is looked for.
        text: Text,
        /// Where.
        all: Repeated,
    },
    /// `number in [80, 443]`
    NumberOneOf {
        /// What is looked for.
        number: Number,
        /// Where, in billionths.
        of: Vec<i64>,
    },
    /// `text.startswith(…)`, with one of them.
    StartsWith {
        /// What begins.
        text: Text,
        /// With what.
        with: Vec<Text>,
    },
    /// `text.endswith(…)`, with one of them.
    EndsWith {
        /// What ends.
        text: Text,
        /// With what.
        with: Vec<Text>,
    },
    /// `text.matches(…)`: the engine's dialect, searched, not anchored.
    Matches {
        /// Where is searched.
        text: Text,
        /// For what.
        pattern: String,
    },
    /// `client.ip in ["10.0.0.0/8"]`, in CIDR form.
    ClientWithin(Vec<String>),
    /// `client.ip in sets["office"]`
    ClientInSet(String),
    /// `text in sets["words"]`
    TextInSet {
        /// What is looked for.
        text: Text,
        /// The name of the set.
        set: String,
    },
}

/// How two values are compared.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    #[serde(rename = "==")]
    Equal,
    /// `!=`
    #[serde(rename = "!=")]
    Unequal,
    /// `<`
    #[serde(rename = "<")]
    Less,
    /// `<=`
    #[serde(rename = "<=")]
    AtMost,
    /// `>`
    #[serde(rename = ">")]
    More,
    /// `>=`
    #[serde(rename = ">=")]
    AtLeast,
}

/// What gives a text.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Text {
    /// The text itself.
    Literal(String),
    /// A word of the vocabulary.
    Word(Word),
    /// What may stand in a request several times: joined by `, `, or empty where it does not stand there.
    Joined(Repeated),
    /// `a + b`
    Sum(Vec<Text>),
    /// `.lower()`
    Lower(Box<Text>),
}

/// What may stand in a request several times, by name.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Repeated {
    /// Field lines; the name in any case.
    Header(String),
    /// Pairs of `Cookie`.
    Cookie(String),
    /// Terms of the query.
    Query(String),
}

/// What gives a number.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Number {
    /// The number itself, in billionths, so that it is exact.
    Literal(i64),
    /// `client.port`, `client.asn`, `response.status` or `response.duration`; of another word 0.
    Word(Word),
}

/// The vocabulary, as far as it is words without a name behind them.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The method as it was sent.
    #[serde(rename = "request.method")]
    RequestMethod,
    /// `http` or `https`.
    #[serde(rename = "request.scheme")]
    RequestScheme,
    /// The host in lower case, without port and last dot.
    #[serde(rename = "request.host")]
    RequestHost,
    /// The matched form of the path.
    #[serde(rename = "request.path")]
    RequestPath,
    /// The query as it was sent, without `?`.
    #[serde(rename = "request.query")]
    RequestQuery,
    /// Path and query as they go on.
    #[serde(rename = "request.uri")]
    RequestUri,
    /// The request's id.
    #[serde(rename = "request.id")]
    RequestId,
    /// The client's address.
    #[serde(rename = "client.ip")]
    ClientIp,
    /// The client's port.
    #[serde(rename = "client.port")]
    ClientPort,
    /// The client's country.
    #[serde(rename = "client.country")]
    ClientCountry,
    /// Its continent.
    #[serde(rename = "client.continent")]
    ClientContinent,
    /// The number of its autonomous system.
    #[serde(rename = "client.asn")]
    ClientAsn,
    /// The listener's name.
    #[serde(rename = "listener")]
    Listener,
    /// The status of the answer.
    #[serde(rename = "response.status")]
    ResponseStatus,
    /// Seconds from the request's first byte to the end of the exchange.
    #[serde(rename = "response.duration")]
    ResponseDuration,
    /// The kind of the failure.
    #[serde(rename = "failure")]
    Failure,
}

/// A text with holes in it.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(transparent)]
pub struct Template(pub Vec<Text>);
