//! Elements, items and sequences in a few letters, for the objects that are written here.

use dicom::core::value::{DataSetSequence, PrimitiveValue, Value};
use dicom::core::{DataElement, Tag, VR};
use dicom::object::InMemDicomObject;
use dicom::object::mem::InMemElement;

/// Longest text of a decimal string (PS3.5 6.2).
const DECIMAL_CHARS_MAX: usize = 16;

/// An element of text; several values are joined by `\`.
pub(crate) fn text(tag: Tag, vr: VR, value: impl Into<String>) -> InMemElement {
    DataElement::new(tag, vr, PrimitiveValue::from(value.into()))
}

/// An element of one 16-bit number.
pub(crate) fn short(tag: Tag, value: u16) -> InMemElement {
    DataElement::new(tag, VR::US, PrimitiveValue::from(value))
}

/// A sequence.
pub(crate) fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> InMemElement {
    InMemElement::new(tag, VR::SQ, Value::Sequence(DataSetSequence::from(items)))
}

/// An item of a sequence.
pub(crate) fn item<const N: usize>(elements: [InMemElement; N]) -> InMemDicomObject {
    InMemDicomObject::from_element_iter(elements)
}

/// A number as a decimal string: exact where that fits, else with as many digits as fit.
pub(crate) fn decimal(value: f64) -> String {
    // 0.0 + v turns a negative zero into a plain one.
    let value = value + 0.0;
    let exact = value.to_string();
    if exact.len() <= DECIMAL_CHARS_MAX {
        return exact;
    }
    let fits = (0..=12)
        .rev()
        .map(|digits| format!("{value:.digits$}"))
        .find(|s| s.len() <= DECIMAL_CHARS_MAX);
    fits.unwrap_or_else(|| format!("{value:.6e}"))
}

/// Several [`decimal`]s.
pub(crate) fn decimals(values: &[f64]) -> String {
    let all: Vec<String> = values.iter().map(|&v| decimal(v)).collect();
    all.join("\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_strings_fit_and_keep_what_they_can() {
        for (value, text) in [
            (0.5, "0.5"),
            (-0.0, "0"),
            (1.0 / 3.0, "0.333333333333"),
            (-123.456_789_012_345, "-123.45678901234"),
            (1e-30, "0.000000000000"),
        ] {
            assert_eq!(decimal(value), text);
        }
        assert!(decimal(-1.234_567e200).len() <= DECIMAL_CHARS_MAX);
    }
}
