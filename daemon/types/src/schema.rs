//! How texts of the protocol look, for the OpenAPI document: named schemas with their patterns, so that a client
//! made from the document checks what it sends and knows what it gets.
//!
//! [`Address`], [`Hash`] and [`Decimal`] stand for types of other crates; they hold nothing. A pattern admits every
//! spelling that is taken in; what is sent out is always lower-case hex with `0x`.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// An address: 20 bytes in hex.
pub struct Address;

/// A hash, digest or salt: 32 bytes in hex.
pub struct Hash;

/// An integer below 2⁶⁴ in decimal digits ([`crate::dec`]).
pub struct Decimal;

/// Pattern of an address.
pub const ADDRESS: &str = "^(0[xX])?[0-9a-fA-F]{40}$";
/// Pattern of a hash.
pub const HASH: &str = "^(0[xX])?[0-9a-fA-F]{64}$";
/// Pattern of a signature: 65 bytes, or the 64 of EIP-2098.
pub const SIGNATURE: &str = "^0x([0-9a-fA-F]{128}|[0-9a-fA-F]{130})$";
/// Pattern of an integer below 2⁶⁴; the last few numbers of twenty digits are too large all the same.
pub const DECIMAL: &str = "^(0|[1-9][0-9]{0,18}|1[0-8][0-9]{18})$";
/// Pattern of a job's id.
pub const JOB_ID: &str = "^job-([0-9]{3}|[1-9][0-9]{3,18})-([0-9]{4}|[1-9][0-9]{4,18})$";
/// Pattern of an epoch's id.
pub const EPOCH_ID: &str = "^epoch-([0-9]{3}|[1-9][0-9]{3,18})$";

fn text(pattern: &str, description: &str, example: &str) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
        .description(Some(description))
        .examples([example])
        .into()
}

macro_rules! texts {
    ($($type:ty, $name:literal, $pattern:expr, $description:literal, $example:expr;)*) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                text($pattern, $description, $example)
            }
        }
        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        }
    )*};
}

texts! {
    Address, "Address", ADDRESS, "20 bytes in hex", "0x00000000000000000000000000000000000000aa";
    Hash, "Hash", HASH, "32 bytes in hex", &format!("0x{}", "11".repeat(32));
    Decimal, "Decimal", DECIMAL, "An integer below 2^64 in decimal digits", "1700000000";
    crate::MicroUsdc, "MicroUsdc", DECIMAL, "Millionths of USDC, in decimal digits", "100000";
    crate::JobId, "JobId", JOB_ID, "Epoch of submission and number within it", "job-002-0848";
    crate::EpochId, "EpochId", EPOCH_ID, "Number of an epoch", "epoch-002";
    crate::Signature65, "Signature", SIGNATURE,
        "ECDSA: r, s, v in hex, low s; v 0, 1, 27 or 28, or the 64 bytes of EIP-2098", &format!("0x{}1b", "11".repeat(64));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the document says of a text and what reading it says agree.
    #[test]
    fn patterns_are_those_of_the_readers() {
        let fits = |pattern: &str, text: &str| {
            regex_lite::Regex::new(pattern)
                .expect("a pattern")
                .is_match(text)
        };
        let max = u64::MAX.to_string();
        for text in [
            "0",
            "1",
            "10",
            "9999999999999999999",
            "10000000000000000000",
            &max,
        ] {
            assert!(
                fits(DECIMAL, text) && crate::dec::parse(text).is_some(),
                "{text}"
            );
        }
        for text in [
            "",
            "00",
            "01",
            "-1",
            "+1",
            "1.0",
            "1e3",
            "20000000000000000000",
            "100000000000000000000",
            " 1",
        ] {
            assert!(
                !fits(DECIMAL, text) && crate::dec::parse(text).is_none(),
                "{text}"
            );
        }
        for (text, good) in [
            ("job-002-0848", true),
            ("job-1234-12345", true),
            ("job-2-848", false),
            ("job-002-00848", false),
            ("job-0002-0848", false),
            ("job-002-0848 ", false),
            ("job-002", false),
        ] {
            assert_eq!(
                (fits(JOB_ID, text), text.parse::<crate::JobId>().is_ok()),
                (good, good),
                "{text}"
            );
        }
        for (text, good) in [
            ("epoch-002", true),
            ("epoch-1234", true),
            ("epoch-2", false),
            ("epoch-0002", false),
        ] {
            assert_eq!(
                (fits(EPOCH_ID, text), text.parse::<crate::EpochId>().is_ok()),
                (good, good),
                "{text}"
            );
        }
        let digits = "aB".repeat(20);
        for (text, good) in [
            (digits.clone(), true),
            (format!("0x{digits}"), true),
            (format!("0X{digits}"), true),
            (format!("0x{digits}0"), false),
            (format!("0x{}zz", &digits[2..]), false),
        ] {
            let json = serde_json::to_string(&text).expect("JSON");
            let read = serde_json::from_str::<alloy_primitives::Address>(&json).is_ok();
            assert_eq!((fits(ADDRESS, &text), read), (good, good), "{text}");
        }
    }
}
