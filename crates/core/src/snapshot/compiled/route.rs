//! Where the requests of a route go, and how long they may take.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::balance::subset::tell_labels;
use crate::balance::{Lead, Split};
use crate::dice::Dice;
use crate::filter::Filters;
use crate::mirror::Mirror;
use crate::retry::{Latencies, Policy};
use crate::rule::{Sets, Stand, Subject, Template, Text};
use crate::snapshot::document::{self, Builtin, Document};

/// Where the requests of a route go, and how long they may take. Where thousands of routes take turns each line of the
/// cache is a cold one, so what each request reads is one line.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Route {
    /// Where they go.
    pub to: Target,
    /// From the last request byte to the first byte of the answer; zero is no limit.
    pub response: Duration,
    /// Between bytes either way; zero is no limit.
    pub idle: Duration,
    /// What is done before and after the exchange; `None` where nothing is.
    pub filters: Option<Box<Filters>>,
    /// When they are tried again; `None`: when an endpoint cannot be connected to.
    pub retry: Option<Box<Policy>>,
    /// Its name.
    pub name: String,
}

/// Where the requests of a route go.
#[derive(Debug)]
pub enum Target {
    /// An upstream, or some of its endpoints.
    Upstream(Lead),
    /// Several upstreams.
    Split(Box<Split>),
    /// An answer of ours.
    Respond(Box<Respond>),
    /// An answer that sends the client elsewhere.
    Redirect(Box<Redirect>),
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

/// An answer that sends the client elsewhere.
#[derive(Debug)]
pub struct Redirect {
    /// `Location`.
    pub to: Template,
    /// Status.
    pub status: u16,
}

/// Every route, or what is wrong with it. What those of `previous` knew of their answers goes on, by name.
pub(super) fn compile(
    document: &Document,
    sets: &Sets,
    previous: Option<&[Route]>,
    problems: &mut Vec<String>,
) -> Arc<[Route]> {
    let latencies = |route: &Route| Some((route.name.clone(), Arc::clone(route.retry.as_ref()?.latencies()?)));
    let known: HashMap<String, Arc<Latencies>> = previous.into_iter().flatten().filter_map(latencies).collect();
    let mut routes = Vec::with_capacity(document.routes.len());
    for route in &document.routes {
        match Route::new(route, &document.upstreams, sets, known.get(&route.name)) {
            Ok(route) => routes.push(route),
            Err(says) => problems.push(format!("{}: route {}: {says}", route.place, route.name)),
        }
    }
    routes.into()
}

impl Route {
    fn new(
        route: &document::Route,
        upstreams: &[document::Upstream],
        sets: &Sets,
        known: Option<&Arc<Latencies>>,
    ) -> Result<Self, String> {
        let mut filters = Filters::build(&route.filters, sets)?;
        if let Some(mirror) = &route.mirror {
            let mirror = Mirror::build(mirror, upstreams.len())?;
            filters.get_or_insert_default().mirror = Some(Box::new(mirror));
        }
        Ok(Self {
            to: Target::build(&route.to, upstreams)?,
            response: Duration::from_millis(route.timeouts.response_ms),
            idle: Duration::from_millis(route.timeouts.idle_ms),
            filters,
            retry: route.retry.as_deref().map(|retry| Box::new(Policy::build(retry, known))),
            name: route.name.clone(),
        })
    }
}

impl Target {
    /// Where it leads to, where that is an upstream.
    pub fn lead(&self, subject: Option<&Subject<'_>>, dice: &mut Dice) -> Option<Lead> {
        match self {
            Self::Upstream(lead) => Some(*lead),
            Self::Split(split) => Some(split.choose(subject, dice)),
            Self::Respond(_) | Self::Redirect(_) | Self::Builtin(_) => None,
        }
    }

    pub(super) fn build(written: &document::Target, upstreams: &[document::Upstream]) -> Result<Self, String> {
        Ok(match written {
            document::Target::Upstream(index) => Self::Upstream(find(*index, 0, upstreams)?.0),
            document::Target::Part(part) => Self::Upstream(find(part.upstream, part.subset, upstreams)?.0),
            document::Target::Split(split) => {
                let share = |share: &document::Share| {
                    let (lead, name) = find(share.upstream, share.subset, upstreams)?;
                    Ok((lead, name, share.weight))
                };
                let shares: Vec<_> = split.shares.iter().map(share).collect::<Result<_, String>>()?;
                let key = split.key.as_ref().map(Text::compile).transpose()?;
                Self::Split(Box::new(Split::build(shares.into_iter(), key)?))
            }
            document::Target::Respond(respond) => Self::Respond(Box::new(Respond::build(respond)?)),
            document::Target::Redirect(redirect) => {
                let to = Template::compile(&redirect.to, Stand::Uri)?;
                Self::Redirect(Box::new(Redirect { to, status: redirect.status }))
            }
            document::Target::Builtin(builtin) => Self::Builtin(*builtin),
        })
    }
}

/// An upstream, or a subset of it, and how keys know it: by names, so that its place in the file says nothing.
fn find(index: usize, subset: u32, upstreams: &[document::Upstream]) -> Result<(Lead, String), String> {
    let none = || format!("there is no upstream number {index}");
    let upstream = upstreams.get(index).ok_or_else(none)?;
    let lead = Lead { upstream: u32::try_from(index).map_err(|_| none())?, part: subset };
    let Some(at) = (subset as usize).checked_sub(1) else { return Ok((lead, upstream.name.clone())) };
    let subset = upstream.subsets.get(at).ok_or(format!("{} has no subset number {subset}", upstream.name))?;
    Ok((lead, format!("{} {}", upstream.name, tell_labels(&subset.labels))))
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

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn what_each_request_reads_of_its_route_is_one_line_of_the_cache() {
        assert_eq!(align_of::<Route>(), 64);
        assert_eq!(offset_of!(Route, filters) + size_of::<Option<Box<Filters>>>(), 56);
    }
}
