//! The lowest of many keys, kept as keys change.

/// What is compared.
pub(super) type Key = u128;

/// Higher than every key of one that may be chosen.
pub(super) const LAST: Key = Key::MAX;

/// A tournament: leaves play in pairs, winners play on, and the root is the lowest. A key that changes plays its own
/// matches anew, at most as many as the tree is high.
#[derive(Debug, Default)]
pub(super) struct Tournament {
    /// The root at 1, children of `n` at `2n` and `2n + 1`, leaves behind all of them.
    nodes: Box<[Node]>,
}

/// The winner of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Node {
    key: Key,
    leaf: usize,
}

const NOBODY: Node = Node { key: LAST, leaf: 0 };

impl Node {
    /// The lower of two. Which one that is nobody can foresee, so it is chosen without a branch.
    fn against(self, other: Self) -> Self {
        let is_other = other.key < self.key;
        Self { key: if is_other { other.key } else { self.key }, leaf: if is_other { other.leaf } else { self.leaf } }
    }
}

impl Tournament {
    /// A tournament of these keys.
    pub(super) fn new(keys: &[Key]) -> Self {
        let leaves = keys.len().next_power_of_two();
        let mut new = Self { nodes: vec![NOBODY; 2 * leaves].into_boxed_slice() };
        for ((leaf, key), node) in keys.iter().enumerate().zip(new.nodes.iter_mut().skip(leaves)) {
            *node = Node { key: *key, leaf };
        }
        for at in (1..leaves).rev() {
            let winner = new.node(2 * at).against(new.node(2 * at + 1));
            new.put(at, winner);
        }
        new
    }

    /// The leaf with the lowest key, and that key.
    pub(super) fn first(&self) -> (usize, Key) {
        let Node { key, leaf } = self.node(1);
        (leaf, key)
    }

    /// Changes the key of a leaf.
    pub(super) fn set(&mut self, leaf: usize, key: Key) {
        let mut at = self.nodes.len() / 2 + leaf;
        let mut winner = Node { key, leaf };
        while self.node(at) != winner {
            self.put(at, winner);
            if at <= 1 {
                break;
            }
            winner = winner.against(self.node(at ^ 1));
            at /= 2;
        }
    }

    fn node(&self, at: usize) -> Node {
        self.nodes.get(at).copied().unwrap_or(NOBODY)
    }

    fn put(&mut self, at: usize, winner: Node) {
        if let Some(node) = self.nodes.get_mut(at) {
            *node = winner;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_is_the_lowest_whatever_changes(
            keys in prop::collection::vec(0u64..50, 1..40),
            changes in prop::collection::vec((0usize..40, 0u64..50), 0..60),
        ) {
            let mut all: Vec<Key> = (0u128..).zip(&keys).map(|(at, key)| u128::from(*key) << 64 | at).collect();
            let mut tournament = Tournament::new(&all);
            for (at, key) in changes {
                let at = at % all.len();
                all[at] = u128::from(key) << 64 | at as u128;
                tournament.set(at, all[at]);
                let lowest = all.iter().min().copied().unwrap();
                prop_assert_eq!(tournament.first().1, lowest);
                prop_assert_eq!(tournament.first().0 as u128, lowest & 0xFFFF);
            }
        }
    }
}
