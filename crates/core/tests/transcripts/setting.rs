//! The configuration that a transcript's first lines tell: one listener, one route to one upstream, with the defaults
//! that a user gets; a line changes one of them, or adds a route that answers without an upstream.

use std::cell::OnceCell;
use std::collections::HashMap;

use serde_json::{Value, json};
use tidegate_core::snapshot::compiled::Compiled;
use tidegate_core::snapshot::document::Document;

use crate::script::read_duration;

/// The snapshot document, and what else a transcript may say at its top.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    document: Value,
    decoded: OnceCell<Result<Document, String>>,
    /// The client has more connections than it may.
    pub(crate) crowded: bool,
    /// What shows issuers that names are ours: tokens with their answers.
    challenges: HashMap<String, String>,
}

impl Default for Setting {
    fn default() -> Self {
        Self { document: defaults(), decoded: OnceCell::new(), crowded: false, challenges: HashMap::new() }
    }
}

impl Setting {
    /// Takes a line, as `listener    timeouts.idle 5s`.
    pub(crate) fn take(&mut self, line: &str) -> Result<(), String> {
        self.decoded = OnceCell::new();
        let (part, rest) = line.split_once(' ').ok_or("no setting that is known")?;
        let (key, value) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
        let value = value.trim();
        match (part, key) {
            ("client", "crowded") => self.crowded = true,
            ("challenge", token) => drop(self.challenges.insert(token.to_owned(), value.to_owned())),
            ("respond" | "builtin", path) => self.add_route(path, answer(part, value)),
            ("target", path) => self.add_route(path, serde_json::from_str(value).map_err(|says| says.to_string())?),
            ("upstream", "another") => self.add_upstream(value)?,
            ("route", "only" | "mirror") => {
                self.document["routes"][0][key] = serde_json::from_str(value).map_err(|says| says.to_string())?;
            }
            ("route", "buffer_request" | "body_limit") => {
                let size: u64 = value.parse().map_err(|_| "no size")?;
                self.add_filter(key, json!({"size": size}))?;
            }
            (
                "route",
                "request_headers" | "response_headers" | "rewrite" | "fault" | "allow" | "deny" | "request_id"
                | "error_pages",
            ) => {
                self.add_filter(key, read_filter(value)?)?;
            }
            ("listener", "error_pages") => {
                self.document["listeners"][0][key] = read_filter(value)?;
            }
            ("route", "retry") => self.document["routes"][0][key] = retry(value)?,
            ("upstream", "persist") => self.document["upstreams"][0][key] = persist(value)?,
            ("upstream", "retry_budget") => {
                self.document["upstreams"][0][key] = serde_json::from_str(value).map_err(|says| says.to_string())?;
            }
            ("listener", "http2") => {
                self.document["listeners"][0][key] = serde_json::from_str(value).map_err(|says| says.to_string())?;
            }
            ("route", "host") => self.document["routes"][0]["host"] = json!(value),
            ("upstream", "endpoints") => self.document["upstreams"][0]["endpoints"] = endpoints(value),
            _ => self.change(part, key, value)?,
        }
        Ok(())
    }

    /// The snapshot as the road reads it, after `previous`.
    pub(crate) fn compile(&self, previous: Option<&Compiled>) -> Result<Compiled, String> {
        // Decoded once, and compiled for each play: what is known of endpoints must not outlive one.
        let read = || serde_json::from_value(self.document.clone()).map_err(|says| says.to_string());
        let document = self.decoded.get_or_init(read).clone()?;
        let compiled = Compiled::build(document, previous).map_err(|says| says.join("; "))?;
        compiled.challenges.set(self.challenges.clone());
        Ok(compiled)
    }

    /// Whether something may be waited for without an end.
    pub(crate) fn has_no_limit(&self) -> bool {
        let timeouts = [&self.document["listeners"][0]["timeouts"], &self.document["routes"][0]["timeouts"]];
        timeouts.iter().filter_map(|part| part.as_object()).flatten().any(|(key, ms)| key != "max_age_ms" && *ms == 0)
    }

    /// Whether a request's body is passed on as it comes.
    pub(crate) fn is_streaming(&self) -> bool {
        self.document["routes"][0]["filters"]
            .as_array()
            .is_some_and(|all| all.iter().all(|each| each["buffer_request"].is_null()))
    }

    fn change(&mut self, part: &str, key: &str, value: &str) -> Result<(), String> {
        let (key, value) = match (read_duration(value), value.parse::<u64>()) {
            (Some(time), _) => (format!("{key}_ms"), json!(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))),
            (None, Ok(number)) => (key.to_owned(), json!(number)),
            (None, Err(_)) if value == "true" => (key.to_owned(), json!(true)),
            (None, Err(_)) if value.starts_with('[') => {
                (key.to_owned(), serde_json::from_str(value).map_err(|says| says.to_string())?)
            }
            (None, Err(_)) => (key.to_owned(), json!(value)),
        };
        let place = format!("/{part}s/0/{}", key.replace('.', "/"));
        *self.document.pointer_mut(&place).ok_or("no setting that is known")? = value;
        Ok(())
    }

    /// A filter of the last route, as the snapshot has it.
    fn add_filter(&mut self, kind: &str, filter: Value) -> Result<(), String> {
        let route = self.document["routes"].as_array_mut().and_then(|routes| routes.last_mut());
        let filters = route.and_then(|route| route["filters"].as_array_mut());
        filters.ok_or("there is no route")?.push(json!({ kind: filter }));
        Ok(())
    }

    /// A route for one path.
    fn add_route(&mut self, path: &str, to: Value) {
        let mut route = self.document["routes"][0].clone();
        route["name"] = json!(path);
        route["path"] = json!({ "exact": path });
        route["to"] = to;
        self.document["routes"].as_array_mut().expect("routes are a list").push(route);
    }

    /// An upstream like the first one: `canary 10.0.0.9:80`.
    fn add_upstream(&mut self, value: &str) -> Result<(), String> {
        let (name, addresses) = value.split_once(' ').ok_or("no endpoints")?;
        let mut another = self.document["upstreams"][0].clone();
        another["name"] = json!(name);
        another["endpoints"] = endpoints(addresses);
        self.document["upstreams"].as_array_mut().expect("upstreams are a list").push(another);
        Ok(())
    }
}

/// An answer of ours, as `respond /healthz 200 ok`, or `builtin /livez livez`.
fn answer(part: &str, value: &str) -> Value {
    if part == "builtin" {
        return json!({ part: value });
    }
    let (status, body) = value.split_once(' ').map_or((value, ""), |(status, body)| (status, body));
    let body = if body.is_empty() { String::new() } else { format!("{body}\n") };
    json!({"respond": {"status": status.parse::<u16>().unwrap_or(0), "body": body}})
}

/// A filter as the snapshot has it, but for templates, which are written as a user writes them.
fn read_filter(text: &str) -> Result<Value, String> {
    let mut filter: Value = serde_json::from_str(text).map_err(|says| says.to_string())?;
    for key in ["set", "add", "append"] {
        for line in filter.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
            line[1] = template(&line[1]);
        }
    }
    for key in ["path", "query", "host"] {
        if let Some(text) = filter.get_mut(key) {
            *text = template(text);
        }
    }
    for page in filter.as_array_mut().into_iter().flatten().filter(|page| page.is_object()) {
        page["body"] = template(&page["body"]);
    }
    Ok(filter)
}

/// `{"attempts": 3, "reset": true}`: what a policy says other than that a connect is tried again.
fn retry(text: &str) -> Result<Value, String> {
    let mut policy = json!({
        "attempts": 3, "reset": false, "statuses": [], "per_try_ms": 0, "body": 65_536, "base_ms": 25, "most_ms": 250,
    });
    overlay(&mut policy, text)?;
    Ok(policy)
}

/// Puts what `text` says in the place of what is said already.
fn overlay(over: &mut Value, text: &str) -> Result<(), String> {
    let said: Value = serde_json::from_str(text).map_err(|says| says.to_string())?;
    for (key, value) in said.as_object().into_iter().flatten() {
        over[key] = value.clone();
    }
    Ok(())
}

/// `{"strict": true}`: what is said of sessions other than that a cookie `srv` names the first endpoint `one`, or `old` as it
/// did before, and the second one `two`.
fn persist(text: &str) -> Result<Value, String> {
    let mut persist = json!({
        "from": {"cookie": "srv"}, "field": "set-cookie", "before": "srv=", "behind": "; Path=/",
        "behind_https": "; Secure", "strict": false, "tokens": [["one", "old"], ["two"]],
    });
    overlay(&mut persist, text)?;
    Ok(persist)
}

/// `/a{request.path}`: text, and words of the vocabulary.
fn template(text: &Value) -> Value {
    let parts = text.as_str().unwrap_or_default().split('{').flat_map(|part| match part.split_once('}') {
        Some((word, rest)) => vec![json!({ "word": word }), json!({ "literal": rest })],
        None => vec![json!({ "literal": part })],
    });
    parts.collect()
}

fn endpoints(addresses: &str) -> Value {
    let endpoint = |address: &str| json!({"address": address, "entry": address, "weight": 1, "draining": false});
    addresses.split_whitespace().map(endpoint).collect()
}

fn defaults() -> Value {
    json!({
        "format": 1, "number": 1, "source": "transcript", "since": 0.0, "threads": 1, "connections": 0,
        "access_log": null, "log": {"level": "info", "format": "text"},
        "listeners": [{
            "name": "web", "kind": "http", "binds": [],
            "forwarded": {"from": [], "field": "x-forwarded-for"},
            "proxy_protocol": false, "keep_underscores": false, "resolve_dot_segments": false,
            "timeouts": {"header_ms": 10_000, "idle_ms": 75_000, "tunnel_ms": 3_600_000, "max_age_ms": 0},
            "limits": {
                "header_bytes": 65_536, "headers": 128, "request_line": 16_384, "trailer_bytes": 8_192,
                "chunk_extension_bytes": 4_096, "body_bytes": 0, "body_rate": 240, "connections": 0,
                "connections_per_client": 0,
            },
            "error_pages": [],
        }],
        "routes": [{
            "name": "all", "place": "tidegate.yaml:1:1", "listeners": [0], "host": null, "path": null, "priority": 0,
            "timeouts": {"response_ms": 60_000, "idle_ms": 60_000}, "filters": [], "to": {"upstream": 0},
        }],
        "upstreams": [{
            "name": "api", "balance": "round_robin", "endpoints": endpoints("10.0.0.1:80"), "unresolved": [],
            "pool": {"idle_ms": 4_000, "connections": 0, "queue": 128, "wait_ms": 5_000, "connect_ms": 5_000},
            "proxy_protocol": "off", "health": null, "outlier": null, "panic_threshold": 0,
        }],
    })
}
