//! The filter `rewrite`: another path, query or host for the endpoint.
//!
//! It reads the matched form of the path and writes one that needs no second reading: what comes of it is looked at as
//! what clients send is, and refused where two readers could take it for two paths. Where nothing is found that is to
//! change, the path goes byte for byte as it came. In Rust because it runs for every request.

use super::replacement::Replacement;
use crate::failure::{Failure, Kind, Stage};
use crate::framing::is_authority;
use crate::route::encode::{behind, push_escaped, write_matched, write_sent};
use crate::route::{DotSegments, read_path};
use crate::rule::{Stand, Subject, Template};
use crate::snapshot::document;

/// A compiled `rewrite`.
#[derive(Debug)]
pub struct Rewrite {
    /// Without a slash at its end.
    strip_prefix: Option<Box<[u8]>>,
    regex: Option<Replacement>,
    /// Escaped, without a slash at its end; empty where there is none.
    add_prefix: Box<[u8]>,
    path: Option<Template>,
    query: Option<Template>,
    host: Option<Template>,
}

/// What the endpoint is sent in place of what came.
#[derive(Debug, Default)]
pub struct Rewritten {
    /// The path; empty: as it came.
    pub path: Vec<u8>,
    /// The query, if it is another; empty: none is sent.
    pub query: Option<Vec<u8>>,
    /// Host; empty: as it came.
    pub host: Vec<u8>,
    scratch: Vec<u8>,
}

impl Rewritten {
    /// Makes it as new, but keeps the room of its vectors.
    pub fn clear(&mut self) {
        self.path.clear();
        self.query = None;
        self.host.clear();
    }
}

impl Rewrite {
    /// Compiles. Fails on what can never be sent.
    pub fn build(rewrite: &document::Rewrite) -> Result<Self, String> {
        let template = |key: &str, template: &Option<document::Template>, stand| {
            let compiled = template.as_ref().map(|template| Template::compile(template, stand)).transpose();
            compiled.map_err(|says| format!("rewrite.{key}: {says}"))
        };
        let host = template("host", &rewrite.host, Stand::Text)?;
        if let Some(host) = host.as_ref().and_then(Template::literal).filter(|host| !is_authority(host)) {
            return Err(format!("rewrite.host: `{}` is no host", host.escape_ascii()));
        }
        let bare = |prefix: &String| prefix.trim_end_matches('/').to_owned();
        let written = |matched: &str| {
            let mut out = Vec::new();
            write_matched(&mut out, matched.as_bytes());
            out.into_boxed_slice()
        };
        let regex = rewrite.regex.as_ref().map(Replacement::build).transpose();
        Ok(Self {
            strip_prefix: rewrite.strip_prefix.as_ref().map(|prefix| bare(prefix).into_bytes().into()),
            regex: regex.map_err(|says| format!("rewrite.regex: {says}"))?,
            add_prefix: rewrite.add_prefix.as_ref().map(|prefix| written(&bare(prefix))).unwrap_or_default(),
            path: template("path", &rewrite.path, Stand::Path)?,
            query: template("query", &rewrite.query, Stand::Query)?,
            host,
        })
    }

    /// Rewrites what was rewritten so far, where `sent` is the path that came.
    pub fn apply(&self, sent: &[u8], to: &mut Rewritten, subject: &Subject<'_>) -> Result<(), Failure> {
        let Rewritten { path, query, host, scratch } = to;
        scratch.clear();
        if self.write_path(if path.is_empty() { sent } else { path }, scratch, subject)? {
            if let Err(failure) = read_path(scratch, DotSegments::Refuse) {
                return Err(refuse(format!("the path would be `{}`: {}", scratch.escape_ascii(), failure.reason)));
            }
            std::mem::swap(path, scratch);
        }
        if let Some(other) = &self.query {
            scratch.clear();
            other.write(subject, scratch);
            *query = Some(written_query(scratch));
        }
        if let Some(other) = &self.host {
            host.clear();
            other.write(subject, host);
            if !is_authority(host) {
                return Err(refuse(format!("the host would be `{}`, which is none", host.escape_ascii())));
            }
        }
        Ok(())
    }

    /// Writes the path anew; says whether there is anything to change.
    fn write_path(&self, path: &[u8], out: &mut Vec<u8>, subject: &Subject<'_>) -> Result<bool, Failure> {
        if let Some(path) = &self.path {
            let mut written = Vec::new();
            path.write(subject, &mut written);
            out.push(b'/');
            write_sent(out, &written);
            return Ok(true);
        }
        let stripped = self.strip_prefix.as_deref().and_then(|prefix| behind(path, prefix));
        let changes = stripped.is_some() || !self.add_prefix.is_empty();
        if !changes && self.regex.is_none() {
            return Ok(false);
        }
        out.extend_from_slice(&self.add_prefix);
        out.push(b'/');
        if let Some(regex) = &self.regex {
            let rest = stripped.filter(|rest| !rest.is_empty()).unwrap_or(if stripped.is_some() { b"/" } else { path });
            if regex.write(&read_path(rest, DotSegments::Refuse)?.matched, out) {
                return Ok(true);
            }
        }
        if changes {
            write_sent(out, stripped.unwrap_or(path));
        }
        Ok(changes)
    }
}

#[cold]
fn refuse(reason: String) -> Failure {
    Failure::new(Kind::RewriteRefused, Stage::Filter, reason)
}

/// A query, what must not stand in one escaped (RFC 3986, section 3.4).
fn written_query(query: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(query.len());
    for &byte in query {
        if byte.is_ascii_graphic() && byte != b'#' {
            out.push(byte);
        } else {
            push_escaped(&mut out, byte);
        }
    }
    out
}

#[cfg(test)]
#[path = "rewrite_tests.rs"]
mod tests; // tables of rewrites, and where a lenient reader lands
