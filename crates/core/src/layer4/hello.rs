//! What a TLS client says first: the name of the server and the protocols that it wants (RFC 8446, section 4.1.2).
//!
//! It is read and never changed, so that TLS is between client and endpoint. What is no ClientHello, or one that two
//! readers could take for two, has a reason; what begins no TLS at all is told apart from it.

/// Most bytes that are looked at, record headers included. A hello has a few hundred, with post-quantum keys about 1,700.
pub const LONGEST: usize = 16 * 1024;

/// Most bytes of a record (RFC 8446, section 5.1).
const LONGEST_RECORD: usize = 1 << 14;

/// What the bytes at the front of a connection are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen {
    /// The beginning of a ClientHello, as far as can be told.
    Partial,
    /// No TLS.
    Other,
    /// A whole ClientHello.
    Hello(Hello),
}

/// What a ClientHello says that connections are routed by.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hello {
    /// The name of the server (RFC 6066, section 3), in lower case; empty where it tells none.
    pub name: Box<[u8]>,
    /// The protocols that the client would speak (RFC 7301), its favourite first.
    pub protocols: Vec<Box<[u8]>>,
}

/// Reads what has come so far. The error is what is wrong with it.
pub fn read(bytes: &[u8]) -> Result<Seen, &'static str> {
    // The type of a record that holds a handshake, and the major version that every TLS has.
    let front = bytes.get(..bytes.len().min(2)).unwrap_or_default();
    if !b"\x16\x03".starts_with(front) {
        return Ok(Seen::Other);
    }
    let (message, is_all) = match gather(bytes)? {
        Some(message) => message,
        None if bytes.len() >= LONGEST => return Err("the ClientHello is longer than 16 KiB"),
        None => return Ok(Seen::Partial),
    };
    if is_all { hello(&message).map(Seen::Hello) } else { Ok(Seen::Partial) }
}

/// The handshake message out of its records, as far as it has come; none where even its length has not.
fn gather(mut bytes: &[u8]) -> Result<Option<(Vec<u8>, bool)>, &'static str> {
    let mut message = Vec::new();
    let mut whole = None;
    while let Some((&[kind, major, _, high, low], rest)) = bytes.split_first_chunk::<5>() {
        let len = usize::from(u16::from_be_bytes([high, low]));
        if kind != 0x16 || major != 3 {
            return Err("another record comes inside the ClientHello");
        }
        if len == 0 || len > LONGEST_RECORD {
            return Err("a record is empty, or longer than TLS allows");
        }
        let (fragment, behind) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        message.extend_from_slice(fragment);
        if let Some((&[kind, a, b, c], _)) = message.split_first_chunk::<4>() {
            if kind != 1 {
                return Err("the first message is no ClientHello");
            }
            let len = 4 + u32::from_be_bytes([0, a, b, c]) as usize;
            if len > LONGEST {
                return Err("the ClientHello is longer than 16 KiB");
            }
            whole = Some(len);
            if message.len() >= len {
                message.truncate(len);
                return Ok(Some((message, true)));
            }
        } else if message.first().is_some_and(|kind| *kind != 1) {
            return Err("the first message is no ClientHello");
        }
        bytes = behind;
    }
    if bytes.first().is_some_and(|kind| *kind != 0x16) || bytes.get(1).is_some_and(|major| *major != 3) {
        return Err("another record comes inside the ClientHello");
    }
    Ok(whole.map(|_| (message, false)).filter(|(message, _)| message.len() < LONGEST))
}

/// Reads the message itself, its four bytes of type and length included.
fn hello(message: &[u8]) -> Result<Hello, &'static str> {
    const CUT: &str = "the ClientHello is cut off";
    let mut rest = message.get(4 + 2 + 32..).ok_or(CUT)?; // the version that is told for show, and random bytes
    let session = take(&mut rest, 1).ok_or(CUT)?;
    let suites = take(&mut rest, 2).ok_or(CUT)?;
    let compressions = take(&mut rest, 1).ok_or(CUT)?;
    if session.len() > 32 || suites.is_empty() || suites.len() % 2 == 1 || compressions.is_empty() {
        return Err("the ClientHello offers what TLS does not have");
    }
    let mut said = Hello::default();
    if rest.is_empty() {
        return Ok(said); // as old clients do
    }
    let mut extensions = take(&mut rest, 2).ok_or(CUT)?;
    if !rest.is_empty() {
        return Err("something follows the extensions of the ClientHello");
    }
    let (mut names, mut protocols) = (0, 0);
    while let Some((&[high, low], behind)) = extensions.split_first_chunk::<2>() {
        extensions = behind;
        let body = take(&mut extensions, 2).ok_or("an extension is cut off")?;
        match u16::from_be_bytes([high, low]) {
            0 => {
                names += 1;
                said.name = server_name(body)?;
            }
            16 => {
                protocols += 1;
                said.protocols = list_of_protocols(body)?;
            }
            _ => {}
        }
    }
    if names > 1 || protocols > 1 {
        return Err("an extension comes twice");
    }
    if extensions.is_empty() { Ok(said) } else { Err("an extension is cut off") }
}

fn server_name(mut body: &[u8]) -> Result<Box<[u8]>, &'static str> {
    const WRONG: &str = "the server's name is none";
    let mut list = take(&mut body, 2).filter(|_| body.is_empty()).ok_or(WRONG)?;
    let (&kind, rest) = list.split_first().ok_or(WRONG)?;
    list = rest;
    let name = take(&mut list, 2).ok_or(WRONG)?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_".contains(byte);
    if kind != 0 || !list.is_empty() || name.is_empty() || name.len() > 255 || !name.iter().all(is_name) {
        return Err(WRONG);
    }
    Ok(name.strip_suffix(b".").unwrap_or(name).to_ascii_lowercase().into_boxed_slice())
}

fn list_of_protocols(mut body: &[u8]) -> Result<Vec<Box<[u8]>>, &'static str> {
    const WRONG: &str = "the list of protocols is none";
    let mut list = take(&mut body, 2).filter(|list| body.is_empty() && !list.is_empty()).ok_or(WRONG)?;
    let mut protocols = Vec::new();
    while !list.is_empty() {
        let protocol = take(&mut list, 1).filter(|protocol| !protocol.is_empty()).ok_or(WRONG)?;
        protocols.push(protocol.into());
    }
    Ok(protocols)
}

/// Takes what stands behind its length, which has so many bytes.
fn take<'a>(rest: &mut &'a [u8], width: usize) -> Option<&'a [u8]> {
    let (len, behind) = rest.split_at_checked(width)?;
    let len = len.iter().fold(0, |all, byte| all << 8 | usize::from(*byte));
    let (taken, behind) = behind.split_at_checked(len)?;
    *rest = behind;
    Some(taken)
}

#[cfg(test)]
#[path = "hello_tests.rs"]
mod tests;
