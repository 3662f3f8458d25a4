//! What is asked of an endpoint, made ready once for each upstream.

use std::io::Write as _;
use std::time::Duration;

use super::answer::{self, Judgement};
use super::schedule::Schedule;
use super::{grpc, tls};
use crate::head::Method;
use crate::rule::pattern::Pattern;
use crate::snapshot::document::{self, Expected, Probe};

/// How an endpoint is checked.
#[derive(Debug)]
pub struct Check {
    /// The part of the document that it was made from: equal ones ask the same.
    pub document: document::Health,
    /// When the next one is due.
    pub schedule: Schedule,
    /// Longest check.
    pub timeout: Duration,
    expected: Option<Wanted>,
}

/// What must be found in a body, or in what a TCP server says.
#[derive(Debug)]
pub(super) enum Wanted {
    Text(String),
    Pattern(Pattern, String),
}

impl Check {
    /// Makes a check ready. Fails on a pattern that is none of the dialect.
    pub fn build(document: &document::Health) -> Result<Self, String> {
        let expected = match &document.probe {
            Probe::Http(http) => http.body.as_ref(),
            Probe::Tcp(tcp) => tcp.expect.as_ref(),
            Probe::Udp(udp) => udp.expect.as_ref(),
            Probe::Tls(_) | Probe::Grpc(_) => None,
        };
        Ok(Self {
            document: document.clone(),
            schedule: Schedule {
                interval: Duration::from_millis(document.interval_ms),
                fast: Duration::from_millis(document.fast_interval_ms),
            },
            timeout: Duration::from_millis(document.timeout_ms),
            expected: expected.map(Wanted::build).transpose()?,
        })
    }

    /// Where an endpoint at `address` is asked: another port, if one is given, of the same host.
    pub fn address(&self, address: &str) -> String {
        match (self.document.port, address.rsplit_once(':')) {
            (Some(port), Some((host, _))) if !address.starts_with("unix:") => format!("{host}:{port}"),
            (_, _) => address.to_owned(),
        }
    }

    /// What is sent to the endpoint at `address` once it accepts.
    pub fn question(&self, address: &str) -> Vec<u8> {
        let http = match &self.document.probe {
            Probe::Tcp(tcp) => return tcp.send.as_bytes().to_vec(),
            Probe::Udp(udp) => return udp.send.as_bytes().to_vec(),
            Probe::Tls(probe) => return tls::hello(probe),
            Probe::Grpc(probe) => return grpc::question(address, &probe.service),
            Probe::Http(http) => http,
        };
        let host = match &http.host {
            Some(host) => host.as_str(),
            None if address.starts_with("unix:") => "localhost",
            None => address,
        };
        let mut question = Vec::new();
        // A vector takes everything.
        let _ = write!(question, "{} {} HTTP/1.1\r\nhost: {host}\r\n", http.method, http.path);
        for (name, value) in &http.headers {
            let _ = write!(question, "{name}: {value}\r\n");
        }
        let names = |name: &str| http.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        if !names("user-agent") {
            question.extend_from_slice(b"user-agent: tidegate-health\r\n");
        }
        // One that may have a body says so: without a length it would wait for one (RFC 9110, section 8.6).
        if !matches!(http.method.as_str(), "GET" | "HEAD" | "OPTIONS") {
            question.extend_from_slice(b"content-length: 0\r\n");
        }
        question.extend_from_slice(b"connection: close\r\n\r\n");
        question
    }

    /// What the bytes that came mean so far. `ended`: nothing more comes, since the other side has closed or enough came.
    pub fn judge(&self, came: &[u8], ended: bool) -> Judgement {
        match &self.document.probe {
            Probe::Http(http) => {
                let method = if http.method == "HEAD" { Method::Head } else { Method::Get };
                answer::http(came, ended, method, &http.statuses, self.expected.as_ref())
            }
            Probe::Tcp(_) => answer::tcp(came, ended, self.expected.as_ref()),
            Probe::Udp(_) => answer::datagram(came, self.expected.as_ref()),
            Probe::Tls(_) => tls::judge(came, ended),
            Probe::Grpc(_) => grpc::judge(came, ended),
        }
    }
}

impl Wanted {
    fn build(expected: &Expected) -> Result<Self, String> {
        Ok(match expected {
            Expected::Contains(text) => Self::Text(text.clone()),
            Expected::Regex(pattern) => Self::Pattern(Pattern::compile(pattern)?, pattern.clone()),
        })
    }

    /// Whether it is in `text`. A pattern may look at the end, so that it waits until all has come.
    pub(super) fn is_in(&self, text: &[u8], whole: bool) -> bool {
        match self {
            Self::Text(wanted) => memchr::memmem::find(text, wanted.as_bytes()).is_some(),
            Self::Pattern(pattern, _) => whole && pattern.is_in(text),
        }
    }

    pub(super) fn told(&self) -> String {
        match self {
            Self::Text(text) => format!("hold {text:?}"),
            Self::Pattern(_, pattern) => format!("match {pattern:?}"),
        }
    }
}
