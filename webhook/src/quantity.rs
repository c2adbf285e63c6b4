//! Kubernetes quantities, such as `20m` and `32Mi`.
//!
//! The API server rewrites them (`0.5` comes back as `500m`), so they are compared by value.

use std::{cmp::Ordering, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount of CPU or memory: the text as it was written, and its value.
#[derive(Clone)]
pub struct Quantity {
    text: String,
    /// In units of 10^-9, the finest that Kubernetes knows; finer values round up.
    nanos: i128,
}

/// The text is not a quantity that fits a container's resources.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a quantity such as 20m, 0.5 or 32Mi")]
pub struct InvalidQuantity(String);

const NANOS: i128 = 1_000_000_000;
/// Kubernetes caps quantities at the largest signed 64-bit number.
const MAX: i128 = i64::MAX as i128 * NANOS;
/// No sensible quantity is longer; it keeps the arithmetic far from overflow.
const MAX_LENGTH: usize = 24;

impl Quantity {
    /// Thousandths: of a CPU.
    #[must_use]
    pub fn milli(number: u32) -> Self {
        Self { text: format!("{number}m"), nanos: i128::from(number) * (NANOS / 1_000) }
    }

    /// 2^20 units: of bytes.
    #[must_use]
    pub fn mebi(number: u32) -> Self {
        Self { text: format!("{number}Mi"), nanos: i128::from(number) * (NANOS << 20) }
    }

    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Quantity {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        match nanos(text) {
            Some(nanos) => Ok(Self { text: text.to_owned(), nanos }),
            None => Err(InvalidQuantity(text.chars().take(MAX_LENGTH).collect())),
        }
    }
}

fn nanos(text: &str) -> Option<i128> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    let number_ends = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(number_ends)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let mut numerator = digits.checked_mul(NANOS)?;
    let mut denominator = 10_i128.checked_pow(fraction.len().try_into().ok()?)?;
    let (up, down) = scale(suffix)?;
    numerator = numerator.checked_mul(up)?;
    denominator = denominator.checked_mul(down)?;
    let rounded_up = numerator.checked_add(denominator - 1)? / denominator;
    (rounded_up <= MAX).then_some(rounded_up)
}

/// The factor that a suffix stands for, as a fraction.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    let scale = match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        exponent => return power_of_ten(exponent.strip_prefix(['e', 'E'])?),
    };
    Some(scale)
}

fn power_of_ten(exponent: &str) -> Option<(i128, i128)> {
    let exponent: i32 = exponent.parse().ok()?;
    let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
    Some(if exponent < 0 { (1, power) } else { (power, 1) })
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// YAML reads `cpuLimit: 1` as a number; Kubernetes takes that too.
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a quantity such as 20m, 0.5 or 32Mi")]
        enum Written {
            Text(String),
            Integer(u64),
            Decimal(f64),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Text(text) => text,
            Written::Integer(number) => number.to_string(),
            Written::Decimal(number) => number.to_string(),
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    fn quantity(text: &str) -> Quantity {
        text.parse().unwrap()
    }

    #[test]
    fn equal_amounts_are_equal_however_they_are_written() {
        for (one, other) in [
            ("0.5", "500m"),
            ("1024Mi", "1Gi"),
            ("1e3", "1k"),
            ("1E", "1000P"),
            ("1e-3", "1m"),
            (".5", "0.5"),
            ("5.", "5"),
            ("0.1n", "1n"),
        ] {
            assert_eq!(quantity(one), quantity(other));
        }
    }

    #[test]
    fn amounts_made_here_are_those_that_are_written() {
        assert_eq!(Quantity::milli(20), quantity("20m"));
        assert_eq!(Quantity::mebi(20), quantity(Quantity::mebi(20).as_str()));
    }

    #[test]
    fn amounts_are_ordered_by_value() {
        assert!(quantity("999Mi") < quantity("1Gi"));
        assert!(quantity("1000Mi") < quantity("1Gi"));
        assert!(quantity("1001m") > quantity("1"));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "",
            ".",
            "m",
            "-1",
            "+1",
            "1 Mi",
            "1mi",
            "1KI",
            "0x10",
            "1e",
            "1e99",
            "1.2.3",
            "NaN",
            "9223372036854775808",
            "99999999999999999999999999",
            "\u{0661}",
        ] {
            assert!(text.parse::<Quantity>().is_err(), "{text:?}");
        }
    }
}
