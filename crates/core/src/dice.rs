//! Chance, passed in: a small generator that its owner seeds, so that equal seeds give equal decisions.

/// xorshift64* (S. Vigna, "An experimental exploration of Marsaglia's xorshift generators", ACM TOMS 42(4), 2016).
/// Good enough to spread load; never for secrets.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// A generator whose whole future follows from `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self(seed ^ 0x9E37_79B9_7F4A_7C15 | 1)
    }

    /// The next 64 bits.
    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`; 0 if `bound` is 0. The bias is below `bound` / 2^64.
    pub fn below(&mut self, bound: usize) -> usize {
        let wide = u128::from(self.roll()) * (bound as u128);
        usize::try_from(wide >> 64).unwrap_or(0)
    }
}
