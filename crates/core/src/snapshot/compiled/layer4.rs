//! Where a listener of layer 4 carries bytes to.

use std::sync::Arc;
use std::time::Duration;

use super::route::Target;
use crate::layer4::hello::Hello;
use crate::layer4::names::Names;
use crate::snapshot::document;

/// Where a listener of layer 4 carries bytes to.
#[derive(Debug)]
pub struct Layer4 {
    /// Without a byte either way; zero is no limit.
    pub idle: Duration,
    /// What holds for sessions, where it carries datagrams.
    pub udp: Option<document::Udp>,
    to: Option<Target>,
    names: Names,
    routes: Vec<(Arc<str>, Target)>,
}

impl Layer4 {
    pub(super) fn build(written: &document::Layer4, upstreams: &[document::Upstream]) -> Result<Self, String> {
        let (mut names, mut routes) = (Names::default(), Vec::with_capacity(written.routes.len()));
        for (at, route) in written.routes.iter().enumerate() {
            names.add(at, &route.sni, &route.alpn);
            routes.push((route.name.as_str().into(), only_upstreams(&route.to, upstreams)?));
        }
        let to = written.to.as_ref().map(|to| only_upstreams(to, upstreams)).transpose()?;
        Ok(Self { idle: Duration::from_millis(written.idle_ms), udp: written.udp, to, names, routes })
    }

    /// Whether a connection is routed by its ClientHello.
    pub fn reads_hello(&self) -> bool {
        !self.routes.is_empty()
    }

    /// The routes that are for a ClientHello's name, the most specific first, and whether it offers what each asks for.
    pub fn named<'a>(&'a self, hello: &'a Hello) -> impl Iterator<Item = (usize, bool)> + 'a {
        self.names.named(hello)
    }

    /// The route that a ClientHello takes: its name, and where it leads. Without one, and where none matches, no name and
    /// where all else leads.
    pub fn route(&self, hello: Option<&Hello>) -> (Option<&Arc<str>>, Option<&Target>) {
        match hello.and_then(|hello| self.routes.get(self.names.choose(hello)?)) {
            Some((name, to)) => (Some(name), Some(to)),
            None => (None, self.to.as_ref()),
        }
    }
}

fn only_upstreams(written: &document::Target, upstreams: &[document::Upstream]) -> Result<Target, String> {
    match Target::build(written, upstreams)? {
        target @ (Target::Upstream(_) | Target::Split(_)) => Ok(target),
        Target::Respond(_) | Target::Redirect(_) | Target::Builtin(_) => {
            Err("layer 4 leads to upstreams alone".to_owned())
        }
    }
}
