//! The filter `error_pages`: what stands in an answer that tells of a failure, in place of one line of text.
//!
//! The first page that is for the answer's status and for the kind of its failure is taken. It changes what a person
//! reads, and perhaps the status; the log still says what happened, and `Proxy-Status` tells the client.

use crate::failure::Kind;
use crate::rule::{Stand, Template};
use crate::snapshot::document;

/// The pages of a route or a listener.
#[derive(Debug, Default)]
pub struct ErrorPages {
    pages: Vec<ErrorPage>,
}

/// One page.
#[derive(Debug)]
pub struct ErrorPage {
    statuses: Vec<(u16, u16)>,
    kinds: Vec<Kind>,
    endpoints: bool,
    /// What `Content-Type` says of it.
    pub content_type: String,
    /// Its text.
    pub body: Template,
    /// The status that is sent in place of the failure's.
    pub send: Option<u16>,
}

impl ErrorPages {
    /// Compiles. Fails on what is no kind, and on a status that an answer with a body cannot have.
    pub fn build(pages: &[document::ErrorPage]) -> Result<Self, String> {
        Ok(Self { pages: pages.iter().map(ErrorPage::build).collect::<Result<_, _>>()? })
    }

    /// The page for an answer of ours with this status to a failure of this kind.
    pub fn for_failure(&self, kind: Kind, status: u16) -> Option<&ErrorPage> {
        self.pages.iter().find(|page| page.has(status) && (page.kinds.is_empty() || page.kinds.contains(&kind)))
    }

    /// The page in place of an endpoint's answer with this status.
    pub fn for_endpoint(&self, status: u16) -> Option<&ErrorPage> {
        self.pages.iter().find(|page| page.endpoints && page.has(status))
    }
}

impl ErrorPage {
    fn build(page: &document::ErrorPage) -> Result<Self, String> {
        let kind = |name: &String| Kind::ALL.iter().find(|kind| kind.name() == name).copied();
        let kinds = page.kinds.iter().map(|name| kind(name).ok_or_else(|| format!("`{name}` is no kind of failure")));
        if let Some(status) =
            page.send.filter(|status| !(200..=599).contains(status) || matches!(status, 204 | 205 | 304))
        {
            return Err(format!("an answer with status {status} has no page"));
        }
        if page.content_type.bytes().any(|byte| byte.is_ascii_control()) {
            return Err("a content type has a control character".to_owned());
        }
        if page.endpoints && (page.statuses.is_empty() || page.statuses.iter().any(|(from, _)| *from < 400)) {
            return Err("pages for answers of endpoints are for statuses from 400 on".to_owned());
        }
        Ok(Self {
            statuses: page.statuses.clone(),
            kinds: kinds.collect::<Result<_, _>>()?,
            endpoints: page.endpoints,
            content_type: page.content_type.clone(),
            body: Template::compile(&page.body, stand_of(&page.content_type))?,
            send: page.send,
        })
    }

    fn has(&self, status: u16) -> bool {
        self.statuses.is_empty() || self.statuses.iter().any(|(from, to)| (*from..=*to).contains(&status))
    }
}

/// How what fills a hole is escaped in text of this type.
fn stand_of(content_type: &str) -> Stand {
    let name = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match name.rsplit(['/', '+']).next().unwrap_or_default() {
        "html" | "xml" | "xhtml" => Stand::Html,
        "json" => Stand::Json,
        _ => Stand::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(body: &str, statuses: &[(u16, u16)], kinds: &[&str], endpoints: bool) -> document::ErrorPage {
        document::ErrorPage {
            statuses: statuses.to_vec(),
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            endpoints,
            content_type: "text/html".into(),
            body: document::Template(vec![document::Text::Literal(body.into())]),
            send: None,
        }
    }

    fn shown(page: &ErrorPage) -> String {
        String::from_utf8_lossy(page.body.literal().unwrap_or_default()).into_owned()
    }

    #[test]
    fn holes_are_escaped_for_the_content_type() {
        for (content_type, stand) in [
            ("text/html; charset=utf-8", Stand::Html),
            ("application/xhtml+xml", Stand::Html),
            ("image/svg+xml", Stand::Html),
            ("Application/Problem+JSON", Stand::Json),
            ("text/plain", Stand::Text),
            ("", Stand::Text),
        ] {
            assert_eq!(stand_of(content_type), stand, "{content_type}");
        }
    }

    #[test]
    fn the_first_page_for_status_and_kind_is_taken() {
        let pages = ErrorPages::build(&[
            page("refused", &[(502, 502)], &["connect_refused"], false),
            page("timeout", &[], &["response_timeout", "connect_timeout"], false),
            page("gateway", &[(502, 504)], &[], true),
            page("denied", &[(400, 499)], &[], false),
        ])
        .unwrap();
        for (kind, body) in [
            (Kind::ConnectRefused, Some("refused")),
            (Kind::ConnectTimeout, Some("timeout")),
            (Kind::ConnectFailed, Some("gateway")),
            (Kind::QueueFull, Some("gateway")),
            (Kind::NoRoute, Some("denied")),
            (Kind::Internal, None),
        ] {
            assert_eq!(pages.for_failure(kind, kind.status()).map(shown).as_deref(), body, "{kind:?}");
        }
        for (status, body) in [(502, Some("gateway")), (404, None), (500, None), (200, None)] {
            assert_eq!(pages.for_endpoint(status).map(shown).as_deref(), body, "{status}");
        }
        let all = ErrorPages::build(&[page("any", &[], &[], false)]).unwrap();
        assert!(Kind::ALL.iter().all(|kind| all.for_failure(*kind, kind.status()).is_some()));
    }

    #[test]
    fn what_can_be_no_page_is_told() {
        for (wrong, says) in [
            (page("", &[], &["gone"], false), "`gone` is no kind of failure"),
            (
                document::ErrorPage { send: Some(304), ..page("", &[], &[], false) },
                "an answer with status 304 has no page",
            ),
            (
                document::ErrorPage { send: Some(100), ..page("", &[], &[], false) },
                "an answer with status 100 has no page",
            ),
            (
                document::ErrorPage { content_type: "a\r\nb: c".into(), ..page("", &[], &[], false) },
                "a content type has a control character",
            ),
            (page("", &[(300, 499)], &[], true), "pages for answers of endpoints are for statuses from 400 on"),
            (page("", &[], &[], true), "pages for answers of endpoints are for statuses from 400 on"),
        ] {
            assert_eq!(ErrorPages::build(&[wrong]).unwrap_err(), says);
        }
    }
}
