//! Values as MaxMind's format writes them (MaxMind DB File Format Specification 2.0, "Output Data Section").
//!
//! Nothing is believed: whatever the bytes say, reading them ends, and gives a value or none.

/// Most values that are passed in search of one: a record of a city has about a hundred.
const MOST_PASSED: usize = 4096;

/// Bytes that hold values, which point to each other by their place in it.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a>(pub &'a [u8]);

/// A value's kind and size, and where its content begins.
#[derive(Clone, Copy, Debug)]
struct Header {
    kind: u8,
    size: usize,
    at: usize,
}

const POINTER: u8 = 1;
const TEXT: u8 = 2;
const DOUBLE: u8 = 3;
const U16: u8 = 5;
const U32: u8 = 6;
const MAP: u8 = 7;
const U64: u8 = 9;
const ARRAY: u8 = 11;
const BOOLEAN: u8 = 14;

impl<'a> Section<'a> {
    /// The text under these keys of the map at `at`.
    pub fn text(self, at: usize, keys: &[&str]) -> Option<&'a str> {
        let found = self.find(at, keys)?;
        (found.kind == TEXT).then(|| self.text_of(found))?
    }

    /// The whole number, not below 0, under these keys of the map at `at`.
    pub fn number(self, at: usize, keys: &[&str]) -> Option<u64> {
        let found = self.find(at, keys)?;
        matches!(found.kind, U16 | U32 | U64).then(|| big_endian(self.content(found)?))?
    }

    /// The float under these keys of the map at `at`.
    pub fn float(self, at: usize, keys: &[&str]) -> Option<f64> {
        let found = self.find(at, keys)?;
        (found.kind == DOUBLE).then(|| Some(f64::from_be_bytes(self.content(found)?.try_into().ok()?)))?
    }

    fn find(self, at: usize, keys: &[&str]) -> Option<Header> {
        let mut found = self.follow(self.header(at)?)?;
        for key in keys {
            found = self.entry(found, key.as_bytes())?;
        }
        Some(found)
    }

    /// The value of a map under a key.
    fn entry(self, map: Header, key: &[u8]) -> Option<Header> {
        if map.kind != MAP {
            return None;
        }
        let (mut at, mut left) = (map.at, MOST_PASSED);
        for _ in 0..map.size {
            let name = self.header(at)?;
            let value = self.header(self.end(name)?)?;
            let name = self.follow(name)?;
            if name.kind == TEXT && self.content(name)? == key {
                return self.follow(value);
            }
            at = self.pass(value, &mut left)?;
        }
        None
    }

    /// Where what follows a value begins.
    fn pass(self, value: Header, left: &mut usize) -> Option<usize> {
        let (mut header, mut more) = (value, 0usize);
        loop {
            *left = left.checked_sub(1)?;
            let inside = match header.kind {
                MAP => header.size.checked_mul(2)?,
                ARRAY => header.size,
                _ => 0,
            };
            more = more.checked_add(inside)?;
            let end = if matches!(header.kind, MAP | ARRAY) { header.at } else { self.end(header)? };
            if more == 0 {
                return Some(end);
            }
            more -= 1;
            header = self.header(end)?;
        }
    }

    /// What a pointer points to, which is no pointer; any other value itself.
    fn follow(self, header: Header) -> Option<Header> {
        if header.kind != POINTER {
            return Some(header);
        }
        let to = self.header(header.size)?;
        (to.kind != POINTER).then_some(to)
    }

    /// Kind and size of the value at `at`; of a pointer, `size` is where it points to.
    fn header(self, at: usize) -> Option<Header> {
        let control = *self.0.get(at)?;
        let mut at = at.checked_add(1)?;
        let mut kind = control >> 5;
        if kind == POINTER {
            let (bytes, base) = match control >> 3 & 3 {
                0 => (1, 0),
                1 => (2, 2048),
                2 => (3, 526_336),
                _ => (4, 0),
            };
            let high = if bytes == 4 { 0 } else { usize::from(control & 7) << (8 * bytes) };
            let low = usize::try_from(big_endian(self.bytes(at, bytes)?)?).ok()?;
            return Some(Header { kind, size: base + high + low, at: at + bytes });
        }
        if kind == 0 {
            kind = self.0.get(at)?.checked_add(7)?;
            at += 1;
        }
        let size = usize::from(control & 31);
        let (bytes, base) = match size {
            29 => (1, 29),
            30 => (2, 285),
            31 => (3, 65_821),
            _ => return Some(Header { kind, size, at }),
        };
        let more = usize::try_from(big_endian(self.bytes(at, bytes)?)?).ok()?;
        Some(Header { kind, size: base + more, at: at + bytes })
    }

    /// Where a value ends that is no map and no list.
    fn end(self, header: Header) -> Option<usize> {
        match header.kind {
            POINTER | BOOLEAN => Some(header.at),
            _ => header.at.checked_add(header.size),
        }
    }

    fn text_of(self, header: Header) -> Option<&'a str> {
        std::str::from_utf8(self.content(header)?).ok()
    }

    fn content(self, header: Header) -> Option<&'a [u8]> {
        self.bytes(header.at, header.size)
    }

    fn bytes(self, at: usize, count: usize) -> Option<&'a [u8]> {
        self.0.get(at..at.checked_add(count)?)
    }
}

/// The number that bytes are; none where it has more than 64 bits.
pub(super) fn big_endian(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= 8).then(|| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
