//! Which route of a listener of layer 4 a ClientHello takes.
//!
//! Of all routes that match, the most specific, as for requests: by name (exact, longest wildcard, none), then with
//! protocols before without. Two that are equal and can both match are an error at check.

use std::collections::HashMap;

use super::hello::Hello;

/// The routes by name; each is told by its place.
#[derive(Debug, Default)]
pub struct Names {
    exact: HashMap<Box<[u8]>, Vec<Asked>>,
    below: HashMap<Box<[u8]>, Vec<Asked>>,
    any: Vec<Asked>,
}

/// What a route asks besides the name.
#[derive(Debug)]
struct Asked {
    route: usize,
    protocols: Vec<Box<[u8]>>,
}

impl Names {
    /// Adds the route at a place: its names, empty for any, and its protocols, likewise.
    pub fn add(&mut self, route: usize, names: &[String], protocols: &[String]) {
        let asked = || Asked { route, protocols: protocols.iter().map(|one| one.as_bytes().into()).collect() };
        if names.is_empty() {
            put(&mut self.any, asked());
        }
        for name in names {
            let (table, name) = match name.strip_prefix("*.") {
                Some(parent) => (&mut self.below, parent),
                None => (&mut self.exact, name.as_str()),
            };
            put(table.entry(name.as_bytes().into()).or_default(), asked());
        }
    }

    /// The route that a hello takes.
    pub fn choose(&self, hello: &Hello) -> Option<usize> {
        self.named(hello).find(|(_, suits)| *suits).map(|(route, _)| route)
    }

    /// The routes that are for its name, the most specific first, and whether it offers what each asks for.
    pub fn named<'a>(&'a self, hello: &'a Hello) -> impl Iterator<Item = (usize, bool)> + 'a {
        let name = &*hello.name;
        let parents = name.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at + 1);
        let below = parents.filter_map(|at| self.below.get(name.get(at..).unwrap_or_default()));
        let all = self.exact.get(name).into_iter().chain(below).chain([&self.any]).flatten();
        let suits = |asked: &Asked| {
            asked.protocols.is_empty() || asked.protocols.iter().any(|one| hello.protocols.contains(one))
        };
        all.into_iter().map(move |asked| (asked.route, suits(asked)))
    }
}

/// Routes that ask for protocols come first.
fn put(all: &mut Vec<Asked>, asked: Asked) {
    let at = if asked.protocols.is_empty() { all.len() } else { 0 };
    all.insert(at, asked);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn the_most_specific_route_that_matches_is_taken() {
        let mut names = Names::default();
        let routes: [(&[&str], &[&str]); 6] = [
            (&["*.example.com"], &[]),
            (&["*.db.example.com", "db.test"], &[]),
            (&["a.db.example.com"], &[]),
            (&["a.db.example.com"], &["h2"]),
            (&["b.example.com"], &["postgresql"]),
            (&[], &["h2"]),
        ];
        for (at, (of, protocols)) in routes.iter().enumerate() {
            names.add(at, &own(of), &own(protocols));
        }
        for (name, protocols, expected) in [
            ("a.db.example.com", &[][..], Some(2)),
            ("a.db.example.com", &["http/1.1", "h2"], Some(3)),
            ("x.y.db.example.com", &[], Some(1)),
            ("db.test", &[], Some(1)),
            ("db.example.com", &[], Some(0)),
            ("b.example.com", &["postgresql"], Some(4)),
            ("b.example.com", &["h2"], Some(0)), // the exact name asks for another protocol
            ("example.com", &[], None),
            ("example.com", &["h2"], Some(5)),
            ("", &["h2"], Some(5)),
            ("", &[], None),
        ] {
            let protocols = protocols.iter().map(|one: &&str| one.as_bytes().into()).collect();
            let hello = Hello { name: name.as_bytes().into(), protocols };
            assert_eq!(names.choose(&hello), expected, "{name} {:?}", hello.protocols);
        }
    }
}
