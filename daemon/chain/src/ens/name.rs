//! Names in normal form, and their hash.

use std::fmt;
use std::str::FromStr;

use alloy::primitives::keccak256;
use swarm_types::{Address, B256, hex};

/// Longest name, in bytes (DNS).
const NAME_BYTES_MAX: usize = 253;
/// Longest label, in bytes (DNS).
const LABEL_BYTES_MAX: usize = 63;

/// A name of which ENSIP-15 has one form only: labels of a-z, 0-9, hyphen and leading underscores.
///
/// That is the ASCII part of ENSIP-15. All else is refused rather than mapped, because two texts that
/// look the same must not be two names; upper case is refused for the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name(String);

/// Why a text is not a [`Name`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NameError {
    /// Empty, or longer than DNS allows.
    #[error("a name has 1 to {NAME_BYTES_MAX} bytes, not {0}")]
    Length(usize),
    /// A label is empty or too long.
    #[error("label '{0}' is empty or longer than {LABEL_BYTES_MAX} bytes")]
    Label(String),
    /// A character outside a-z, 0-9, - and _.
    #[error("'{character}' in label '{label}': only a-z, 0-9, - and _ are taken")]
    Character {
        /// The label.
        label: String,
        /// The first such character.
        character: char,
    },
    /// An underscore after another character (ENSIP-15 takes them at the start only).
    #[error("label '{0}' has an underscore that is not at its start")]
    Underscore(String),
    /// Hyphens at places 3 and 4 mark punycode and the like (ENSIP-15 refuses them in ASCII labels).
    #[error("label '{0}' has hyphens at places 3 and 4")]
    Extension(String),
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() || text.len() > NAME_BYTES_MAX {
            return Err(NameError::Length(text.len()));
        }
        for label in text.split('.') {
            check_label(label)?;
        }
        Ok(Self(text.to_owned()))
    }
}

fn check_label(label: &str) -> Result<(), NameError> {
    if label.is_empty() || label.len() > LABEL_BYTES_MAX {
        return Err(NameError::Label(label.to_owned()));
    }
    let fits = |c: &char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_');
    if let Some(character) = label.chars().find(|c| !fits(c)) {
        return Err(NameError::Character {
            label: label.to_owned(),
            character,
        });
    }
    if label.trim_start_matches('_').contains('_') {
        return Err(NameError::Underscore(label.to_owned()));
    }
    if label.as_bytes().get(2..4) == Some(b"--") {
        return Err(NameError::Extension(label.to_owned()));
    }
    Ok(())
}

impl Name {
    /// `<hex>.addr.reverse`, where an address claims its name.
    pub fn reverse(address: Address) -> Self {
        Self(format!("{}.addr.reverse", hex::encode(address)))
    }

    /// `<hex>.<coin type>.reverse`, where an address claims its name for chain `chain_id` (ENSIP-19; the
    /// coin type of a chain is ENSIP-11's). `None` for a chain id that has no coin type.
    pub fn reverse_on(address: Address, chain_id: u64) -> Option<Self> {
        let coin = u32::try_from(chain_id).ok().filter(|id| id >> 31 == 0)? | 1 << 31;
        let name = format!("{}.{coin:x}.reverse", hex::encode(address));
        Some(Self(name))
    }

    /// The name's hash (EIP-137): the registry's key.
    pub fn node(&self) -> B256 {
        namehash(&self.0)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// EIP-137, section "namehash algorithm".
fn namehash(name: &str) -> B256 {
    let labels = name.split('.').rev().filter(|label| !label.is_empty());
    labels.fold(B256::ZERO, |node, label| {
        keccak256([node.as_slice(), keccak256(label).as_slice()].concat())
    })
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use swarm_types::b256;

    #[test]
    fn hashes_are_those_of_eip_137() {
        assert_eq!(namehash(""), B256::ZERO);
        let cases = [
            (
                "eth",
                b256!("0x93cdeb708b7545dc668eb9280176169d1c33cfd8ed6f04690a0bcc88a93fc4ae"),
            ),
            (
                "foo.eth",
                b256!("0xde9b09fd7c5f901e23a3f19fecc54828e9c848539801e86591bd9801b019f84f"),
            ),
        ];
        for (name, node) in cases {
            assert_eq!(name.parse::<Name>().expect(name).node(), node);
        }
    }

    #[test]
    fn reverse_names_are_those_of_eip_181_and_ensip_19() {
        let address = Address::repeat_byte(0xab);
        let hex = "ab".repeat(20);
        let name = Name::reverse(address);
        assert_eq!(name.as_str(), format!("{hex}.addr.reverse"));
        // Base.
        let name = Name::reverse_on(address, 8_453).expect("a coin type");
        assert_eq!(name.as_str(), format!("{hex}.80002105.reverse"));
        assert_eq!(Name::reverse_on(address, 1 << 31), None);
    }

    #[test]
    fn only_names_with_one_form_are_taken() {
        for good in [
            "bee-1.hive.eth",
            "_dmarc.x",
            "__x.y",
            "a--b.eth",
            "0x1.eth",
            "eth",
        ] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            ".eth",
            "eth.",
            "a..b",
            "Bee.eth",
            "bée.eth",
            "b\u{435}e.eth",
            "a_b.eth",
            "xn--abc.eth",
            "a b.eth",
            "a\u{200d}b.eth",
            "a/b.eth",
            &"a".repeat(64),
            &vec!["aaaa"; 60].join("."),
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
