//! The hash by which keys and names are compared: the same on every machine and in every version.

/// FNV-1a with a final mix.
pub(super) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let fnv = |all: u64, byte: &u8| (all ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
    mix(bytes.iter().fold(0xCBF2_9CE4_8422_2325 ^ seed, fnv))
}

/// A number whose bits all depend on all bits of `number`: the last step of SplitMix64.
pub(super) fn mix(number: u64) -> u64 {
    let mut mixed = number;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// A place below `bound` for a hash.
pub(super) fn below(hash: u64, bound: usize) -> usize {
    usize::try_from((u128::from(hash) * bound as u128) >> 64).unwrap_or(0)
}
