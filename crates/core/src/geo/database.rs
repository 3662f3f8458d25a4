//! A database in MaxMind's format: a tree over the bits of addresses, and records at its leaves (MaxMind DB File Format
//! Specification 2.0). A lookup copies and allocates nothing.
//!
//! The file comes from somewhere else, so nothing that it says is believed (`section.rs`); a record that makes no sense is
//! one that is not there. In Rust because it runs for requests; written here, in some 300 lines without `unsafe`, since
//! what there is brings a dozen crates and reads without looking where.

use std::net::IpAddr;

use super::place::Place;
use super::section::{Section, big_endian};

/// What comes before the metadata, at the end of the file.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// The metadata has at most so many bytes.
const MOST_METADATA: usize = 128 * 1024;

/// Zeros between tree and records.
const GAP: usize = 16;

/// Nodes of the tree, and records, that are looked at to see what a database tells.
const MOST_NODES: usize = 10_000;
const MOST_RECORDS: usize = 1_000;

/// A database.
pub struct Database {
    bytes: Box<[u8]>,
    /// What it calls itself, as `GeoLite2-City`.
    kind: String,
    nodes: usize,
    /// Bits of one of a node's two branches: 24, 28 or 32.
    width: usize,
    /// Where records begin and end.
    records: (usize, usize),
    /// Where IPv4 begins; none where there is nothing else.
    ipv4: Option<Leads>,
}

/// What a database is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tells {
    /// Countries.
    Country,
    /// Autonomous systems.
    Asn,
    /// Places.
    Place,
}

/// Where a branch leads.
#[derive(Clone, Copy, Debug)]
enum Leads {
    Node(usize),
    Nowhere,
    Record(usize),
}

impl Database {
    /// Reads a file. Fails, with what is wrong with it, where it is none of these databases, or not whole.
    pub fn read(bytes: Vec<u8>) -> Result<Self, String> {
        let front = bytes.len().saturating_sub(MOST_METADATA);
        let last = bytes.get(front..).unwrap_or_default().windows(MARKER.len()).rposition(|part| part == MARKER);
        let marker = front + last.ok_or("is no MaxMind database, or not whole: its end has no metadata")?;
        let metadata = Section(bytes.get(marker + MARKER.len()..).unwrap_or_default());
        let number = |key: &str| metadata.number(0, &[key]).ok_or(format!("has no `{key}` in its metadata"));
        let size = |key: &str| number(key).map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        let (nodes, width) = (size("node_count")?, size("record_size")?);
        if number("binary_format_major_version")? != 2 {
            return Err("is of another version of the format than 2".to_owned());
        }
        if !matches!(width, 24 | 28 | 32) {
            return Err(format!("has branches of {width} bits, which are 24, 28 or 32"));
        }
        let tree = nodes.checked_mul(width / 4).and_then(|tree| tree.checked_add(GAP));
        let Some(begin) = tree.filter(|begin| *begin <= marker) else {
            return Err("is not whole: it is shorter than its tree".to_owned());
        };
        if bytes.get(begin - GAP..begin).is_none_or(|gap| gap.iter().any(|byte| *byte != 0)) {
            return Err("is not whole: its records do not begin where its tree ends".to_owned());
        }
        let kind = metadata.text(0, &["database_type"]).unwrap_or("of no type").to_owned();
        let is_broad = number("ip_version")? == 6;
        let mut new =
            Self { bytes: bytes.into_boxed_slice(), kind, nodes, width, records: (begin, marker), ipv4: None };
        new.ipv4 = is_broad.then(|| (0..96).fold(Leads::Node(0), |from, _| new.branch(from, false)));
        Ok(new)
    }

    /// What it calls itself.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Whether it tells something of this kind: whether one of its first records does.
    pub fn tells(&self, what: Tells) -> bool {
        let (mut waiting, mut records) = (vec![Leads::Node(0)], 0);
        for _ in 0..MOST_NODES {
            match waiting.pop() {
                Some(node @ Leads::Node(_)) => waiting.extend([self.branch(node, true), self.branch(node, false)]),
                Some(Leads::Record(at)) if self.has(at, what) => return true,
                Some(Leads::Record(_)) => records += 1,
                Some(Leads::Nowhere) => {}
                None => return false,
            }
            if records > MOST_RECORDS || waiting.len() > MOST_NODES {
                return false;
            }
        }
        false
    }

    fn has(&self, at: usize, what: Tells) -> bool {
        match what {
            Tells::Country => self.country_of(at).is_some(),
            Tells::Asn => self.asn_of(at).is_some(),
            Tells::Place => self.place_of(at).is_some(),
        }
    }

    /// The country's code.
    pub fn country(&self, address: IpAddr) -> Option<&str> {
        self.country_of(self.find(address)?)
    }

    /// The continent's code.
    pub fn continent(&self, address: IpAddr) -> Option<&str> {
        let (at, all) = (self.find(address)?, self.section());
        all.text(at, &["continent", "code"]).or_else(|| all.text(at, &["continent_code"]))
    }

    /// The number of the autonomous system.
    pub fn asn(&self, address: IpAddr) -> Option<u32> {
        self.asn_of(self.find(address)?)
    }

    /// The place.
    pub fn place(&self, address: IpAddr) -> Option<Place> {
        self.place_of(self.find(address)?)
    }

    /// As MaxMind and DB-IP have it, or flat as IPinfo does.
    fn country_of(&self, at: usize) -> Option<&str> {
        let all = self.section();
        all.text(at, &["country", "iso_code"]).or_else(|| all.text(at, &["country_code"]))
    }

    fn asn_of(&self, at: usize) -> Option<u32> {
        let all = self.section();
        let flat = || all.text(at, &["asn"])?.strip_prefix("AS")?.parse().ok();
        all.number(at, &["autonomous_system_number"]).and_then(|asn| u32::try_from(asn).ok()).or_else(flat)
    }

    fn place_of(&self, at: usize) -> Option<Place> {
        let all = self.section();
        Place::of(all.float(at, &["location", "latitude"])?, all.float(at, &["location", "longitude"])?)
    }

    fn section(&self) -> Section<'_> {
        let (begin, end) = self.records;
        Section(self.bytes.get(begin..end).unwrap_or_default())
    }

    /// Where the record of an address begins.
    fn find(&self, address: IpAddr) -> Option<usize> {
        let (from, bits, left) = match (address.to_canonical(), self.ipv4) {
            (IpAddr::V4(address), ipv4) => (ipv4.unwrap_or(Leads::Node(0)), u128::from(address.to_bits()) << 96, 32),
            (IpAddr::V6(address), Some(_)) => (Leads::Node(0), address.to_bits(), 128),
            (IpAddr::V6(_), None) => return None,
        };
        let (mut at, mut bits) = (from, bits);
        for _ in 0..left {
            let Leads::Node(_) = at else { break };
            at = self.branch(at, bits >> 127 == 1);
            bits <<= 1;
        }
        match at {
            Leads::Record(at) => Some(at),
            Leads::Node(_) | Leads::Nowhere => None,
        }
    }

    /// Where one of a node's branches leads; what is no node leads to itself.
    fn branch(&self, from: Leads, right: bool) -> Leads {
        let Leads::Node(node) = from else { return from };
        let to = self.number(node, right).unwrap_or(self.nodes);
        if to < self.nodes {
            Leads::Node(to)
        } else {
            to.checked_sub(self.nodes + GAP).map_or(Leads::Nowhere, Leads::Record)
        }
    }

    fn number(&self, node: usize, right: bool) -> Option<usize> {
        let bytes = self.width / 4;
        let begin = node.checked_mul(bytes)?;
        let node = self.bytes.get(begin..begin.checked_add(bytes)?)?;
        let (left_half, right_half) = (node.get(..bytes / 2)?, node.get(bytes - bytes / 2..)?);
        let low = big_endian(if right { right_half } else { left_half })?;
        let high = match (self.width, node.get(3)) {
            (28, Some(shared)) => u64::from(if right { shared & 15 } else { shared >> 4 }) << 24,
            _ => 0,
        };
        usize::try_from(high | low).ok()
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Database({}, {} bytes)", self.kind, self.bytes.len())
    }
}
