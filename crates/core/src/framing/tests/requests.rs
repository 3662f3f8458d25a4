//! Heads of requests: what is read of them, or why they are refused.

use super::*;
use crate::head::Version;

/// What becomes of a request, in a sentence.
fn sentence(bytes: &[u8], step: usize, limits: &HeadLimits) -> String {
    let (head, facts) = match request(bytes, step, limits) {
        Ok(Some(read)) => read,
        Ok(None) => return "more is needed".into(),
        Err(failure) => return format!("refused {failure}"),
    };
    let text = |span: crate::head::Span| String::from_utf8_lossy(span.of(bytes)).into_owned();
    let mut says = vec![format!("{} {:?} {}", text(head.method_span), head.form, text(head.path))];
    says.extend(head.has_query.then(|| format!("?{}", text(head.query))));
    says.extend((head.version == Version::Http10).then(|| "1.0".into()));
    says.push(facts.host.map_or("no host".into(), |host| {
        host.port.map_or_else(|| text(host.name), |port| format!("{} port {port}", text(host.name)))
    }));
    says.push(body_sentence(facts.body));
    says.extend((!facts.keep_alive).then(|| "closes".into()));
    says.extend(facts.expects_continue.then(|| "waits for 100".into()));
    says.extend(facts.upgrade_websocket.then(|| "websocket".into()));
    says.extend(facts.te_trailers.then(|| "trailers".into()));
    says.extend(facts.max_forwards.map(|n| format!("{n} hops")));
    says.join(", ")
}

fn check(id: &str, bytes: &[u8], expected: &str) {
    for step in [bytes.len().max(1), 1, 2, 3, 7] {
        let found = sentence(bytes, step, &LIMITS);
        assert!(agrees(&found, expected), "{id}, by {step}:\n found    {found}\n expected {expected}");
    }
}

const LINES: &[(&str, &[u8], &str)] = &[
    ("a path", b"GET /a/b HTTP/1.1", "GET Origin /a/b, a, no body"),
    ("a query", b"GET /a?b=c?d HTTP/1.1", "GET Origin /a, ?b=c?d, a, no body"),
    ("an empty query", b"GET /? HTTP/1.1", "GET Origin /, ?, a, no body"),
    ("two slashes", b"GET //b/c HTTP/1.1", "GET Origin //b/c, a, no body"),
    (
        "characters that browsers send as they are",
        b"GET /a|b?c=[1]&{d}^ HTTP/1.1",
        "GET Origin /a|b, ?c=[1]&{d}^, a, no body",
    ),
    ("an unknown method", b"BREW /pot HTTP/1.1", "BREW Origin /pot, a, no body"),
    ("a method of odd token characters", b"M-SEARCH! / HTTP/1.1", "M-SEARCH! Origin /, a, no body"),
    ("a method in lower case is another method", b"get / HTTP/1.1", "get Origin /, a, no body"),
    ("version 1.0", b"GET / HTTP/1.0", "GET Origin /, 1.0, a, no body, closes"),
    ("the asterisk of OPTIONS", b"OPTIONS * HTTP/1.1", "OPTIONS Asterisk , a, no body"),
    ("absolute form", b"GET http://a/b?c HTTP/1.1", "GET Absolute /b, ?c, a, no body"),
    ("absolute form without a path", b"GET http://a HTTP/1.1", "GET Absolute , a, no body"),
    ("absolute form with a query alone", b"GET http://a?b HTTP/1.1", "GET Absolute , ?b, a, no body"),
    ("absolute form with a slash in the query", b"GET http://a?b/c HTTP/1.1", "GET Absolute , ?b/c, a, no body"),
    ("absolute form in capitals", b"GET HTTP://A/b HTTP/1.1", "GET Absolute /b, A, no body"),
    ("absolute form with the default port", b"GET http://a:80/ HTTP/1.1", "GET Absolute /, a port 80, no body"),
    (
        "absolute form of https with its default port",
        b"GET https://a:443/ HTTP/1.1",
        "GET Absolute /, a port 443, no body",
    ),
    ("absolute form with another port than Host", b"GET http://a:81/ HTTP/1.1", "refused invalid_host: differs"),
    ("absolute form of http with the port of https", b"GET http://a:443/ HTTP/1.1", "refused invalid_host: differs"),
    ("absolute form with another host", b"GET http://b/ HTTP/1.1", "refused invalid_host: differs"),
    ("absolute form with a dot behind the host", b"GET http://a./ HTTP/1.1", "refused invalid_host: differs"),
    ("absolute form without a host", b"GET http:///b HTTP/1.1", "refused invalid_host: empty"),
    ("absolute form with a port alone", b"GET http://:80/b HTTP/1.1", "refused invalid_host"),
    ("absolute form with a user", b"GET http://u@a/b HTTP/1.1", "refused invalid_host"),
    ("absolute form with a user before Host", b"GET http://a@b/ HTTP/1.1", "refused invalid_host"),
    ("absolute form with a backslash", b"GET http://a\\b/ HTTP/1.1", "refused invalid_host"),
    ("another scheme", b"GET ftp://a/b HTTP/1.1", "refused malformed_request: neither a path"),
    ("a scheme that begins like http", b"GET httpx://a/b HTTP/1.1", "refused malformed_request: neither a path"),
    ("a scheme with one slash", b"GET http:/a HTTP/1.1", "refused malformed_request: neither a path"),
    ("a scheme without slashes", b"GET http:a HTTP/1.1", "refused malformed_request: neither a path"),
    ("a path without its slash", b"GET a/b HTTP/1.1", "refused malformed_request: neither a path"),
    ("a query alone", b"GET ?a HTTP/1.1", "refused malformed_request: neither a path"),
    ("an authority for GET", b"GET a:80 HTTP/1.1", "refused malformed_request: neither a path"),
    ("a backslash for a slash", b"GET \\a HTTP/1.1", "refused malformed_request: neither a path"),
    ("an asterisk for GET", b"GET * HTTP/1.1", "refused malformed_request: only OPTIONS"),
    ("an asterisk and more", b"OPTIONS */ HTTP/1.1", "refused malformed_request: neither a path"),
    ("an asterisk with a query", b"OPTIONS *?a HTTP/1.1", "refused malformed_request: neither a path"),
    ("CONNECT", b"CONNECT a:443 HTTP/1.1", "refused method_refused"),
    ("CONNECT with a path", b"CONNECT /a HTTP/1.1", "refused method_refused"),
    ("TRACE", b"TRACE / HTTP/1.1", "refused method_refused"),
    ("a fragment", b"GET /a#b HTTP/1.1", "refused malformed_request: fragment"),
    ("a fragment in the query", b"GET /a?b#c HTTP/1.1", "refused malformed_request: fragment"),
    ("a fragment alone", b"GET # HTTP/1.1", "refused malformed_request: fragment"),
    ("a space in the target", b"GET /a b HTTP/1.1", "refused malformed_request: version is none: `b HTTP/1.1`"),
    ("a tab in the target", b"GET /a\tb HTTP/1.1", "refused malformed_request: byte 6: a tab"),
    (
        "a NUL in the target",
        b"GET /a\0b HTTP/1.1",
        "refused malformed_request: byte 6: a byte that a target may not hold: `\\x00`",
    ),
    ("a delete in the target", b"GET /a\x7f HTTP/1.1", "refused malformed_request: `\\x7f`"),
    (
        "a raw byte of UTF-8 in the target",
        b"GET /\xc3\xa9 HTTP/1.1",
        "refused malformed_request: byte 5: a byte that a target may not hold: `\\xc3`",
    ),
    ("a raw byte of UTF-8 in the query", b"GET /?\xe9 HTTP/1.1", "refused malformed_request: `\\xe9`"),
    ("a bare CR in the target", b"GET /a\rb HTTP/1.1", "refused malformed_request"),
    ("a vertical tab in the target", b"GET /\x0b HTTP/1.1", "refused malformed_request"),
    ("two spaces before the target", b"GET  / HTTP/1.1", "refused malformed_request: byte 4: more than one space"),
    ("a tab before the target", b"GET\t/ HTTP/1.1", "refused malformed_request: byte 3: a tab"),
    (
        "two spaces before the version",
        b"GET /  HTTP/1.1",
        "refused malformed_request: more than one space between target and version",
    ),
    ("a tab before the version", b"GET /\tHTTP/1.1", "refused malformed_request: a tab"),
    ("a space behind the version", b"GET / HTTP/1.1 ", "refused malformed_request: version is none"),
    ("a tab behind the version", b"GET / HTTP/1.1\t", "refused malformed_request: version is none"),
    ("words behind the version", b"GET / HTTP/1.1 x", "refused malformed_request: version is none"),
    ("a bare CR behind the version", b"GET / HTTP/1.1\r", "refused malformed_request: a CR"),
    ("a space before the method", b" GET / HTTP/1.1", "refused malformed_request: byte 0: white space"),
    ("a tab before the method", b"\tGET / HTTP/1.1", "refused malformed_request: byte 0: white space"),
    ("no method", b"/ HTTP/1.1", "refused malformed_request"),
    (
        "a method that is no token",
        b"GE(T / HTTP/1.1",
        "refused malformed_request: byte 2: a byte that a method may not hold",
    ),
    ("a method with a colon", b"GET: / HTTP/1.1", "refused malformed_request: byte 3"),
    ("a method with a NUL", b"GET\0 / HTTP/1.1", "refused malformed_request: byte 3"),
    ("a method of UTF-8", b"G\xc3\x89T / HTTP/1.1", "refused malformed_request: byte 1"),
    ("no target", b"GET HTTP/1.1", "refused malformed_request"),
    ("a method alone", b"GET", "refused malformed_request: without a target"),
    ("a method and a space alone", b"GET ", "refused malformed_request: without a target"),
    ("no version, as in HTTP/0.9", b"GET /", "refused malformed_request: HTTP/0.9"),
    ("a space for a version", b"GET / ", "refused malformed_request: version is none"),
    ("version 0.9", b"GET / HTTP/0.9", "refused unsupported_version"),
    ("version 1.2", b"GET / HTTP/1.2", "refused unsupported_version: HTTP/1.2"),
    ("version 1.9", b"GET / HTTP/1.9", "refused unsupported_version"),
    ("version 2.0", b"GET / HTTP/2.0", "refused unsupported_version"),
    ("version 3.0", b"GET / HTTP/3.0", "refused unsupported_version"),
    ("version 9.9", b"GET / HTTP/9.9", "refused unsupported_version"),
    ("version 1", b"GET / HTTP/1", "refused malformed_request"),
    ("version 1.", b"GET / HTTP/1.", "refused malformed_request"),
    ("version 2", b"GET / HTTP/2", "refused malformed_request"),
    ("version 1.10", b"GET / HTTP/1.10", "refused malformed_request"),
    ("version 01.1", b"GET / HTTP/01.1", "refused malformed_request"),
    ("version 1.1.1", b"GET / HTTP/1.1.1", "refused malformed_request"),
    ("version 1,1", b"GET / HTTP/1,1", "refused malformed_request"),
    ("version x.y", b"GET / HTTP/x.y", "refused malformed_request"),
    ("version +1.1", b"GET / HTTP/+1.1", "refused malformed_request"),
    ("version in lower case", b"GET / http/1.1", "refused malformed_request"),
    ("version in mixed case", b"GET / Http/1.1", "refused malformed_request"),
    ("version of another protocol", b"GET / RTSP/1.0", "refused malformed_request"),
    ("version without a slash", b"GET / HTTP1.1", "refused malformed_request"),
    ("version with a space", b"GET / HTTP/ 1.1", "refused malformed_request"),
];

#[test]
fn request_lines() {
    for (id, line, expected) in LINES {
        check(id, &[line, b"\r\nHost: a\r\n\r\n".as_slice()].concat(), expected);
    }
}

const FIELDS: &[(&str, &[u8], &str)] = &[
    // Field lines as such.
    ("an empty value", b"X:", "no body"),
    ("blanks around a value", b"Content-Length: \t 5 \t", "5 bytes"),
    ("no blank before a value", b"Content-Length:5", "5 bytes"),
    ("bytes above ASCII in a value", b"X: caf\xc3\xa9 \xff", "no body"),
    ("a tab in a value", b"X: a\tb", "no body"),
    ("every token character in a name", b"!#$%&'*+-.^_`|~09aZ: x", "no body"),
    ("a colon in a value", b"X: a:b: c", "no body"),
    ("a space before the colon", b"Content-Length : 5", "refused malformed_request: white space in or after"),
    ("a tab before the colon", b"Content-Length\t: 5", "refused malformed_request: white space in or after"),
    ("a space in a name", b"Content Length: 5", "refused malformed_request: white space in or after"),
    ("an empty name", b": x", "refused malformed_request: without a name"),
    ("no colon", b"Content-Length", "refused malformed_request: without a colon"),
    ("a name with a NUL", b"X\0Y: 1", "refused malformed_request: `\\x00`"),
    ("a name with a slash", b"X/Y: 1", "refused malformed_request: field name may not hold"),
    ("a name in quotes", b"\"X\": 1", "refused malformed_request: field name may not hold"),
    ("a name with a parenthesis", b"X(: 1", "refused malformed_request: field name may not hold"),
    ("a name with an at sign", b"X@: 1", "refused malformed_request: field name may not hold"),
    ("a name with brackets", b"[X]: 1", "refused malformed_request: field name may not hold"),
    ("a name with UTF-8", b"X\xc3\xa9: 1", "refused malformed_request: field name may not hold"),
    ("a name with a control", b"X\x0b: 1", "refused malformed_request: field name may not hold"),
    ("a name with a delete", b"X\x7f: 1", "refused malformed_request: field name may not hold"),
    ("a name after a no-break space", b"\xa0X: 1", "refused malformed_request: field name may not hold"),
    ("a name after a byte order mark", b"\xef\xbb\xbfX: 1", "refused malformed_request: field name may not hold"),
    ("a name with a bare CR", b"X\r: 1", "refused malformed_request"),
    ("a line folded by a space", b"X: a\r\n b", "refused malformed_request: obs-fold"),
    ("a line folded by a tab", b"X: a\r\n\tb", "refused malformed_request: obs-fold"),
    ("a folded Content-Length", b"Content-Length:\r\n 5", "refused malformed_request: obs-fold"),
    ("a folded Transfer-Encoding", b"Transfer-Encoding:\r\n chunked", "refused malformed_request: obs-fold"),
    ("a line of a space alone", b"X: a\r\n ", "refused malformed_request: obs-fold"),
    ("a NUL in a value", b"X: a\0b", "refused malformed_request: control"),
    ("a bell in a value", b"X: a\x07", "refused malformed_request: control"),
    ("an escape in a value", b"X: \x1b[31m", "refused malformed_request: control"),
    ("a delete in a value", b"X: \x7f", "refused malformed_request: control"),
    ("a vertical tab in a value", b"X: a\x0bb", "refused malformed_request: control"),
    ("a form feed in a value", b"X: a\x0cb", "refused malformed_request: control"),
    ("a bare CR in a value", b"X: a\rb", "refused malformed_request: a CR that no LF follows"),
    ("a bare CR at a value's beginning", b"X:\r5", "refused malformed_request: a CR that no LF follows"),
    ("a bare CR and a field behind it", b"X: a\rContent-Length: 5", "refused malformed_request: a CR"),
    ("two CR at the end of a line", b"X: a\r", "refused malformed_request: a CR"),
    ("a bare LF in a value", b"X: a\nContent-Length: 5", "refused malformed_request: an LF without a CR"),
    ("a bare LF after a name", b"X\nY: b", "refused malformed_request: an LF without a CR"),
    ("a bare LF as a line", b"X: a\r\n\nY: b", "refused malformed_request: an LF without a CR"),
    ("a bare LF that ends the head", b"X: a\n\n", "refused malformed_request: an LF without a CR"),
    ("CR LF LF", b"X: a\r\n\n", "refused malformed_request: an LF without a CR"),
    ("LF CR", b"X: a\n\rY: b", "refused malformed_request: an LF without a CR"),
    // Content-Length.
    ("a length", b"Content-Length: 5", "5 bytes"),
    ("a length of 0", b"Content-Length: 0", "0 bytes"),
    ("a length in capitals", b"CONTENT-LENGTH: 5", "5 bytes"),
    ("a length with zeros before it", b"Content-Length: 005", "5 bytes"),
    ("the largest length", b"Content-Length: 9223372036854775807", "9223372036854775807 bytes"),
    ("a length one too large", b"Content-Length: 9223372036854775808", "refused ambiguous_framing"),
    ("a length of 2^64", b"Content-Length: 18446744073709551616", "refused ambiguous_framing"),
    ("a length of 2^64 and 5", b"Content-Length: 18446744073709551621", "refused ambiguous_framing"),
    (
        "a length of forty digits",
        b"Content-Length: 0000000000000000000000000000000000000005",
        "refused ambiguous_framing",
    ),
    ("an empty length", b"Content-Length:", "refused ambiguous_framing: not a plain number"),
    ("a blank length", b"Content-Length: \t ", "refused ambiguous_framing"),
    ("a length with a plus", b"Content-Length: +5", "refused ambiguous_framing: `+5`"),
    ("a length with a minus", b"Content-Length: -5", "refused ambiguous_framing"),
    ("a length of minus 0", b"Content-Length: -0", "refused ambiguous_framing"),
    ("a length with a space", b"Content-Length: 5 0", "refused ambiguous_framing"),
    ("a length with a tab", b"Content-Length: 5\t0", "refused ambiguous_framing"),
    ("a length in hexadecimal", b"Content-Length: 0x5", "refused ambiguous_framing"),
    ("a length in octal", b"Content-Length: 0o5", "refused ambiguous_framing"),
    ("a length in hexadecimal without a prefix", b"Content-Length: a", "refused ambiguous_framing"),
    ("a length with an underscore", b"Content-Length: 1_0", "refused ambiguous_framing"),
    ("a length with a point", b"Content-Length: 5.0", "refused ambiguous_framing"),
    ("a length with an exponent", b"Content-Length: 1e1", "refused ambiguous_framing"),
    ("a length in quotes", b"Content-Length: \"5\"", "refused ambiguous_framing"),
    ("a length with a semicolon", b"Content-Length: 5;", "refused ambiguous_framing"),
    ("a length with a comma", b"Content-Length: 5,", "refused ambiguous_framing"),
    ("a list of equal lengths", b"Content-Length: 5, 5", "refused ambiguous_framing"),
    ("a list of lengths", b"Content-Length: 5, 6", "refused ambiguous_framing"),
    ("a list without a space", b"Content-Length: 5,5", "refused ambiguous_framing"),
    ("a list that begins empty", b"Content-Length: ,5", "refused ambiguous_framing"),
    ("a length in Arabic digits", b"Content-Length: \xd9\xa5", "refused ambiguous_framing"),
    ("a length behind a no-break space", b"Content-Length: \xa05", "refused ambiguous_framing"),
    ("a length of letters", b"Content-Length: five", "refused ambiguous_framing"),
    ("a length with a NUL behind it", b"Content-Length: 5\0", "refused malformed_request: control"),
    ("two equal lengths", b"Content-Length: 5\r\nContent-Length: 5", "refused ambiguous_framing: a second"),
    ("two lengths", b"Content-Length: 5\r\nContent-Length: 6", "refused ambiguous_framing: a second"),
    ("two lengths in other cases", b"content-length: 0\r\nCONTENT-LENGTH: 5", "refused ambiguous_framing: a second"),
    ("a length with an underscore for the dash", b"Content_Length: 5", "refused ambiguous_framing: some read"),
    ("a coding with an underscore for the dash", b"TRANSFER_encoding: chunked", "refused ambiguous_framing: some read"),
    ("a name that only looks long", b"Content.Length: 5", "no body"),
    // Transfer-Encoding.
    ("chunked", b"Transfer-Encoding: chunked", "chunks"),
    ("chunked in capitals", b"TRANSFER-ENCODING: CHUNKED", "chunks"),
    ("chunked with blanks around", b"Transfer-Encoding:\t chunked \t", "chunks"),
    (
        "chunked before a length",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        "refused ambiguous_framing: beside",
    ),
    ("chunked after a length", b"Content-Length: 5\r\nTransfer-Encoding: chunked", "refused ambiguous_framing: beside"),
    (
        "chunked and a length of 0",
        b"Content-Length: 0\r\nTransfer-Encoding: chunked",
        "refused ambiguous_framing: beside",
    ),
    (
        "chunked twice",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "refused ambiguous_framing: a second",
    ),
    ("chunked twice in a list", b"Transfer-Encoding: chunked, chunked", "refused ambiguous_framing: other than"),
    ("chunked, identity", b"Transfer-Encoding: chunked, identity", "refused ambiguous_framing: other than"),
    ("identity, chunked", b"Transfer-Encoding: identity, chunked", "refused ambiguous_framing: other than"),
    ("identity", b"Transfer-Encoding: identity", "refused ambiguous_framing: other than"),
    (
        "identity in a field of its own",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "refused ambiguous_framing",
    ),
    ("gzip", b"Transfer-Encoding: gzip", "refused ambiguous_framing: other than"),
    ("gzip, chunked", b"Transfer-Encoding: gzip, chunked", "refused ambiguous_framing: other than"),
    ("xchunked", b"Transfer-Encoding: xchunked", "refused ambiguous_framing: other than"),
    ("chunkedx", b"Transfer-Encoding: chunkedx", "refused ambiguous_framing: other than"),
    ("chunk", b"Transfer-Encoding: chunk", "refused ambiguous_framing: other than"),
    ("cow", b"Transfer-Encoding: cow", "refused ambiguous_framing: other than"),
    ("no coding", b"Transfer-Encoding:", "refused ambiguous_framing: other than"),
    ("a comma behind chunked", b"Transfer-Encoding: chunked,", "refused ambiguous_framing: other than"),
    ("a comma before chunked", b"Transfer-Encoding: ,chunked", "refused ambiguous_framing: other than"),
    ("chunked with a parameter", b"Transfer-Encoding: chunked;q=1", "refused ambiguous_framing: other than"),
    ("chunked with a semicolon", b"Transfer-Encoding: chunked;", "refused ambiguous_framing: other than"),
    ("chunked in quotes", b"Transfer-Encoding: \"chunked\"", "refused ambiguous_framing: other than"),
    ("chunked in single quotes", b"Transfer-Encoding: 'chunked'", "refused ambiguous_framing: other than"),
    ("chunked after a vertical tab", b"Transfer-Encoding: \x0bchunked", "refused malformed_request: control"),
    ("chunked before a vertical tab", b"Transfer-Encoding: chunked\x0b", "refused malformed_request: control"),
    ("chunked with a bare CR before", b"Transfer-Encoding:\rchunked", "refused malformed_request: a CR"),
    ("chunked after a bare LF", b"X: y\nTransfer-Encoding: chunked", "refused malformed_request: an LF"),
    ("chunked with a dotted capital K's sign", b"Transfer-Encoding: chun\xe2\x84\xaaed", "refused ambiguous_framing"),
    ("chunked behind a no-break space", b"Transfer-Encoding: \xa0chunked", "refused ambiguous_framing"),
    (
        "a coding with a space before the colon",
        b"Transfer-Encoding : chunked",
        "refused malformed_request: white space",
    ),
    ("a coding behind a space", b" Transfer-Encoding: chunked", "refused malformed_request: obs-fold"),
    ("another name for it", b"X-Transfer-Encoding: chunked", "no body"),
    // Host.
    ("a second Host", b"Host: a", "refused invalid_host: a second"),
    ("a second Host that differs", b"host: b", "refused invalid_host: a second"),
    ("a second Host that is empty", b"HOST:", "refused invalid_host: a second"),
    // Connection.
    ("close", b"Connection: close", "no body, closes"),
    ("close in capitals", b"CONNECTION: CLOSE", "no body, closes"),
    ("keep-alive", b"Connection: Keep-Alive", "no body"),
    ("close beats keep-alive", b"Connection: keep-alive, close", "no body, closes"),
    ("close in a second field", b"Connection: keep-alive\r\nConnection: close", "no body, closes"),
    ("empty elements", b"Connection: , close,,", "no body, closes"),
    ("an empty Connection", b"Connection:", "no body"),
    ("it names TE", b"Connection: TE\r\nTE: trailers", "no body, trailers"),
    ("it names a field of somebody's", b"Connection: X-Foo", "no body"),
    ("it names Host", b"Connection: Host", "refused forbidden_connection_option"),
    ("it names Host among others", b"Connection: close, host", "refused forbidden_connection_option"),
    ("it names Content-Length", b"Connection: content-length", "refused forbidden_connection_option"),
    ("it names Transfer-Encoding", b"Connection: keep-alive, Transfer-Encoding", "refused forbidden_connection_option"),
    ("it names Authorization", b"Connection: authorization", "refused forbidden_connection_option"),
    ("it names Cookie", b"Connection: Cookie", "refused forbidden_connection_option"),
    ("it names Forwarded", b"Connection: Forwarded", "refused forbidden_connection_option"),
    ("it names X-Forwarded-For", b"Connection: X-Forwarded-For", "refused forbidden_connection_option"),
    ("it names X-Forwarded-Proto", b"Connection: x-forwarded-proto", "refused forbidden_connection_option"),
    ("it names some X-Forwarded field", b"Connection: X-Forwarded-Anything", "refused forbidden_connection_option"),
    ("it names one in a second field", b"Connection: close\r\nConnection: Host", "refused forbidden_connection_option"),
    ("an option that is no token", b"Connection: clo se", "refused malformed_request: not a token"),
    ("an option with a semicolon", b"Connection: close;", "refused malformed_request: not a token"),
    ("an option in quotes", b"Connection: \"close\"", "refused malformed_request: not a token"),
    ("an option of UTF-8", b"Connection: \xc3\xa9", "refused malformed_request: not a token"),
    ("Proxy-Connection says nothing", b"Proxy-Connection: close", "no body"),
    ("Keep-Alive says nothing", b"Keep-Alive: timeout=5", "no body"),
    // Expect.
    ("it waits for 100", b"Content-Length: 5\r\nExpect: 100-continue", "5 bytes, waits for 100"),
    ("it waits for 100 in capitals", b"Transfer-Encoding: chunked\r\nExpect: 100-CONTINUE", "chunks, waits for 100"),
    ("it waits without a body", b"Expect: 100-continue", "no body"),
    ("it waits with an empty body", b"Content-Length: 0\r\nExpect: 100-continue", "0 bytes"),
    ("another expectation", b"Expect: 200-ok", "refused expectation_failed"),
    ("an empty expectation", b"Expect:", "refused expectation_failed"),
    ("one expectation of two", b"Expect: 100-continue, x", "refused expectation_failed"),
    ("a second expectation", b"Expect: 100-continue\r\nExpect: x", "refused expectation_failed"),
    ("an expectation with a parameter", b"Expect: 100-continue;a=b", "refused expectation_failed"),
    // Upgrade.
    ("a WebSocket", b"Connection: Upgrade\r\nUpgrade: websocket", "no body, websocket"),
    ("a WebSocket of Firefox", b"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket", "no body, websocket"),
    (
        "a WebSocket with an empty body",
        b"Content-Length: 0\r\nConnection: upgrade\r\nUpgrade: websocket",
        "0 bytes, websocket",
    ),
    ("a WebSocket with a body", b"Content-Length: 5\r\nConnection: upgrade\r\nUpgrade: websocket", "5 bytes"),
    ("a WebSocket with chunks", b"Transfer-Encoding: chunked\r\nConnection: upgrade\r\nUpgrade: websocket", "chunks"),
    ("an Upgrade that Connection does not name", b"Upgrade: websocket", "no body"),
    ("h2c", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", "no body"),
    ("h2c beside WebSocket", b"Connection: upgrade\r\nUpgrade: websocket, h2c", "no body"),
    ("h2c in a field of its own", b"Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c", "no body"),
    ("a WebSocket with a version", b"Connection: upgrade\r\nUpgrade: websocket/13", "no body"),
    ("an Upgrade to TLS", b"Connection: upgrade\r\nUpgrade: TLS/1.0", "no body"),
    // The rest.
    ("trailers are taken", b"TE: gzip, trailers", "no body, trailers"),
    ("trailers are not taken", b"TE: gzip", "no body"),
    ("Max-Forwards is for OPTIONS", b"Max-Forwards: x", "no body"),
];

#[test]
fn fields() {
    for (id, fields, expected) in FIELDS {
        let bytes = [b"GET / HTTP/1.1\r\nHost: a\r\n".as_slice(), fields, b"\r\n\r\n"].concat();
        let whole =
            if expected.starts_with("refused") { (*expected).into() } else { format!("GET Origin /, a, {expected}") };
        check(id, &bytes, &whole);
    }
}

const HEADS: &[(&str, &[u8], &str)] = &[
    ("nothing", b"", "more is needed"),
    ("half a line", b"GET / HT", "more is needed"),
    ("half a head", b"GET / HTTP/1.1\r\nHost: a\r\n", "more is needed"),
    ("all but the last byte", b"GET / HTTP/1.1\r\nHost: a\r\n\r", "more is needed"),
    ("an empty line alone", b"\r\n", "more is needed"),
    ("one empty line before the request", b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET Origin /, a, no body"),
    (
        "two empty lines before the request",
        b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "refused malformed_request: byte 2: more than one empty line",
    ),
    (
        "a bare LF before the request",
        b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "refused malformed_request: byte 0: an LF",
    ),
    ("a bare CR before the request", b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", "refused malformed_request: byte 0: a CR"),
    (
        "an empty line and a space",
        b"\r\n GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "refused malformed_request: byte 2: white space",
    ),
    ("a TLS hello", b"\x16\x03\x01\x02\x00", "refused malformed_request: byte 0: no method"),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "refused unsupported_version: byte 6"),
    ("all lines by bare LF", b"GET / HTTP/1.1\nHost: a\n\n", "refused malformed_request: byte 14: an LF"),
    ("the request line by bare LF", b"GET / HTTP/1.1\nHost: a\r\n\r\n", "refused malformed_request: byte 14: an LF"),
    ("all lines by bare CR", b"GET / HTTP/1.1\rHost: a\r\r\n\r\n", "refused malformed_request"),
    (
        "nothing but bare CRs, which no LF follows at all",
        b"GET / HTTP/1.1\rHost: a\r\r",
        "refused malformed_request: byte 14",
    ),
    ("a NUL in a line that does not end", b"GET / HTTP/1.1\r\nHost: a\0", "refused malformed_request: byte 23"),
    ("the method by bare LF", b"GET\n/ HTTP/1.1\r\nHost: a\r\n\r\n", "refused malformed_request: byte 3: an LF"),
    ("the target by bare LF", b"GET /\nHTTP/1.1\r\nHost: a\r\n\r\n", "refused malformed_request: byte 5: an LF"),
    (
        "white space before the first field",
        b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "refused malformed_request: byte 16: a line that begins with white space",
    ),
    (
        "a tab before the first field",
        b"GET / HTTP/1.1\r\n\tX: y\r\nHost: a\r\n\r\n",
        "refused malformed_request: obs-fold",
    ),
    ("a space as the only field", b"GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n", "refused malformed_request: obs-fold"),
    ("no Host in 1.1", b"GET / HTTP/1.1\r\n\r\n", "refused invalid_host: without Host"),
    ("no Host in 1.1, absolute form", b"GET http://a/ HTTP/1.1\r\n\r\n", "refused invalid_host: without Host"),
    ("an empty Host", b"GET / HTTP/1.1\r\nHost:\r\n\r\n", "refused invalid_host: empty"),
    ("a blank Host", b"GET / HTTP/1.1\r\nHost: \t\r\n\r\n", "refused invalid_host: empty"),
    ("an empty Host in 1.0", b"GET / HTTP/1.0\r\nHost:\r\n\r\n", "refused invalid_host: empty"),
    ("no Host in 1.0", b"GET / HTTP/1.0\r\n\r\n", "GET Origin /, 1.0, no host, no body, closes"),
    ("no Host in 1.0, absolute form", b"GET http://a/ HTTP/1.0\r\n\r\n", "GET Absolute /, 1.0, a, no body, closes"),
    ("keep-alive in 1.0", b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET Origin /, 1.0, no host, no body"),
    (
        "close beats keep-alive in 1.0",
        b"GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n",
        "GET Origin /, 1.0, no host, no body, closes",
    ),
    (
        "Proxy-Connection in 1.0",
        b"GET / HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n",
        "GET Origin /, 1.0, no host, no body, closes",
    ),
    (
        "a length in 1.0",
        b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n",
        "POST Origin /, 1.0, no host, 5 bytes, closes",
    ),
    (
        "chunked in 1.0",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "refused ambiguous_framing: in HTTP/1.0",
    ),
    (
        "identity in 1.0",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: identity\r\n\r\n",
        "refused ambiguous_framing: in HTTP/1.0",
    ),
    (
        "100-continue in 1.0",
        b"POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        "POST Origin /, 1.0, no host, 5 bytes, closes",
    ),
    (
        "a WebSocket in 1.0",
        b"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET Origin /, 1.0, no host, no body, closes",
    ),
    (
        "a WebSocket by POST",
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "POST Origin /, a, no body",
    ),
    ("a POST without a length", b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", "POST Origin /, a, no body"),
    ("a GET with a body", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "GET Origin /, a, 5 bytes"),
    (
        "a HEAD with a body",
        b"HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HEAD Origin /, a, chunks",
    ),
    ("a Host with a port", b"GET / HTTP/1.1\r\nHost: a:8080\r\n\r\n", "GET Origin /, a port 8080, no body"),
    ("a Host that is an address", b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "GET Origin /, [::1] port 80, no body"),
    ("a Host with a user", b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "refused invalid_host"),
    ("a Host with a path", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "refused invalid_host"),
    ("a Host with a scheme", b"GET / HTTP/1.1\r\nHost: http://a\r\n\r\n", "refused invalid_host"),
    ("a Host with a space", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "refused invalid_host"),
    ("a Host with two names", b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "refused invalid_host"),
    ("a Host with an escape", b"GET / HTTP/1.1\r\nHost: a%00\r\n\r\n", "refused invalid_host"),
    ("a Host with a port too large", b"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", "refused invalid_host: no port"),
    ("a Host with a port of letters", b"GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", "refused invalid_host: no port"),
    ("a Host with an open bracket", b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "refused invalid_host: brackets"),
    ("a Host behind an asterisk", b"OPTIONS * HTTP/1.1\r\nHost: a:81\r\n\r\n", "OPTIONS Asterisk , a port 81, no body"),
    (
        "an absolute form with addresses",
        b"GET http://[::1]/ HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        "GET Absolute /, [::1], no body",
    ),
    ("hops", b"OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n", "OPTIONS Origin /, a, no body, 0 hops"),
    (
        "many hops",
        b"OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 99999999999\r\n\r\n",
        "OPTIONS Origin /, a, no body, 4294967295 hops",
    ),
    (
        "hops below zero",
        b"OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: -1\r\n\r\n",
        "refused malformed_request: Max-Forwards",
    ),
    ("no hops", b"OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards:\r\n\r\n", "refused malformed_request: Max-Forwards"),
    (
        "hops twice",
        b"OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 1\r\nMax-Forwards: 1\r\n\r\n",
        "refused malformed_request: Max-Forwards",
    ),
    ("what follows is not looked at", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\0\0\n\r", "GET Origin /, a, no body"),
];

#[test]
fn heads() {
    for (id, bytes, expected) in HEADS {
        check(id, bytes, expected);
    }
}

#[test]
fn a_head_that_is_too_large_is_refused_by_the_setting_that_it_breaks() {
    let limits = HeadLimits { bytes: 64, fields: 2, line: 20 };
    for (id, bytes, expected) in [
        ("a line as long as allowed", "GET /567890 HTTP/1.1\r\nHost: a\r\n\r\n", "GET Origin /567890, a, no body"),
        ("a line one too long", "GET /5678901 HTTP/1.1\r\nHost: a\r\n\r\n", "refused request_line_too_long"),
        ("a line one too long, not whole", "GET /5678901 HTTP/1.1\r", "refused request_line_too_long"),
        (
            "a long line that ends badly before it is too long",
            "GET /\x00678901 HTTP/1.1\r\n",
            "refused malformed_request",
        ),
        (
            "a long line that is wrong before it is too long",
            "GET #5678901 HTTP/1.1\r\n",
            "refused request_line_too_long",
        ),
        ("a long line that ends badly beyond that", "GET /56789012 HTTP/1.1\0\r\n", "refused request_line_too_long"),
        (
            "an empty line before it does not count",
            "\r\nGET /567890 HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET Origin /567890, a, no body",
        ),
        ("as many fields as allowed", "GET / HTTP/1.1\r\nHost: a\r\nB: b\r\n\r\n", "GET Origin /, a, no body"),
        ("a field too many", "GET / HTTP/1.1\r\nHost: a\r\nB: b\r\nC: c\r\n\r\n", "refused too_many_headers"),
        (
            "as many bytes as allowed",
            &format!("GET / HTTP/1.1\r\nHost: a\r\nB: {}\r\n\r\n", "b".repeat(32)),
            "GET Origin /, a, no body",
        ),
        (
            "a byte too many",
            &format!("GET / HTTP/1.1\r\nHost: a\r\nB: {}\r\n\r\n", "b".repeat(33)),
            "refused head_too_large",
        ),
        (
            "too many, without an end",
            &format!("GET / HTTP/1.1\r\nHost: a\r\nB: {}", "b".repeat(50)),
            "refused head_too_large",
        ),
        (
            "too many, and wrong beyond that",
            &format!("GET / HTTP/1.1\r\nHost: a\r\nB: {}\0\r\n\r\n", "b".repeat(50)),
            "refused head_too_large",
        ),
    ] {
        for step in 1..bytes.len() {
            let found = sentence(bytes.as_bytes(), step, &limits);
            assert!(agrees(&found, expected), "{id}, by {step}:\n found    {found}\n expected {expected}");
        }
    }
}

#[test]
fn a_reason_shows_at_most_forty_bytes_of_a_strangers() {
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", "\u{1F600}".repeat(40));
    let failure = super::request(request.as_bytes(), 1000, &LIMITS).unwrap_err();
    assert_eq!(failure.reason.matches("\\x").count(), 40);
    assert!(failure.reason.starts_with("byte 41: ") && failure.reason.ends_with("..."));
}

#[test]
fn what_connection_names_ends_here_and_so_does_all_that_is_hop_by_hop() {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-One ,te\r\nX-ONE: 1\r\nX-Two: 2\r\nconnection:x-three,via\r\n\
        X-Three: 3\r\nVia: 1.1 x\r\nKeep-Alive: 1\r\nTE: trailers\r\nTrailer: X\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\
        Proxy-Connection: x\r\nProxy-Authorization: x\r\nClose: x\r\nExpect: 100-continue\r\n\r\n";
    let (head, _) = super::request(request, request.len(), &LIMITS).unwrap().unwrap();
    let dropped = super::super::Dropped::of_request(request, &head);
    let kept: Vec<_> = head.fields.iter().filter(|field| !dropped.drops(request, field)).collect();
    let names: Vec<_> = kept.iter().map(|field| String::from_utf8_lossy(field.name.of(request))).collect();
    assert_eq!(names, ["Host", "X-Two", "Trailer", "Close", "Expect"]);
}

#[test]
fn connection_may_name_only_so_many_fields() {
    let naming = |n: usize| {
        let names: Vec<_> = (0..n).map(|i| format!("x-{i}")).collect();
        format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {}\r\n\r\n", names.join(", "))
    };
    assert!(super::request(naming(32).as_bytes(), 1000, &LIMITS).is_ok());
    assert!(super::request(naming(33).as_bytes(), 1000, &LIMITS).is_err());
}
