//! The routes of one host, by path: exact, then the regexes, then the longest prefix, then those for every path.

use std::ops::ControlFlow;

use super::patterns::Patterns;
use super::table::{CONDITIONAL, Recorder, index_of};
use super::tree::{Routes, Tree, TreeBuilder};
use crate::snapshot::document::{PathMatch, Route};

/// The routes of one host, by path.
#[derive(Debug)]
pub(super) struct Paths {
    tree: Option<Tree>,
    patterns: Option<(Patterns, Vec<u32>)>,
    none: Option<Routes>,
    all: Vec<u32>,
}

impl Paths {
    /// `all` are the routes of the host, the stronger of two with one path first.
    pub(super) fn build(routes: &[Route], all: Vec<u32>) -> Result<Self, String> {
        let (mut tree, mut regexes, mut none) = (TreeBuilder::default(), Vec::new(), Vec::new());
        for at in &all {
            match routes.get(index_of(*at)).map(|route| &route.path) {
                Some(Some(PathMatch::Exact(path))) => tree.exact(path, *at),
                Some(Some(PathMatch::Prefix(path))) => tree.prefix(path, *at),
                Some(Some(PathMatch::Regex(pattern))) => regexes.push((pattern.as_str(), *at)),
                Some(None) => none.push(*at),
                None => {}
            }
        }
        regexes.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.len())); // stable: equal ones stay by strength
        let patterns = if regexes.is_empty() {
            None
        } else {
            let texts: Vec<&str> = regexes.iter().map(|(pattern, _)| *pattern).collect();
            let entries: Vec<u32> = regexes.iter().map(|(_, at)| *at).collect();
            let mut patterns = Patterns::build(&texts)?;
            if entries.iter().any(|entry| entry & CONDITIONAL != 0) {
                patterns = patterns.with_others(&texts)?;
            }
            Some((patterns, entries))
        };
        let none = (!none.is_empty()).then(|| none.into_boxed_slice());
        Ok(Self { tree: tree.build(), patterns, none, all })
    }

    pub(super) fn visit(&self, path: &[u8], recorder: &mut impl Recorder) -> ControlFlow<()> {
        recorder.host(&self.all);
        let found = self.tree.as_ref().map(|tree| tree.walk(path)).unwrap_or_default();
        for entry in found.exact.into_iter().flatten() {
            recorder.matched(*entry)?;
        }
        self.visit_patterns(path, recorder)?;
        let mut prefix = found.prefix;
        while let Some((routes, node)) = prefix {
            for entry in routes {
                recorder.matched(*entry)?;
            }
            prefix = self.tree.as_ref().and_then(|tree| tree.shorter(node));
        }
        for entry in self.none.iter().flatten() {
            recorder.matched(*entry)?;
        }
        ControlFlow::Continue(())
    }

    /// The strongest pattern first; the others only for those who look behind it.
    fn visit_patterns(&self, path: &[u8], recorder: &mut impl Recorder) -> ControlFlow<()> {
        let Some((patterns, entries)) = &self.patterns else { return ControlFlow::Continue(()) };
        let Some(strongest) = patterns.find(path) else { return ControlFlow::Continue(()) };
        if let Some(entry) = entries.get(strongest) {
            recorder.matched(*entry)?;
        }
        if entries.len() == 1 {
            return ControlFlow::Continue(());
        }
        for entry in patterns.find_all(path).into_iter().filter(|at| *at != strongest).filter_map(|at| entries.get(at))
        {
            recorder.matched(*entry)?;
        }
        ControlFlow::Continue(())
    }
}
