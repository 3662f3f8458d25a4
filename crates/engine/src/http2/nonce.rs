//! The nonce of a WebSocket over HTTP/1 (RFC 6455, section 4.1). HTTP/2 has none (RFC 8441, section 5), so where it goes
//! on over HTTP/1 we make one.

use tidegate_core::dice::Dice;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What a client makes: 16 bytes by chance.
pub(super) fn nonce(dice: &mut Dice) -> String {
    let bytes: Vec<u8> = (0..2).flat_map(|_| dice.roll().to_le_bytes()).collect();
    base64(&bytes)
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = ALPHABET.get((word >> (18 - 6 * at) & 63) as usize).map_or('=', |byte| char::from(*byte));
            text.push(if at > three.len() { '=' } else { letter });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_are_sixteen_bytes_by_chance() {
        let mut dice = Dice::seeded(7);
        let (one, other) = (nonce(&mut dice), nonce(&mut dice));
        assert_eq!((one.len(), one.ends_with("=="), one == other), (24, true, false));
    }
}
