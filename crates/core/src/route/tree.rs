//! The paths of one host as a tree of segments: one walk finds the exact match and every prefix on segment borders.
//!
//! Flat: nodes, edges and the bytes of their segments lie in three vectors; the edges of a node are sorted, and their
//! first eight bytes are compared as a number before anything else is looked at.

use std::collections::HashMap;

/// Routes that a request may take, the strongest first, as indices.
pub(super) type Routes = Box<[u32]>;

#[derive(Debug, Default)]
struct Node {
    edges: (u32, u32),
    exact: Option<Routes>,
    prefix: Option<Routes>,
}

#[derive(Debug)]
struct Edge {
    head: u64,
    start: u32,
    len: u32,
    child: u32,
}

/// The tree.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    bytes: Vec<u8>,
    /// For each node the nearest one above that has routes for a prefix; looked at only where the longest will not do.
    above: Box<[u32]>,
}

/// No node.
const NONE: u32 = u32::MAX;

/// A tree while it grows.
#[derive(Default)]
pub(super) struct TreeBuilder<'a> {
    children: HashMap<(usize, &'a [u8]), usize>,
    nodes: Vec<(Vec<u32>, Vec<u32>)>,
}

impl<'a> TreeBuilder<'a> {
    /// Adds a route for one path; among routes for the same path the first added is the strongest.
    pub(super) fn exact(&mut self, path: &'a str, route: u32) {
        let at = self.node(path);
        if let Some((exact, _)) = self.nodes.get_mut(at) {
            exact.push(route);
        }
    }

    /// Adds a route for a path and all below it. A slash at its end makes no difference.
    pub(super) fn prefix(&mut self, path: &'a str, route: u32) {
        let at = self.node(path.trim_end_matches('/'));
        if let Some((_, prefix)) = self.nodes.get_mut(at) {
            prefix.push(route);
        }
    }

    fn node(&mut self, path: &'a str) -> usize {
        if self.nodes.is_empty() {
            self.nodes.push(Default::default());
        }
        let mut at = 0;
        for segment in segments(path.as_bytes()) {
            let next = self.nodes.len();
            let child = *self.children.entry((at, segment)).or_insert(next);
            if child == next {
                self.nodes.push(Default::default());
            }
            at = child;
        }
        at
    }

    /// The finished tree; `None` where nothing was added.
    pub(super) fn build(self) -> Option<Tree> {
        if self.nodes.is_empty() {
            return None;
        }
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let boxed = |routes: Vec<u32>| (!routes.is_empty()).then(|| routes.into_boxed_slice());
        let mut nodes: Vec<Node> = self
            .nodes
            .into_iter()
            .map(|(exact, prefix)| Node { edges: (0, 0), exact: boxed(exact), prefix: boxed(prefix) })
            .collect();
        let mut all: Vec<(usize, u64, &[u8], usize)> = self
            .children
            .into_iter()
            .map(|((parent, segment), child)| (parent, head(segment), segment, child))
            .collect();
        all.sort_unstable();
        let above = above(&nodes, &all);
        let (mut edges, mut bytes) = (Vec::with_capacity(all.len()), Vec::new());
        for (parent, head, segment, child) in all {
            let end = number(edges.len() + 1);
            if let Some(node) = nodes.get_mut(parent) {
                let start = if node.edges.1 == 0 { end - 1 } else { node.edges.0 };
                node.edges = (start, end);
            }
            edges.push(Edge { head, start: number(bytes.len()), len: number(segment.len()), child: number(child) });
            bytes.extend_from_slice(segment);
        }
        Some(Tree { nodes, edges, bytes, above })
    }
}

/// Nodes are made from the root down, so that what is above a node is known before it.
fn above(nodes: &[Node], edges: &[(usize, u64, &[u8], usize)]) -> Box<[u32]> {
    let mut parents = vec![None; nodes.len()];
    for (parent, _, _, child) in edges {
        if let Some(place) = parents.get_mut(*child) {
            *place = Some(*parent);
        }
    }
    let mut above: Vec<u32> = Vec::with_capacity(nodes.len());
    for parent in parents {
        let has_routes = |at: usize| nodes.get(at).is_some_and(|node| node.prefix.is_some());
        let nearest = match parent {
            Some(at) if has_routes(at) => u32::try_from(at).unwrap_or(NONE),
            Some(at) => above.get(at).copied().unwrap_or(NONE),
            None => NONE,
        };
        above.push(nearest);
    }
    above.into_boxed_slice()
}

/// The segments behind the first slash; none for an empty path, and for `*`.
fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let behind = path.strip_prefix(b"/");
    behind.into_iter().flat_map(|rest| rest.split(|byte| *byte == b'/'))
}

fn head(segment: &[u8]) -> u64 {
    let mut first = [0u8; 8];
    for (to, from) in first.iter_mut().zip(segment) {
        *to = *from;
    }
    u64::from_be_bytes(first)
}

/// What one walk found.
#[derive(Default)]
pub(super) struct Found<'a> {
    /// Routes for exactly this path.
    pub(super) exact: Option<&'a Routes>,
    /// Routes for the longest prefix, and their node.
    pub(super) prefix: Option<(&'a Routes, u32)>,
}

impl Tree {
    /// Walks down `path`.
    pub(super) fn walk<'a>(&'a self, path: &[u8]) -> Found<'a> {
        let mut found = Found::default();
        let mut node = self.nodes.first().map(|root| (root, 0));
        let mut rest = segments(path);
        loop {
            let Some((here, at)) = node else { return found };
            if let Some(prefix) = &here.prefix {
                found.prefix = Some((prefix, at));
            }
            let Some(segment) = rest.next() else {
                found.exact = here.exact.as_ref();
                return found;
            };
            node = self.child(here, segment);
        }
    }

    /// The routes of the next shorter prefix, and their node.
    pub(super) fn shorter(&self, node: u32) -> Option<(&Routes, u32)> {
        let above = *self.above.get(node as usize)?;
        Some((self.nodes.get(above as usize)?.prefix.as_ref()?, above))
    }

    fn child(&self, node: &Node, segment: &[u8]) -> Option<(&Node, u32)> {
        let edges = self.edges.get(node.edges.0 as usize..node.edges.1 as usize)?;
        let key = head(segment);
        let at =
            edges.binary_search_by(|edge| edge.head.cmp(&key).then_with(|| self.segment(edge).cmp(segment))).ok()?;
        let child = edges.get(at)?.child;
        Some((self.nodes.get(child as usize)?, child))
    }

    fn segment(&self, edge: &Edge) -> &[u8] {
        let start = edge.start as usize;
        self.bytes.get(start..start + edge.len as usize).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_on_segment_borders() {
        let mut builder = TreeBuilder::default();
        builder.prefix("/v1/", 1);
        builder.prefix("/", 0);
        builder.exact("/v1/a", 2);
        let tree = builder.build().unwrap();
        let longest = |path: &str| tree.walk(path.as_bytes()).prefix.map(|(routes, _)| routes[0]);
        assert_eq!(longest("/v1"), Some(1));
        assert_eq!(longest("/v1/x/y"), Some(1));
        assert_eq!(longest("/v10"), Some(0));
        assert_eq!(longest("*"), Some(0));
        assert_eq!(tree.walk(b"/v1/a").exact.map(|routes| routes[0]), Some(2));
        assert!(tree.walk(b"/v1/a/").exact.is_none());
        let (_, node) = tree.walk(b"/v1/a/b").prefix.unwrap();
        let (shorter, node) = tree.shorter(node).unwrap();
        assert_eq!(**shorter, [0]);
        assert!(tree.shorter(node).is_none());
    }
}
