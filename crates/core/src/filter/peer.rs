//! The two addresses of a connection, with their texts: written once a connection, not once a request.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

/// Who is at the other end of a connection, and where it came to.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The client; `None` for a Unix socket, or where a PROXY protocol header says that there is none to tell.
    pub address: Option<SocketAddr>,
    /// The address it came to; `None` for a Unix socket.
    pub local: Option<SocketAddr>,
    /// Whether it came over TLS.
    pub secure: bool,
    ip: Text<46>,
    port: Text<5>,
}

impl Peer {
    /// A peer. IPv4-mapped IPv6 addresses become IPv4.
    pub fn new(address: Option<SocketAddr>, local: Option<SocketAddr>) -> Self {
        let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let (address, local) = (address.map(canonical), local.map(canonical));
        let (mut ip, mut port) = (Text::default(), Text::default());
        if let Some(address) = address {
            let _ = write!(ip, "{}", address.ip());
        }
        if let Some(local) = local {
            let _ = write!(port, "{}", local.port());
        }
        Self { address, local, secure: false, ip, port }
    }

    /// The client's address.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.map(|address| address.ip())
    }

    /// The client's address as text; empty for a Unix socket.
    pub fn ip_text(&self) -> &[u8] {
        self.ip.as_bytes()
    }

    /// The port it came to as text; empty for a Unix socket.
    pub fn port_text(&self) -> &[u8] {
        self.port.as_bytes()
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }
}

/// A short text without an allocation; what does not fit is cut. The longest address has 45 bytes (RFC 4291, 2.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self { bytes: [0; N], len: 0 }
    }
}

impl<const N: usize> Text<N> {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl<const N: usize> std::fmt::Write for Text<N> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            let place = self.bytes.get_mut(usize::from(self.len)).ok_or(std::fmt::Error)?;
            *place = byte;
            self.len += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_addresses_are_told_as_ipv4() {
        let peer = Peer::new(Some("[::ffff:192.0.2.1]:5".parse().unwrap()), Some("[2001:db8::1]:443".parse().unwrap()));
        assert_eq!(peer.ip_text(), b"192.0.2.1");
        assert_eq!(peer.port_text(), b"443");
        assert!(Peer::new(None, None).ip_text().is_empty());
    }
}
