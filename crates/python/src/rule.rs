//! Expressions as the core asks them: for tests against Python's own evaluation, and for whoever wonders why one holds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tidegate_core::dice::Dice;
use tidegate_core::failure::Kind;
use tidegate_core::filter::forwarded::{Peer, Told, Trust, listen_to};
use tidegate_core::framing::{HeadLimits, HeadReader, Progress, RequestFacts, judge_request};
use tidegate_core::geo::NOWHERE;
use tidegate_core::head::RequestHead;
use tidegate_core::route::DotSegments;
use tidegate_core::rule::{Answer, Rule, Set, Sets, Stand, Subject, Template, read_entries};
use tidegate_core::snapshot::document::{Forwarded, ForwardedField};

/// As a listener has them by default.
const HEAD: HeadLimits = HeadLimits { bytes: 64 * 1024, fields: 128, line: 16 * 1024 };

/// `(status, seconds, failure)`.
type Ended = (u16, f64, String);

/// Says whether `rule`, as `Expression.compiled` in JSON, holds for the request `head` of `client`, as `address:port`.
/// `sets` has what named sets hold, an entry a line. Raises `ValueError` where one of these is wrong.
#[pyfunction]
#[pyo3(signature = (rule, head, client, sets, ended=None))]
pub(crate) fn rule_holds(
    rule: &str,
    head: &[u8],
    client: &str,
    sets: HashMap<String, String>,
    ended: Option<Ended>,
) -> PyResult<bool> {
    let written = serde_json::from_str(rule).map_err(|error| wrong(&error.to_string()))?;
    let mut known = Sets::default();
    for (name, lines) in sets {
        known.insert(name, Arc::new(Set::compile(&lines).map_err(|says| wrong(&says))?));
    }
    let rule = Rule::compile(&written, &known).map_err(|says| wrong(&says))?;
    Ok(rule.holds(&Asked::read(head, client)?.subject(ended)?))
}

/// Gives what `template`, as `Template.compiled` in JSON, becomes for a request, where it stands in a `header`, `path`,
/// `query`, `uri`, `text`, `html` or `json`; else as `rule_holds`.
#[pyfunction]
#[pyo3(signature = (template, stand, head, client, ended=None))]
pub(crate) fn fill_template<'py>(
    py: Python<'py>,
    template: &str,
    stand: &str,
    head: &[u8],
    client: &str,
    ended: Option<Ended>,
) -> PyResult<Bound<'py, PyBytes>> {
    let stand = match stand {
        "header" => Stand::HeaderValue,
        "path" => Stand::Path,
        "query" => Stand::Query,
        "uri" => Stand::Uri,
        "text" => Stand::Text,
        "html" => Stand::Html,
        "json" => Stand::Json,
        _ => return Err(wrong(&format!("`{stand}` is no place for a template"))),
    };
    let written = serde_json::from_str(template).map_err(|error| wrong(&error.to_string()))?;
    let template = Template::compile(&written, stand).map_err(|says| wrong(&says))?;
    let mut out = Vec::new();
    template.write(&Asked::read(head, client)?.subject(ended)?, &mut out);
    Ok(PyBytes::new(py, &out))
}

/// Reads a named set's file: an entry a line, white space around it and comments, from a `#` that begins the line or
/// follows a blank, left out; without `comments` each line is an entry as it stands. Gives the entries as lines, how many
/// they are, and line and text of the first that is no network; none where all are networks.
#[pyfunction]
pub(crate) fn read_set(text: &str, comments: bool) -> (String, usize, Option<(usize, String)>) {
    let read = read_entries(text, comments);
    (read.lines, read.count, read.first_text)
}

/// One request with all that a subject borrows.
struct Asked<'a> {
    bytes: &'a [u8],
    head: RequestHead,
    facts: RequestFacts,
    told: Told,
    peer: Peer,
    trust: Trust,
}

impl<'a> Asked<'a> {
    fn read(bytes: &'a [u8], client: &str) -> PyResult<Self> {
        let mut head = RequestHead::default();
        match HeadReader::default().read_request(bytes, &HEAD, &mut head) {
            Ok(Progress::Complete) => {}
            Ok(Progress::Partial) => return Err(wrong("the head is not whole")),
            Err(failure) => return Err(wrong(&failure.to_string())),
        }
        let facts = judge_request(bytes, &head).map_err(|failure| wrong(&failure.to_string()))?;
        let nobody = Forwarded { from: Vec::new(), field: ForwardedField::XForwardedFor };
        let trust = Trust::build(&nobody).map_err(|says| wrong(&says))?;
        let peer = Peer::new(client.parse().ok(), None);
        let told = listen_to(&trust, &peer, bytes, &head, &mut Dice::seeded(1));
        Ok(Self { bytes, head, facts, told, peer, trust })
    }

    fn subject(&self, ended: Option<Ended>) -> PyResult<Subject<'_>> {
        let answer = ended.map(|(status, seconds, failure)| {
            let failure = Kind::ALL.iter().copied().find(|kind| kind.name() == failure);
            let duration = Duration::try_from_secs_f64(seconds).map_err(|error| wrong(&error.to_string()))?;
            Ok::<_, PyErr>(Answer { status, duration, failure })
        });
        Ok(Subject {
            listener: "web",
            trust: &self.trust,
            dots: DotSegments::Refuse,
            geo: &NOWHERE,
            peer: &self.peer,
            told: &self.told,
            bytes: self.bytes,
            head: &self.head,
            facts: &self.facts,
            path: None,
            answer: answer.transpose()?,
        })
    }
}

fn wrong(says: &str) -> PyErr {
    PyValueError::new_err(says.to_owned())
}
