//! Draws by weight in constant time.

use crate::dice::Dice;

/// A table by the alias method (M. Vose, "A linear algorithm for generating random numbers with a given distribution",
/// IEEE TSE 17(9), 1991): each cell holds two at most, so a draw is a cell and a toss.
#[derive(Debug, Default)]
pub(super) struct Alias {
    cells: Box<[Cell]>,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    /// Of `total` parts of the cell so many are its own.
    own: u64,
    other: u32,
}

impl Alias {
    /// A table over `weights`, none of them 0. Takes time linear in their number.
    pub(super) fn new(weights: impl ExactSizeIterator<Item = u32>) -> Self {
        let count = weights.len() as u64;
        // Each weight times the number of cells, so that a cell holds exactly the sum of the weights.
        let mut own: Vec<u64> = weights.map(|weight| u64::from(weight) * count).collect();
        let full = own.iter().sum::<u64>() / count.max(1);
        let mut cells: Box<[Cell]> = (0u32..).zip(&own).map(|(at, _)| Cell { own: u64::MAX, other: at }).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..own.len()).partition(|at| own[*at] < full);
        while let (Some(few), Some(much)) = (small.pop(), large.pop()) {
            // As a share of 2^64, so that a toss is one comparison.
            let share = (u128::from(own[few]) << 64) / u128::from(full);
            cells[few] =
                Cell { own: u64::try_from(share).unwrap_or(u64::MAX), other: u32::try_from(much).unwrap_or(0) };
            own[much] -= full - own[few];
            if own[much] < full { small.push(much) } else { large.push(much) }
        }
        Self { cells }
    }

    /// A place, by weight; 0 if there is none.
    pub(super) fn draw(&self, dice: &mut Dice) -> usize {
        let at = dice.below(self.cells.len());
        match self.cells.get(at) {
            Some(cell) if cell.own != u64::MAX && dice.roll() >= cell.own => cell.other as usize,
            Some(_) | None => at,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn each_is_drawn_by_its_weight(weights in prop::collection::vec(1u32..=1000, 1..20), seed: u64) {
            const DRAWS: u32 = 20_000;
            let (alias, mut dice) = (Alias::new(weights.iter().copied()), Dice::seeded(seed));
            let mut drawn = vec![0u32; weights.len()];
            for _ in 0..DRAWS {
                drawn[alias.draw(&mut dice)] += 1;
            }
            let total: u32 = weights.iter().sum();
            for (weight, drawn) in weights.iter().zip(drawn) {
                let share = f64::from(*weight) / f64::from(total);
                let (mean, deviation) = (share * f64::from(DRAWS), (share * (1.0 - share) * f64::from(DRAWS)).sqrt());
                prop_assert!((f64::from(drawn) - mean).abs() <= 5.5 * deviation + 1.0, "{drawn} of {mean}");
            }
        }
    }
}
