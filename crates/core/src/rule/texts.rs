//! Many texts in little memory: one string with all of them, and a table of places in it.

use crate::route::host::hash_of;

const EMPTY: u32 = u32::MAX;

/// A set of texts that never changes. An entry costs its bytes, one for the line end, and 8 to 16 for its place.
#[derive(Debug)]
pub struct Texts {
    /// The texts, each one behind it a line end.
    lines: Box<[u8]>,
    /// Where texts begin, by their hash, with gaps; as many as a power of two.
    places: Box<[u32]>,
    count: usize,
}

impl Texts {
    /// Compiles `lines`, an entry a line. Fails where they are larger than the table can tell places apart.
    pub fn compile(lines: &str) -> Result<Self, String> {
        if lines.len() >= EMPTY as usize {
            return Err("a set takes at most 4 GiB".to_owned());
        }
        let entries = lines.split('\n').filter(|line| !line.is_empty()).count();
        let mut all = Vec::with_capacity(lines.len() + 1);
        all.extend_from_slice(lines.as_bytes());
        all.push(b'\n');
        let mut texts = Self {
            lines: all.into_boxed_slice(),
            places: vec![EMPTY; (entries * 2).next_power_of_two()].into_boxed_slice(),
            count: 0,
        };
        let mut start = 0u32;
        for line in lines.split('\n') {
            if !line.is_empty() {
                texts.insert(line.as_bytes(), start);
            }
            start = start.saturating_add(u32::try_from(line.len()).unwrap_or(u32::MAX)).saturating_add(1);
        }
        Ok(texts)
    }

    /// Whether `text` is one of them.
    pub fn have(&self, text: &[u8]) -> bool {
        !text.is_empty() && !text.contains(&b'\n') && self.find(text).is_ok()
    }

    /// How many there are, each counted once.
    pub fn len(&self) -> usize {
        self.count
    }

    /// How much memory they take.
    pub fn bytes(&self) -> usize {
        self.lines.len() + self.places.len() * size_of::<u32>()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn insert(&mut self, text: &[u8], start: u32) {
        if let Err(free) = self.find(text)
            && let Some(place) = self.places.get_mut(free)
        {
            *place = start;
            self.count += 1;
        }
    }

    /// The slot of `text`, or the free one where it would be. At least half of the slots are free.
    fn find(&self, text: &[u8]) -> Result<usize, usize> {
        let mask = self.places.len() - 1;
        let mut slot = usize::try_from(hash_of(text)).unwrap_or(usize::MAX) & mask;
        loop {
            match self.places.get(slot) {
                None | Some(&EMPTY) => return Err(slot),
                Some(&start) if self.is_at(start, text) => return Ok(slot),
                Some(_) => slot = (slot + 1) & mask,
            }
        }
    }

    fn is_at(&self, start: u32, text: &[u8]) -> bool {
        let rest = self.lines.get(start as usize..).unwrap_or_default();
        rest.starts_with(text) && rest.get(text.len()) == Some(&b'\n')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_found_and_no_other() {
        let lines: Vec<String> = (0..10_000).map(|n| format!("word-{n}")).collect();
        let texts = Texts::compile(&lines.join("\n")).unwrap();
        assert_eq!(texts.len(), 10_000);
        assert!(lines.iter().all(|line| texts.have(line.as_bytes())));
        for other in ["", "word-", "word-10000", "word-1\nword-2", "ord-1", "WORD-1"] {
            assert!(!texts.have(other.as_bytes()), "{other:?}");
        }
    }

    #[test]
    fn a_text_that_stands_there_twice_is_one() {
        let texts = Texts::compile("a\nb\na\n\n").unwrap();
        assert_eq!(texts.len(), 2);
        assert!(Texts::compile("").unwrap().is_empty() && !Texts::compile("").unwrap().have(b"a"));
    }
}
