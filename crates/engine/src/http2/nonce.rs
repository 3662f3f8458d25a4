//! The nonce of a WebSocket over HTTP/1, and the answer to it (RFC 6455, section 4.2.2). HTTP/2 has neither (RFC 8441,
//! section 5), so where versions meet we make what is missing.

use tidegate_core::dice::Dice;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What every server of WebSockets puts behind the nonce.
const SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What a client makes: 16 bytes by chance.
pub(super) fn nonce(dice: &mut Dice) -> String {
    let bytes: Vec<u8> = (0..2).flat_map(|_| dice.roll().to_le_bytes()).collect();
    base64(&bytes)
}

/// What a server answers.
pub(super) fn accept(nonce: &[u8]) -> String {
    base64(&sha1(&[nonce, SUFFIX].concat()))
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

/// FIPS 180-4; it proves nothing here but that the other side speaks WebSocket.
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut state = [0x6745_2301u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize((padded.len() + 8).next_multiple_of(64) - 8, 0);
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks_exact(64) {
        let mut words: Vec<u32> = block.chunks_exact(4).map(|four| four.iter().fold(0, fold)).collect();
        for at in 16..80 {
            let earlier = |back: usize| words.get(at - back).copied().unwrap_or_default();
            words.push((earlier(3) ^ earlier(8) ^ earlier(14) ^ earlier(16)).rotate_left(1));
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (round, word) in words.iter().enumerate() {
            let (mix, constant) = match round {
                0..20 => ((b & c) | (!b & d), 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6u32),
            };
            let next = a.rotate_left(5).wrapping_add(mix).wrapping_add(e).wrapping_add(constant).wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, part) in state.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut digest = [0; 20];
    for (place, byte) in digest.iter_mut().zip(state.iter().flat_map(|word| word.to_be_bytes())) {
        *place = byte;
    }
    digest
}

fn fold(word: u32, byte: &u8) -> u32 {
    word << 8 | u32::from(*byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nonce_of_the_rfc_has_the_answer_of_the_rfc() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn nonces_are_sixteen_bytes_by_chance() {
        let mut dice = Dice::seeded(7);
        let (one, other) = (nonce(&mut dice), nonce(&mut dice));
        assert_eq!((one.len(), one.ends_with("=="), one == other), (24, true, false));
    }

    #[test]
    fn the_digest_of_two_blocks_is_right() {
        let digest = sha1(b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq");
        assert_eq!(digest[..4], [0x84, 0x98, 0x3e, 0x44]);
    }
}
