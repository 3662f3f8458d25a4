//! Heads of requests, from HTTP/2 to HTTP/1 and back (RFC 9113, section 8.3.1).

use http::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderValue, TE};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Uri, Version};
use tidegate_core::head::{Field, Known, RequestHead};

use super::fields::{take_fields, write_line};
use super::incoming::Framing;

/// Appends the head of a request as HTTP/1 has it. `has_body`: the stream goes on behind it. `key`: it asks for a
/// WebSocket (RFC 8441), for which HTTP/1 needs a nonce.
pub(super) fn write_request(
    request: &Request<()>,
    is_secure: bool,
    has_body: bool,
    key: Option<&str>,
    out: &mut Vec<u8>,
) -> Framing {
    let method = if key.is_some() { &Method::GET } else { request.method() };
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    write_target(request.uri(), method, is_secure, out);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let fields = request.headers();
    let authority = request.uri().authority().map_or("", |authority| authority.as_str());
    if !authority.is_empty() {
        write_line(b"host", authority.as_bytes(), out);
    }
    for (name, value) in fields {
        // A Host that says the same is one too many; of one that says something else the lane speaks.
        let repeats = name == HOST && value.as_bytes().eq_ignore_ascii_case(authority.as_bytes());
        if name != COOKIE && !repeats {
            write_line(name.as_str().as_bytes(), value.as_bytes(), out);
        }
    }
    write_cookies(fields, out);
    if let Some(key) = key {
        out.extend_from_slice(b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ");
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
        return Framing::AsItIs;
    }
    let has_length = fields.contains_key(CONTENT_LENGTH);
    let framing = if has_body && !has_length { Framing::Chunked } else { Framing::AsItIs };
    if framing == Framing::Chunked {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    } else if !has_length && matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
        out.extend_from_slice(b"content-length: 0\r\n");
    }
    out.extend_from_slice(b"\r\n");
    framing
}

/// Writes the target: its path, or all of it where its scheme is not that of the connection, so that the lane sees that.
fn write_target(uri: &Uri, method: &Method, is_secure: bool, out: &mut Vec<u8>) {
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if *method == Method::CONNECT {
        out.extend_from_slice(authority.as_bytes());
        return;
    }
    let usual = if is_secure { "https" } else { "http" };
    if let Some(scheme) = uri.scheme_str().filter(|scheme| *scheme != usual && path != "*") {
        out.extend_from_slice(scheme.as_bytes());
        out.extend_from_slice(b"://");
        out.extend_from_slice(authority.as_bytes());
    }
    out.extend_from_slice(path.as_bytes());
}

/// Cookies may come one a field, and leave in one (RFC 9113, section 8.2.3).
fn write_cookies(fields: &HeaderMap, out: &mut Vec<u8>) {
    for (at, cookie) in fields.get_all(COOKIE).iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"cookie: " } else { b"; " });
        out.extend_from_slice(cookie.as_bytes());
    }
    if fields.contains_key(COOKIE) {
        out.extend_from_slice(b"\r\n");
    }
}

/// What a request asks for, as far as it changes how the answer is read.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Only the head.
    pub(super) is_head: bool,
    /// A WebSocket: the nonce of the client.
    pub(super) key: Option<Vec<u8>>,
}

/// Reads the head of a request that a lane wrote for an endpoint.
pub(super) fn read_request(bytes: &[u8], head: &RequestHead) -> Option<(Request<()>, Wanted)> {
    let find = |known: Known| head.fields.iter().find(|field| field.known == known).map(|it| it.value.of(bytes));
    let is_key = |field: &Field| field.name.of(bytes).eq_ignore_ascii_case(b"sec-websocket-key");
    let mut wanted = Wanted { is_head: head.method_span.of(bytes) == b"HEAD", key: None };
    if find(Known::Upgrade).is_some() {
        wanted.key = head.fields.iter().find(|field| is_key(field)).map(|field| field.value.of(bytes).to_vec());
    }
    let wants_tunnel = wanted.key.is_some();
    let dropped = |field: &Field| field.known == Known::Host || (wants_tunnel && is_key(field));
    let mut fields = take_fields(bytes, &head.fields, dropped)?;
    // What comes behind a body is passed on; gRPC asks for it this way.
    fields.insert(TE, HeaderValue::from_static("trailers"));
    let uri = Uri::builder().scheme("http").authority(find(Known::Host)?).path_and_query(path(head.target.of(bytes))?);
    let mut request = Request::new(());
    *request.uri_mut() = uri.build().ok()?;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = fields;
    *request.method_mut() = Method::from_bytes(head.method_span.of(bytes)).ok()?;
    if wants_tunnel {
        *request.method_mut() = Method::CONNECT;
        request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    }
    Some((request, wanted))
}

/// The path, as the codec takes it: what RFC 3986 does not let stand there is escaped, which means the same.
fn path(target: &[u8]) -> Option<PathAndQuery> {
    if let Ok(path) = PathAndQuery::try_from(target) {
        return Some(path);
    }
    let mut escaped = Vec::with_capacity(target.len() + 8);
    for byte in target {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => {
                escaped.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
            _ => escaped.push(*byte),
        }
    }
    PathAndQuery::try_from(escaped).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(request: &Request<()>, is_secure: bool, has_body: bool) -> String {
        let mut out = Vec::new();
        write_request(request, is_secure, has_body, None, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn pseudo_fields_become_a_request_line_and_a_host() {
        let request = Request::get("http://a.example:81/x?y=1").header("x-a", "1").body(()).unwrap();
        assert_eq!(written(&request, false, false), "GET /x?y=1 HTTP/1.1\r\nhost: a.example:81\r\nx-a: 1\r\n\r\n");
    }

    #[test]
    fn a_scheme_that_is_not_the_connections_is_shown_to_the_lane() {
        let request = Request::get("https://a.example/x").body(()).unwrap();
        assert!(written(&request, false, false).starts_with("GET https://a.example/x HTTP/1.1\r\n"));
        assert!(written(&request, true, false).starts_with("GET /x HTTP/1.1\r\n"));
    }

    #[test]
    fn a_body_without_a_length_comes_in_chunks() {
        let request = Request::post("http://a/").body(()).unwrap();
        assert!(written(&request, false, true).ends_with("\r\ntransfer-encoding: chunked\r\n\r\n"));
        assert!(written(&request, false, false).ends_with("\r\ncontent-length: 0\r\n\r\n"));
        let request = Request::post("http://a/").header("content-length", "7").body(()).unwrap();
        assert!(written(&request, false, true).ends_with("host: a\r\ncontent-length: 7\r\n\r\n"));
    }

    #[test]
    fn cookies_are_joined() {
        let request = Request::get("http://a/").header("cookie", "a=1").header("cookie", "b=2; c=3").body(()).unwrap();
        assert!(written(&request, false, false).ends_with("host: a\r\ncookie: a=1; b=2; c=3\r\n\r\n"));
    }

    #[test]
    fn a_host_that_differs_from_the_authority_is_left_to_the_lane_which_refuses_two() {
        let request = Request::get("http://a/").header("host", "A").body(()).unwrap();
        assert_eq!(written(&request, false, false).matches("host:").count(), 1);
        let request = Request::get("http://a/").header("host", "b").body(()).unwrap();
        assert_eq!(written(&request, false, false).matches("host:").count(), 2);
    }
}
