//! The text format of Prometheus, version 0.0.4, and OpenMetrics, version 1.0.0, which differ in little: the name of a
//! counter in its head, numbers that are bounds, and the end.

use tidegate_core::lane::Exposition;

use super::histogram::{BOUNDS, Totals};
use super::table::{Metric, Type};
use crate::log::append;

/// Writes the HELP and TYPE lines of `metric`.
pub(super) fn head(out: &mut Vec<u8>, metric: Metric, form: Exposition) {
    // In OpenMetrics `_total` belongs to the sample alone.
    let name = match (form, metric.kind()) {
        (Exposition::OpenMetrics, Type::Counter) => metric.name().trim_end_matches("_total"),
        (Exposition::OpenMetrics | Exposition::Text, _) => metric.name(),
    };
    out.extend_from_slice(b"# HELP ");
    out.extend_from_slice(name.as_bytes());
    out.push(b' ');
    for byte in metric.help().bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if form == Exposition::OpenMetrics => out.extend_from_slice(b"\\\""),
            other => out.push(other),
        }
    }
    out.extend_from_slice(b"\n# TYPE ");
    out.extend_from_slice(name.as_bytes());
    out.push(b' ');
    out.extend_from_slice(metric.kind().name().as_bytes());
    out.push(b'\n');
}

/// Writes the end of the text, so that one that was cut is known.
pub(super) fn end(out: &mut Vec<u8>, form: Exposition) {
    if form == Exposition::OpenMetrics {
        out.extend_from_slice(b"# EOF\n");
    }
}

/// Writes one sample of a counter or gauge; `values` are those of the metric's labels, in their order.
pub(super) fn sample(out: &mut Vec<u8>, metric: Metric, values: &[&str], value: u64) {
    series(out, metric, "", values, None);
    append::number(out, value);
    out.push(b'\n');
}

/// Writes one sample that is given in nanoseconds and read in seconds.
pub(super) fn seconds(out: &mut Vec<u8>, metric: Metric, values: &[&str], nanos: u128) {
    series(out, metric, "", values, None);
    decimal_seconds(out, nanos);
    out.push(b'\n');
}

/// Writes the buckets, the sum and the count of one histogram. The count is the last bucket, so both always agree.
pub(super) fn histogram(out: &mut Vec<u8>, metric: Metric, values: &[&str], totals: &Totals, form: Exposition) {
    let mut count = 0u64;
    let bounds = BOUNDS.iter().map(|(text, _)| *text).chain(["+Inf"]);
    for (bucket, bound) in totals.buckets.iter().zip(bounds) {
        count += bucket;
        series(out, metric, "_bucket", values, Some((bound, form)));
        append::number(out, count);
        out.push(b'\n');
    }
    series(out, metric, "_sum", values, None);
    decimal_seconds(out, totals.sum_ns);
    out.push(b'\n');
    series(out, metric, "_count", values, None);
    append::number(out, count);
    out.push(b'\n');
}

/// Writes a series' name, labels and the space before its value.
fn series(out: &mut Vec<u8>, metric: Metric, suffix: &str, values: &[&str], bound: Option<(&str, Exposition)>) {
    debug_assert_eq!(values.len(), metric.labels().len(), "each label of {} has a value", metric.name());
    out.extend_from_slice(metric.name().as_bytes());
    out.extend_from_slice(suffix.as_bytes());
    let labels = metric.labels().iter().copied().zip(values.iter().copied());
    let mut before = b'{';
    for (label, value) in labels.chain(bound.map(|(bound, _)| ("le", bound))) {
        out.push(before);
        out.extend_from_slice(label.as_bytes());
        out.extend_from_slice(b"=\"");
        label_value(out, value);
        if let ("le", Some((bound, Exposition::OpenMetrics))) = (label, bound)
            && bound.bytes().all(|byte| byte.is_ascii_digit())
        {
            out.extend_from_slice(b".0"); // a bound is a number with a point
        }
        out.push(b'"');
        before = b',';
    }
    if before == b',' {
        out.push(b'}');
    }
    out.push(b' ');
}

/// Writes a label's value with the three escapes that the format has.
fn label_value(out: &mut Vec<u8>, value: &str) {
    for byte in value.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'"' => out.extend_from_slice(b"\\\""),
            b'\n' => out.extend_from_slice(b"\\n"),
            other => out.push(other),
        }
    }
}

/// Writes nanoseconds as seconds with all nine digits after the point.
fn decimal_seconds(out: &mut Vec<u8>, nanos: u128) {
    append::number(out, u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX));
    out.push(b'.');
    append::digits(out, u64::try_from(nanos % 1_000_000_000).unwrap_or(0), 9);
}
