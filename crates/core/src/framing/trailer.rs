//! Fields after a chunked body (RFC 9110, section 6.5): which may stand there, and which would change a message that
//! has been acted upon.

use crate::head::Known;

/// Whether a trailer may not have this name: it would frame, route, authenticate or say who forwarded, speak of one
/// connection, or say how to read the body. Names with `_` or another sign count as if with `-`, which is how backends read
/// them.
pub(super) fn is_forbidden(name: &[u8]) -> bool {
    if name.iter().any(|byte| !is_plain(*byte)) {
        let dashed: Vec<u8> = name.iter().map(|&byte| if is_plain(byte) { byte } else { b'-' }).collect();
        return is_forbidden(&dashed);
    }
    let begins = |prefix: &[u8]| name.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix));
    is_forbidden_known(Known::of(name))
        || [b"x-forwarded-".as_slice(), b"x-original-", b"x-rewrite-", b"if-", b"access-control-"]
            .into_iter()
            .any(begins)
        || OTHERS.iter().any(|other| name.eq_ignore_ascii_case(other))
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

const OTHERS: &[&[u8]] = &[
    b"cache-control",
    b"content-encoding",
    b"content-location",
    b"content-range",
    b"cookie2",
    b"http2-settings",
    b"location",
    b"pragma",
    b"range",
    b"sec-websocket-accept",
    b"sec-websocket-extensions",
    b"sec-websocket-key",
    b"sec-websocket-protocol",
    b"sec-websocket-version",
    b"set-cookie",
    b"set-cookie2",
    b"strict-transport-security",
    b"true-client-ip",
    b"vary",
    b"x-client-ip",
    b"x-http-method-override",
];

fn is_forbidden_known(known: Known) -> bool {
    match known {
        Known::Host
        | Known::Connection
        | Known::ContentLength
        | Known::TransferEncoding
        | Known::Te
        | Known::Trailer
        | Known::Upgrade
        | Known::KeepAlive
        | Known::ProxyConnection
        | Known::ProxyAuthenticate
        | Known::ProxyAuthorization
        | Known::Http2Settings
        | Known::Expect
        | Known::MaxForwards
        | Known::Via
        | Known::Authorization
        | Known::Cookie
        | Known::WwwAuthenticate
        | Known::Origin
        | Known::Forwarded
        | Known::XForwardedFor
        | Known::XForwardedProto
        | Known::XForwardedHost
        | Known::XForwardedPort
        | Known::XForwardedPrefix
        | Known::XForwardedServer
        | Known::XRealIp
        | Known::XRequestId
        | Known::ContentType
        | Known::RetryAfter
        | Known::GrpcTimeout => true,
        // `Date` and `Expires` are what RFC 9110 itself would have there; the others tell, and change nothing.
        Known::Other | Known::Date | Known::Server | Known::UserAgent | Known::Referer | Known::ProxyStatus => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip] // one a line would be a page
    fn a_trailer_may_tell_but_not_change_the_message() {
        for name in ["ETag", "Expires", "Digest", "Server-Timing", "grpc-status", "x-amz-checksum-crc32", "X_Sum", "Date"] {
            assert!(!is_forbidden(name.as_bytes()), "{name}");
        }
        for name in [
            "Content-Length", "TRANSFER-ENCODING", "content_length", "Transfer_Encoding", "Host", "Authorization", "Cookie",
            "Set-Cookie", "Connection", "TE", "Trailer", "Upgrade", "X-Forwarded-For", "x_forwarded_for",
            "X-Forwarded-Anything", "X.Forwarded.For", "Content!Length", "Forwarded", "X-Real-IP", "Content-Encoding", "Content-Type", "If-Match", "Via",
        ] {
            assert!(is_forbidden(name.as_bytes()), "{name}");
        }
    }
}
