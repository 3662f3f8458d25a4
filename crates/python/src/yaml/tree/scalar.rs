//! What a plain scalar is, by the core schema (YAML 1.2.2, section 10.3.2).

/// A plain scalar's value.
#[derive(Debug)]
pub(crate) enum Scalar {
    /// Nothing.
    Null,
    /// True or false.
    Truth(bool),
    /// A number without a fraction.
    Whole(i128),
    /// Any other number.
    Real(f64),
    /// None of these: a string.
    Text,
}

impl Scalar {
    /// What `text` is.
    pub(super) fn of(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Self::Null,
            "true" | "True" | "TRUE" => Self::Truth(true),
            "false" | "False" | "FALSE" => Self::Truth(false),
            ".nan" | ".NaN" | ".NAN" => Self::Real(f64::NAN),
            _ => number(text).unwrap_or(Self::Text),
        }
    }
}

fn number(text: &str) -> Option<Scalar> {
    if let Some(digits) = text.strip_prefix("0o") {
        return digits_only(digits, 8).then(|| i128::from_str_radix(digits, 8).ok().map(Scalar::Whole))?;
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return digits_only(digits, 16).then(|| i128::from_str_radix(digits, 16).ok().map(Scalar::Whole))?;
    }
    let (sign, body) = match text.as_bytes().first()? {
        b'-' => (-1.0, text.get(1..)?),
        b'+' => (1.0, text.get(1..)?),
        _ => (1.0, text),
    };
    if matches!(body, ".inf" | ".Inf" | ".INF") {
        return Some(Scalar::Real(sign * f64::INFINITY));
    }
    if digits_only(body, 10) {
        // What no register holds is still a number, and too large for every field.
        return text.parse().map(Scalar::Whole).or_else(|_| text.parse().map(Scalar::Real)).ok();
    }
    // [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    let exponent_fits =
        exponent.is_none_or(|exponent| digits_only(exponent.strip_prefix(['-', '+']).unwrap_or(exponent), 10));
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => digits_only(fraction, 10),
        Some((whole, fraction)) => digits_only(whole, 10) && (fraction.is_empty() || digits_only(fraction, 10)),
        None => digits_only(mantissa, 10),
    };
    (exponent_fits && mantissa_fits).then(|| text.parse().ok().map(Scalar::Real))?
}

fn digits_only(text: &str, radix: u32) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_digit(radix))
}
