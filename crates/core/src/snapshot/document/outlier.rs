//! How endpoints that fail requests are ejected, as Python writes it (`python/tidegate/compile/outlier.py`).

use serde::Deserialize;

/// How endpoints that fail requests are ejected. Numbers that are 0 are off.
#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Outlier {
    /// Answers in a row with a status of 500 and more, or none.
    pub server_errors: u32,
    /// Answers in a row with 502, 503 or 504, or none.
    pub gateway_errors: u32,
    /// Requests in a row without a whole answer.
    pub broken: u32,
    /// How often endpoints are compared, and their ejections forgotten one by one, in milliseconds.
    pub interval_ms: u64,
    /// How long the first ejection lasts, in milliseconds; the n-th lasts n times as long.
    pub ejection_time_ms: u64,
    /// Longest ejection, in milliseconds.
    pub most_ejection_time_ms: u64,
    /// Most endpoints that may be ejected at once, in percent; one always may.
    pub most_ejected: u32,
    /// Far fewer good answers than the others.
    pub success_rate: SuccessRate,
    /// Far slower answers than the others.
    pub latency: Latency,
}

/// Far fewer good answers than the others.
#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct SuccessRate {
    /// So many standard deviations below the mean; 0 is off.
    pub deviations: f64,
    /// Only where so many endpoints have answered enough.
    pub endpoints: u32,
    /// What is enough: requests in one interval.
    pub requests: u64,
}

/// Far slower answers than the others.
#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// So many times the median of the others; 0 is off.
    pub factor: f64,
    /// And slower than that by so much, in milliseconds.
    pub least_ms: u64,
    /// Only where so many endpoints have answered enough.
    pub endpoints: u32,
    /// What is enough: requests in one interval.
    pub requests: u64,
}
