//! Money: unsigned integers of µUSDC (10⁻⁶ USDC, the token's own six decimals).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One USDC in µUSDC.
pub const MICRO_PER_USDC: u64 = 1_000_000;

/// An amount of USDC in millionths. Never a float, never more than the token's own decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MicroUsdc(pub u64);

/// A dollar amount that is not a decimal number with at most six places.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("'{0}' is not an amount of USDC: write a number with at most six decimals, such as 0.10")]
pub struct ParseUsdcError(pub String);

impl MicroUsdc {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The sum, or `None` when it would not fit 64 bits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or `None` when it would be negative.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The difference, or zero when it would be negative.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// For people, never for machines: dollars with at least two and at most six decimals.
    pub fn dollars(self) -> String {
        let whole = self.0 / MICRO_PER_USDC;
        let fraction = format!("{:06}", self.0 % MICRO_PER_USDC);
        let mut end = fraction.len();
        while end > 2 && fraction.as_bytes()[end - 1] == b'0' {
            end -= 1;
        }
        format!("{whole}.{}", &fraction[..end])
    }
}

impl fmt::Display for MicroUsdc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("${}", self.dollars()))
    }
}

impl FromStr for MicroUsdc {
    type Err = ParseUsdcError;

    /// Reads dollars (`5`, `0.10`, `$1.25`); more than six decimals are refused, not rounded.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseUsdcError(text.chars().take(40).collect());
        let number = text.strip_prefix('$').unwrap_or(text);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 6 {
            return Err(error());
        }
        if number.contains('.') && fraction.is_empty() {
            return Err(error());
        }
        let whole: u64 = whole.parse().map_err(|_| error())?;
        let micro: u64 = format!("{fraction:0<6}").parse().map_err(|_| error())?;
        whole
            .checked_mul(MICRO_PER_USDC)
            .and_then(|w| w.checked_add(micro))
            .map(Self)
            .ok_or_else(error)
    }
}

impl Serialize for MicroUsdc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::dec::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for MicroUsdc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::dec::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_read_and_print() {
        for (text, micro, print) in [
            ("0.10", 100_000, "$0.10"),
            ("5", 5_000_000, "$5.00"),
            ("$1.25", 1_250_000, "$1.25"),
            ("0.000001", 1, "$0.000001"),
            ("18446744073709.551615", u64::MAX, "$18446744073709.551615"),
        ] {
            let amount: MicroUsdc = text.parse().expect(text);
            assert_eq!(amount.0, micro);
            assert_eq!(amount.to_string(), print);
        }
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "0.0000001",
            "1,5",
            " 1",
            "18446744073709.551616",
        ] {
            assert!(bad.parse::<MicroUsdc>().is_err(), "{bad}");
        }
    }

    #[test]
    fn json_is_a_canonical_decimal_string() {
        assert_eq!(
            serde_json::to_string(&MicroUsdc(100_000)).expect("json"),
            "\"100000\""
        );
        for bad in [
            "100000",
            "\"0100\"",
            "\"+1\"",
            "\"\"",
            "\"1.0\"",
            "\"18446744073709551616\"",
        ] {
            assert!(serde_json::from_str::<MicroUsdc>(bad).is_err(), "{bad}");
        }
    }
}
