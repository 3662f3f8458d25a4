//! A Host as a key of the table: without port and last dot, in lower case; and the hash for it.

/// The longest name that DNS has (RFC 1035, section 2.3.4). What is longer is no host of any route.
const LONGEST: usize = 255;

/// A host in lower case, on the stack.
pub struct HostKey {
    bytes: [u8; LONGEST],
    len: usize,
}

impl HostKey {
    /// The key for a Host as it was sent, with or without port, with or without the dot that ends an absolute name (it
    /// names the same host). `None` where it is empty or too long for a name.
    pub fn of(host: &[u8]) -> Option<Self> {
        let name = without_port(host);
        let name = name.strip_suffix(b".").unwrap_or(name);
        let mut key = Self { bytes: [0; LONGEST], len: name.len() };
        let place = key.bytes.get_mut(..name.len()).filter(|place| !place.is_empty())?;
        place.copy_from_slice(name);
        place.make_ascii_lowercase();
        Some(key)
    }

    /// The host.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// A host of the table. With thousands of hosts each line of the cache that a look-up touches is a cold one, so what most
/// names need lies in the table itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Key {
    /// So many bytes of the array.
    Short(u8, [u8; INLINE]),
    /// A longer one.
    Long(Box<[u8]>),
}

/// The longest name that lies in the table itself, in bytes.
const INLINE: usize = 38;

impl Key {
    /// The key for a host of the configuration.
    pub fn of(host: &str) -> Self {
        let name = host.trim_end_matches('.').to_ascii_lowercase().into_bytes();
        let mut bytes = [0; INLINE];
        match (bytes.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(&name);
                Self::Short(len, bytes)
            }
            (Some(_) | None, _) => Self::Long(name.into_boxed_slice()),
        }
    }

    /// The host.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short(len, bytes) => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Long(bytes) => bytes,
        }
    }
}

fn without_port(host: &[u8]) -> &[u8] {
    match memchr::memrchr(b':', host) {
        // A colon inside brackets belongs to an IPv6 address.
        Some(at) if !host.get(at..).unwrap_or_default().contains(&b']') => host.get(..at).unwrap_or_default(),
        _ => host,
    }
}

/// Hashes a short key eight bytes at a time. Keys are all from the configuration, so nobody outside can fill a bucket.
pub fn hash_of(host: &[u8]) -> u64 {
    let mut chunks = host.chunks_exact(8);
    let whole = (&mut chunks).fold(0, |all, chunk| fold(all ^ chunk.try_into().map_or(0, u64::from_le_bytes)));
    let last = chunks.remainder().iter().fold(1u64, |all, byte| all << 8 | u64::from(*byte));
    fold(whole ^ last)
}

fn fold(number: u64) -> u64 {
    let wide = u128::from(number ^ 0x9E37_79B9_7F4A_7C15) * 0xD6E8_FEB8_6659_FD93_u128;
    let bytes = wide.to_le_bytes();
    let half =
        |from: usize| bytes.get(from..from + 8).and_then(|half| half.try_into().ok()).map_or(0, u64::from_le_bytes);
    half(0) ^ half(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_no_port_no_last_dot_and_lower_case() {
        for (host, key) in [
            ("Api.Example.com:8080", "api.example.com"),
            ("api.example.com.", "api.example.com"),
            ("api.example.com.:80", "api.example.com"),
            ("[::1]", "[::1]"),
            ("[::1]:80", "[::1]"),
        ] {
            assert_eq!(HostKey::of(host.as_bytes()).unwrap().as_bytes(), key.as_bytes());
        }
        assert!(HostKey::of(b"").is_none());
        assert!(HostKey::of(b":80").is_none());
        assert!(HostKey::of(&[b'a'; 256]).is_none());
    }

    #[test]
    fn a_key_is_found_by_its_bytes_however_long_it_is() {
        for len in [1, 37, 38, 39, 253] {
            let host = "a".repeat(len);
            let key = Key::of(&format!("{}.", host.to_uppercase()));
            assert_eq!(key.as_bytes(), host.as_bytes());
        }
    }
}
