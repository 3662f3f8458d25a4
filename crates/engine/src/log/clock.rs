//! Moments of the wall clock as text: as RFC 3339 has them, and as the common log format does.

use super::append::{digits, number};

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// Writes moments in UTC. Keeps the text of the last second.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    second: u64,
    text: [u8; 20],
}

impl Default for Clock {
    fn default() -> Self {
        Self { second: 0, text: *b"1970-01-01T00:00:00." }
    }
}

impl Clock {
    /// Appends `unix_ns` nanoseconds since 1970 as `2026-11-24T06:00:00.000Z`.
    pub(super) fn append(&mut self, out: &mut Vec<u8>, unix_ns: u64) {
        let second = unix_ns / 1_000_000_000;
        if second != self.second {
            self.second = second;
            self.text = second_text(second);
        }
        out.extend_from_slice(&self.text);
        digits(out, unix_ns % 1_000_000_000 / 1_000_000, 3);
        out.push(b'Z');
    }
}

/// Appends `unix_ns` as the common log format has it: `24/Nov/2026:06:00:00 +0000`.
pub(super) fn common(out: &mut Vec<u8>, unix_ns: u64) {
    let second = unix_ns / 1_000_000_000;
    let (year, month, day) = date(second / 86_400);
    digits(out, day, 2);
    out.push(b'/');
    let name = usize::try_from(month).ok().and_then(|month| MONTHS.get(month.checked_sub(1)?));
    out.extend_from_slice(name.copied().unwrap_or(b"???"));
    out.push(b'/');
    number(out, year);
    for part in [second / 3600 % 24, second / 60 % 60, second % 60] {
        out.push(b':');
        digits(out, part, 2);
    }
    out.extend_from_slice(b" +0000");
}

fn second_text(second: u64) -> [u8; 20] {
    let (year, month, day) = date(second / 86_400);
    let of_day = second % 86_400;
    let mut text = Vec::with_capacity(20);
    let parts = [(year, 4, b'-'), (month, 2, b'-'), (day, 2, b'T')];
    let times = [(of_day / 3600, 2, b':'), (of_day / 60 % 60, 2, b':'), (of_day % 60, 2, b'.')];
    for (value, width, after) in parts.into_iter().chain(times) {
        digits(&mut text, value, width);
        text.push(after);
    }
    text.try_into().unwrap_or(*b"1970-01-01T00:00:00.")
}

/// Year, month and day, so many `days` after 1 January 1970. The calendar by H. Hinnant, "chrono-Compatible Low-Level
/// Date Algorithms", `civil_from_days`: years begin in March.
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(append: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        append(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn times_read_as_rfc_3339() {
        let mut clock = Clock::default();
        for (nanos, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999_999_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_001_000_000, "2000-03-01T00:00:00.001Z"),
            (1_798_761_599_500_000_000, "2026-12-31T23:59:59.500Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(text(|out| clock.append(out, nanos)), expected);
        }
    }

    #[test]
    fn times_read_as_the_common_log_format_has_them() {
        for (nanos, expected) in [
            (0, "01/Jan/1970:00:00:00 +0000"),
            (951_782_400_000_000_000, "29/Feb/2000:00:00:00 +0000"),
            (1_798_761_599_500_000_000, "31/Dec/2026:23:59:59 +0000"),
        ] {
            assert_eq!(text(|out| common(out, nanos)), expected);
        }
    }
}
