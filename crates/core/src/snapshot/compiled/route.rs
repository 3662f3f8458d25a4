//! Where the requests of a route go, and how long they may take.

use std::time::Duration;

use crate::balance::Split;
use crate::filter::Filters;
use crate::rule::{Stand, Template, Text};
use crate::snapshot::document::{self, Builtin};

/// Where the requests of a route go, and how long they may take.
#[derive(Debug)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// From the last request byte to the first byte of the answer; zero is no limit.
    pub response: Duration,
    /// Between bytes either way; zero is no limit.
    pub idle: Duration,
    /// What is done before and after the exchange; `None` where nothing is.
    pub filters: Option<Box<Filters>>,
    /// Where they go.
    pub to: Target,
}

/// Where the requests of a route go.
#[derive(Debug)]
pub enum Target {
    /// An upstream, by index.
    Upstream(usize),
    /// Several upstreams.
    Split(Split),
    /// An answer of ours.
    Respond(Box<Respond>),
    /// An answer that sends the client elsewhere: where to, and the status.
    Redirect(Template, u16),
    /// An answer that the engine itself makes.
    Builtin(Builtin),
}

/// An answer of ours.
#[derive(Debug)]
pub struct Respond {
    /// Status.
    pub status: u16,
    /// What the body is.
    pub content_type: String,
    /// Further fields.
    pub headers: Vec<(String, Template)>,
    /// Body.
    pub body: String,
}

impl Route {
    pub(super) fn new(
        route: &document::Route,
        filters: Option<Box<Filters>>,
        upstreams: &[document::Upstream],
    ) -> Result<Self, String> {
        Ok(Self {
            name: route.name.clone(),
            response: Duration::from_millis(route.timeouts.response_ms),
            idle: Duration::from_millis(route.timeouts.idle_ms),
            filters,
            to: Target::build(&route.to, upstreams)?,
        })
    }
}

impl Target {
    fn build(written: &document::Target, upstreams: &[document::Upstream]) -> Result<Self, String> {
        let named = |index: usize| {
            upstreams
                .get(index)
                .map(|upstream| upstream.name.as_str())
                .ok_or(format!("there is no upstream number {index}"))
        };
        Ok(match written {
            document::Target::Upstream(index) => named(*index).map(|_| Self::Upstream(*index))?,
            document::Target::Split(split) => {
                let share = |share: &document::Share| Ok((share.upstream, named(share.upstream)?, share.weight));
                let shares: Vec<_> = split.shares.iter().map(share).collect::<Result<_, String>>()?;
                let key = split.key.as_ref().map(Text::compile).transpose()?;
                Self::Split(Split::build(shares.into_iter(), key)?)
            }
            document::Target::Respond(respond) => Self::Respond(Box::new(Respond::build(respond)?)),
            document::Target::Redirect(redirect) => {
                Self::Redirect(Template::compile(&redirect.to, Stand::Uri)?, redirect.status)
            }
            document::Target::Builtin(builtin) => Self::Builtin(*builtin),
        })
    }
}

impl Respond {
    fn build(written: &document::Respond) -> Result<Self, String> {
        let text = || "text/plain; charset=utf-8".to_owned();
        let field = |(name, value): &(String, document::Template)| {
            Ok((name.clone(), Template::compile(value, Stand::HeaderValue)?))
        };
        Ok(Self {
            status: written.status,
            content_type: written.content_type.clone().unwrap_or_else(text),
            headers: written.headers.iter().map(field).collect::<Result<_, String>>()?,
            body: written.body.clone(),
        })
    }
}
