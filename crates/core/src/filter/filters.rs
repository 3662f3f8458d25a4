//! The filters of one route, compiled when a snapshot is decoded. They run in the order of [`super::ORDER`].

use super::access::Access;
use super::error_pages::ErrorPages;
use super::fault::Fault;
use super::headers::HeaderEdits;
use super::request_id::Believed;
use super::rewrite::{Rewrite, Rewritten};
use crate::failure::{Failure, Kind, Stage};
use crate::framing::BodyLength;
use crate::mirror::Mirror;
use crate::rule::{Sets, Subject};
use crate::snapshot::document::Filter;

/// The filters of one route.
#[derive(Debug, Default)]
pub struct Filters {
    /// Which field carries the request's id; `None` is `X-Request-Id`.
    pub request_id: Option<Believed>,
    /// Which clients are served.
    pub access: Option<Access>,
    /// Most bytes of a body.
    pub body_limit: Option<u64>,
    /// Wait for the whole body, at most so many bytes.
    pub buffer_request: Option<u64>,
    /// What is done to a share of the requests on purpose.
    pub faults: Vec<Fault>,
    /// Other paths, queries and hosts, one after another.
    pub rewrites: Vec<Rewrite>,
    /// Edits of the endpoint's head.
    pub request_headers: Option<HeaderEdits>,
    /// What stands in answers that tell of a failure.
    pub error_pages: ErrorPages,
    /// Edits of the client's head.
    pub response_headers: Option<HeaderEdits>,
    /// Where copies of the requests go. No filter; it lies here since most routes have neither, and look but once.
    pub mirror: Option<Box<Mirror>>,
}

impl Filters {
    /// Compiles. `None` where there are none; fails with what is wrong with one.
    pub fn build(filters: &[Filter], sets: &Sets) -> Result<Option<Box<Self>>, String> {
        if filters.is_empty() {
            return Ok(None);
        }
        let mut all = Self::default();
        let (mut deny, mut allow, mut id_field) = (None, None, None);
        let (mut requests, mut responses) = (Vec::new(), Vec::new());
        for filter in filters {
            match filter {
                Filter::RequestId(source) => {
                    id_field = Some(source.field.as_str());
                    all.request_id = Some(Believed::build(source)?);
                }
                Filter::Deny(networks) => deny = Some(networks.as_slice()),
                Filter::Allow(networks) => allow = Some(networks.as_slice()),
                Filter::BodyLimit { size } => all.body_limit = Some(*size),
                Filter::BufferRequest { size } => all.buffer_request = Some(*size),
                Filter::Fault(fault) => {
                    all.faults.push(Fault::build(fault, sets).map_err(|says| format!("fault: {says}"))?);
                }
                Filter::Rewrite(rewrite) => all.rewrites.push(Rewrite::build(rewrite)?),
                Filter::RequestHeaders(edits) => requests.push(edits),
                Filter::ErrorPages(pages) => {
                    all.error_pages = ErrorPages::build(pages).map_err(|says| format!("error_pages: {says}"))?;
                }
                Filter::ResponseHeaders(edits) => responses.push(edits),
            }
        }
        all.access = Access::build(deny, allow)?;
        let told = |way: &'static str| move |says| format!("{way}: {says}");
        all.request_headers = HeaderEdits::build(requests.into_iter(), id_field).map_err(told("request_headers"))?;
        all.response_headers = HeaderEdits::build(responses.into_iter(), None).map_err(told("response_headers"))?;
        Ok(Some(Box::new(all)))
    }

    /// Refuses a body whose length is known to be too much.
    pub fn check_length(&self, body: BodyLength) -> Result<(), Failure> {
        match (self.body_limit, body) {
            (Some(most), BodyLength::Length(n)) if n > most => Err(Failure::new(
                Kind::BodyTooLarge,
                Stage::Filter,
                format!("Content-Length is {n}, body_limit {most}"),
            )),
            (_, BodyLength::None | BodyLength::Length(_) | BodyLength::Chunked | BodyLength::UntilClose) => Ok(()),
        }
    }

    /// The edits of the endpoint's head, and the field of the request's id where it is not `X-Request-Id`.
    pub fn of_request_head(&self) -> (Option<&HeaderEdits>, Option<&[u8]>) {
        (self.request_headers.as_ref(), self.request_id.as_ref().map(Believed::field))
    }

    /// Whether a request's line with this name ends here, since a filter writes it.
    #[inline]
    pub fn replace(&self, name: &[u8]) -> bool {
        self.request_headers.as_ref().is_some_and(|edits| edits.replaces(name))
            || self.request_id.as_ref().is_some_and(|id| id.field().eq_ignore_ascii_case(name))
    }

    /// Rewrites the path that came, and what else of the request is to be another one.
    pub fn rewrite(&self, path: &[u8], to: &mut Rewritten, subject: &Subject<'_>) -> Result<(), Failure> {
        self.rewrites.iter().try_for_each(|rewrite| rewrite.apply(path, to, subject))
    }
}
