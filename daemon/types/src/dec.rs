//! `#[serde(with = "dec")]`: a 64-bit integer as a canonical decimal string, because JSON numbers
//! lose digits above 2⁵³ in many languages.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Writes `value` as a string of decimal digits.
pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Reads a canonical decimal string: digits only, no leading zero, at most 2⁶⁴ − 1.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| D::Error::custom("expected a 64-bit integer as a decimal string"))
}

/// The integer that a canonical decimal string holds.
pub fn parse(text: &str) -> Option<u64> {
    let canonical = !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok()).flatten()
}

/// The same for an optional field.
pub mod option {
    use super::*;

    /// Writes the digits or `null`.
    pub fn serialize<S: Serializer>(value: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }

    /// Reads the digits or `null`.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<u64>, D::Error> {
        let text = <Option<std::borrow::Cow<'de, str>>>::deserialize(deserializer)?;
        text.map(|text| {
            parse(&text)
                .ok_or_else(|| D::Error::custom("expected a 64-bit integer as a decimal string"))
        })
        .transpose()
    }
}
