//! The beginning of a TLS handshake, as far as it tells that somebody speaks TLS: what is asked, and what an answer means.
//!
//! No key is made and none is checked: a client of TLS 1.3 that offers no key share is told which to send (RFC 8446,
//! sections 4.1.4 and 4.2.8), which costs the server no signature; one of TLS 1.2 says which certificate it has.

use super::answer::Judgement;
use crate::snapshot::document::TlsProbe;

/// What of a hello need be nobody's secret: the connection ends before anything is said on it.
const RANDOM: [u8; 32] = *b"tidegate asks whether TLS speaks";

/// Of TLS 1.3, then of 1.2, those with forward secrecy first; the last one says that this is no renegotiation (RFC 5746).
const SUITES: [u16; 15] = [
    0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc009, 0xc013, 0x009c, 0x009d, 0x002f,
    0x00ff,
];

/// X25519, P-256, P-384, P-521.
const GROUPS: [u16; 4] = [0x001d, 0x0017, 0x0018, 0x0019];

/// ECDSA, EdDSA, RSA-PSS and RSA PKCS #1, with SHA-256, 384 and 512.
const SIGNATURES: [u16; 10] = [0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601];

/// A ClientHello in one record.
pub(crate) fn hello(probe: &TlsProbe) -> Vec<u8> {
    let mut extensions = Vec::new();
    if let Some(name) = &probe.sni {
        // RFC 6066, section 3: a list of names, each behind its type, 0.
        extension(&mut extensions, 0, |out| {
            vector16(out, |out| {
                out.push(0);
                vector16(out, |out| out.extend_from_slice(name.as_bytes()));
            })
        });
    }
    extension(&mut extensions, 10, |out| vector16(out, |out| numbers(out, &GROUPS)));
    extension(&mut extensions, 11, |out| out.extend_from_slice(&[1, 0])); // points as they are (RFC 8422, section 5.1.2)
    extension(&mut extensions, 13, |out| vector16(out, |out| numbers(out, &SIGNATURES)));
    if !probe.alpn.is_empty() {
        // RFC 7301, section 3.1.
        extension(&mut extensions, 16, |out| {
            vector16(out, |out| {
                for protocol in &probe.alpn {
                    out.push(u8::try_from(protocol.len()).unwrap_or(u8::MAX));
                    out.extend_from_slice(protocol.as_bytes());
                }
            })
        });
    }
    extension(&mut extensions, 43, |out| out.extend_from_slice(&[4, 3, 4, 3, 3])); // TLS 1.3 and 1.2
    extension(&mut extensions, 51, |out| vector16(out, |_| {})); // no key share
    let mut body = vec![3, 3];
    body.extend_from_slice(&RANDOM);
    body.push(32);
    body.extend_from_slice(&RANDOM); // a session that nobody knows, for what stands between (RFC 8446, appendix D.4)
    vector16(&mut body, |out| numbers(out, &SUITES));
    body.extend_from_slice(&[1, 0]);
    vector16(&mut body, |out| out.extend_from_slice(&extensions));
    let mut record = vec![0x16, 3, 1];
    vector16(&mut record, |out| {
        out.extend_from_slice(&[1, 0]); // a ClientHello, and the first byte of its length
        vector16(out, |out| out.extend_from_slice(&body));
    });
    record
}

fn extension(out: &mut Vec<u8>, kind: u16, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&kind.to_be_bytes());
    vector16(out, write);
}

/// What is written, behind its length.
fn vector16(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let mut written = Vec::new();
    write(&mut written);
    out.extend_from_slice(&u16::try_from(written.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(&written);
}

fn numbers(out: &mut Vec<u8>, numbers: &[u16]) {
    out.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
}

/// What came in answer to it.
pub(super) fn judge(mut came: &[u8], ended: bool) -> Judgement {
    let wait = |says: &str| if ended { Judgement::Failed(says.to_owned()) } else { Judgement::Wait };
    if came.is_empty() {
        return wait("it closed the connection without an answer");
    }
    loop {
        let Some((&[kind, major, _, high, low], rest)) = came.split_first_chunk::<5>() else {
            let is_tls = came.is_empty() || matches!(came, [0x15 | 0x16] | [0x15 | 0x16, 3, ..]);
            return if is_tls { wait("its answer ended inside the handshake") } else { other() };
        };
        if major != 3 || !matches!(kind, 0x15 | 0x16) {
            return other();
        }
        match (kind, rest) {
            // A ServerHello; one that asks for a key share is one too.
            (0x16, [2, ..]) => return Judgement::Passed,
            (0x16, [_, ..]) => return other(),
            // A warning, as that the name is unknown, is no refusal: what follows tells.
            (0x15, [1, _, ..]) => {
                came = rest.get(usize::from(u16::from_be_bytes([high, low]))..).unwrap_or_default();
            }
            (0x15, [_, what, ..]) => return Judgement::Failed(format!("it refused the handshake: {}", named(*what))),
            (_, _) => return wait("its answer ended inside the handshake"),
        }
    }
}

fn other() -> Judgement {
    Judgement::Failed("its answer is not TLS".to_owned())
}

/// An alert as people know it (RFC 8446, section 6).
fn named(alert: u8) -> String {
    let name = match alert {
        40 => "handshake_failure",
        42 => "bad_certificate",
        47 => "illegal_parameter",
        50 => "decode_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        109 => "missing_extension",
        112 => "unrecognized_name",
        120 => "no_application_protocol",
        _ => return format!("alert {alert}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer4::hello::{Seen, read};

    fn probe(sni: Option<&str>, alpn: &[&str]) -> TlsProbe {
        TlsProbe { sni: sni.map(str::to_owned), alpn: alpn.iter().map(|each| (*each).to_owned()).collect() }
    }

    #[test]
    fn a_hello_is_one_that_we_read_ourselves() {
        let said = read(&hello(&probe(Some("db.example.com"), &["h2", "http/1.1"])));
        let Ok(Seen::Hello(said)) = said else { panic!("{said:?}") };
        assert_eq!(&*said.name, b"db.example.com");
        assert_eq!(said.protocols.iter().map(|each| &**each).collect::<Vec<_>>(), [&b"h2"[..], b"http/1.1"]);
        let Ok(Seen::Hello(bare)) = read(&hello(&probe(None, &[]))) else { panic!("no hello") };
        assert!(bare.name.is_empty() && bare.protocols.is_empty());
    }

    #[test]
    fn a_server_hello_is_enough_and_every_part_of_it_waits() {
        let warned = b"\x15\x03\x03\x00\x02\x01\x70\x16\x03\x03\x00\x7a\x02";
        for answer in [&b"\x16\x03\x03\x00\x7a\x02"[..], warned] {
            assert_eq!(judge(answer, false), Judgement::Passed);
            for cut in 0..answer.len() {
                assert_eq!(judge(&answer[..cut], false), Judgement::Wait, "{cut}");
                assert!(matches!(judge(&answer[..cut], true), Judgement::Failed(_)), "{cut}");
            }
        }
    }

    #[test]
    fn what_is_no_handshake_says_why() {
        for (answer, says) in [
            (&b"\x15\x03\x03\x00\x02\x02\x70"[..], "it refused the handshake: unrecognized_name"),
            (b"\x15\x03\x01\x00\x02\x02\xfe", "it refused the handshake: alert 254"),
            (b"HTTP/1.1 400 Bad Request\r\n", "its answer is not TLS"),
            (b"+PONG\r\n", "its answer is not TLS"),
            (b"\x16\x03\x03\x00\x7a\x01", "its answer is not TLS"),
        ] {
            assert_eq!(judge(answer, false), Judgement::Failed(says.to_owned()), "{answer:?}");
        }
        assert_eq!(judge(b"", true), Judgement::Failed("it closed the connection without an answer".to_owned()));
    }
}
