//! gRPC: what a proxy has to know of it. It is HTTP/2 with a rule for who has waited enough, and one for how a failure is
//! told: in a field behind the answer, or in its head where there is nothing else (gRPC over HTTP/2, "Responses").
//!
//! May use: failure. Must not know: the lane. In Rust because it runs for every request.

use std::time::Duration;

use crate::failure::Kind;

/// Whether a Content-Type is that of gRPC, as `application/grpc` or `application/grpc+proto`; gRPC-Web is another protocol.
pub fn is_content_type(value: &[u8]) -> bool {
    const NAME: &[u8] = b"application/grpc";
    let Some((name, rest)) = value.split_at_checked(NAME.len()) else { return false };
    name.eq_ignore_ascii_case(NAME) && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

/// How long the client waits, as `grpc-timeout` says: at most eight digits and a unit. What cannot be read says nothing.
pub fn read_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let amount = digits.iter().fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(amount * 3600),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// The status code of a failure of ours, which is answered with `status` where HTTP is spoken (gRPC, "HTTP to gRPC Status
/// Code Mapping"). Of what the mapping has nothing better for, its own code is told: that time is over, or that something
/// is too large.
pub fn status_of(kind: Kind, status: u16) -> u8 {
    match (kind, status) {
        (Kind::ResponseTimeout | Kind::ResponseStalled | Kind::BodyTooSlow, _) => 4,
        (_, 413 | 414 | 431) => 8,
        (_, 401) => 16,
        (_, 403) => 7,
        (_, 404) => 12,
        (_, 429 | 502 | 503 | 504) => 14,
        (_, 400 | 500) => 13,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_of_grpc_are_known() {
        for text in ["application/grpc", "application/grpc+proto", "Application/gRPC; x=y"] {
            assert!(is_content_type(text.as_bytes()), "{text}");
        }
        for text in ["application/grpc-web", "application/grpc-web+proto", "application/json", "application/grpcx", ""]
        {
            assert!(!is_content_type(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn timeouts_have_units() {
        for (text, time) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("30S", Duration::from_secs(30)),
            ("250m", Duration::from_millis(250)),
            ("7u", Duration::from_micros(7)),
            ("99999999n", Duration::from_nanos(99_999_999)),
            ("0S", Duration::ZERO),
        ] {
            assert_eq!(read_timeout(text.as_bytes()), Some(time), "{text}");
        }
        for text in ["", "S", "1", "1s", "123456789S", "-1S", "1.5S", " 1S"] {
            assert_eq!(read_timeout(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn every_failure_has_a_status_that_is_none_of_success() {
        for kind in Kind::ALL {
            let status = status_of(*kind, kind.status());
            assert!((1..=16).contains(&status), "{kind:?}");
        }
        assert_eq!(status_of(Kind::NoRoute, 404), 12);
        assert_eq!(status_of(Kind::ResponseTimeout, 504), 4);
        assert_eq!(status_of(Kind::ConnectRefused, 502), 14);
    }
}
