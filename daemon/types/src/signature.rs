//! ECDSA signatures as the protocol stores them: 65 bytes r‖s‖v, low s, v 27 or 28.

use std::fmt;

use alloy_primitives::{Address, B256, Signature, keccak256};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A normalised signature. What wallets send (v 0/1, EIP-2098) becomes this or is refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature65([u8; 65]);

/// Why bytes are not a signature that counts.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SignatureError {
    /// Neither 65 bytes nor the 64 of EIP-2098.
    #[error("a signature has 65 bytes (r, s, v) or 64 (EIP-2098), not {0}")]
    Length(usize),
    /// v is none of 0, 1, 27, 28.
    #[error("the signature's v is {0}; it must be 27 or 28 (or 0 or 1)")]
    V(u8),
    /// s is in the upper half, so the signature has a twin.
    #[error("the signature is malleable: its s is in the upper half of the curve's order")]
    HighS,
    /// No public key fits.
    #[error("the signature recovers to no address")]
    Unrecoverable,
    /// Not hexadecimal text.
    #[error("the signature is not hexadecimal with 0x")]
    Hex,
}

impl Signature65 {
    /// Normalises `bytes`: 65 bytes with v 0, 1, 27 or 28, or 64 bytes as in EIP-2098; low s only.
    pub fn normalise(bytes: &[u8]) -> Result<Self, SignatureError> {
        let signature = match bytes.len() {
            64 => Signature::from_erc2098(bytes),
            65 => match bytes[64] {
                v @ (0 | 1) => Signature::from_bytes_and_parity(&bytes[..64], v == 1),
                v @ (27 | 28) => Signature::from_bytes_and_parity(&bytes[..64], v == 28),
                v => return Err(SignatureError::V(v)),
            },
            length => return Err(SignatureError::Length(length)),
        };
        if signature.normalize_s().is_some() {
            return Err(SignatureError::HighS);
        }
        Ok(Self(signature.as_bytes()))
    }

    /// The 65 bytes r‖s‖v with v 27 or 28.
    pub fn as_bytes(&self) -> &[u8; 65] {
        &self.0
    }

    /// The address whose key signed `digest` as it is.
    pub fn recover(&self, digest: &B256) -> Result<Address, SignatureError> {
        let signature = Signature::from_bytes_and_parity(&self.0[..64], self.0[64] == 28);
        signature
            .recover_address_from_prehash(digest)
            .map_err(|_| SignatureError::Unrecoverable)
    }

    /// The addresses for which this counts as a signature of an EIP-712 digest: over the digest
    /// itself, and over its EIP-191 form, which the origin asks for. The second is the first again when
    /// that is `expected`: then nobody needs another recovery, which is what costs most.
    pub fn recover_either(
        &self,
        digest: &B256,
        expected: &Address,
    ) -> Result<[Address; 2], SignatureError> {
        let first = self.recover(digest)?;
        if first == *expected {
            return Ok([first; 2]);
        }
        Ok([first, self.recover(&eip191_digest(digest))?])
    }
}

/// keccak256("\x19Ethereum Signed Message:\n32" ‖ digest).
pub fn eip191_digest(digest: &B256) -> B256 {
    eip191_message(digest.as_slice())
}

/// keccak256("\x19Ethereum Signed Message:\n" ‖ length ‖ message), what `personal_sign` signs.
pub fn eip191_message(message: &[u8]) -> B256 {
    let mut text = format!("\x19Ethereum Signed Message:\n{}", message.len()).into_bytes();
    text.extend_from_slice(message);
    keccak256(text)
}

impl From<Signature> for Signature65 {
    /// Low s is taken; `v` becomes 27 or 28.
    fn from(signature: Signature) -> Self {
        Self(signature.normalized_s().as_bytes())
    }
}

impl fmt::Debug for Signature65 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Display for Signature65 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::str::FromStr for Signature65 {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("0x").ok_or(SignatureError::Hex)?;
        if digits.len() > 130 {
            return Err(SignatureError::Length(digits.len() / 2));
        }
        Self::normalise(&hex::decode(digits).map_err(|_| SignatureError::Hex)?)
    }
}

impl Serialize for Signature65 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Signature65 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{U256, b256, hex};

    // Signed once by the public dev key 0xf39F…2266 (made with an independent library).
    const DIGEST: B256 =
        b256!("0x1111111111111111111111111111111111111111111111111111111111111111");

    fn signed() -> (Address, [u8; 65]) {
        let key = k256_key();
        let (signature, id) = key
            .sign_prehash_recoverable(DIGEST.as_slice())
            .expect("signs");
        let signature = Signature::from_signature_and_parity(signature, id.is_y_odd());
        (Address::from_private_key(&key), signature.as_bytes())
    }

    fn k256_key() -> k256::ecdsa::SigningKey {
        let dev = hex!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
        k256::ecdsa::SigningKey::from_slice(&dev).expect("a key")
    }

    #[test]
    fn every_encoding_becomes_one() {
        let (address, bytes) = signed();
        let canonical = Signature65::normalise(&bytes).expect("27/28");
        assert_eq!(canonical.recover(&DIGEST), Ok(address));
        let mut low = bytes;
        low[64] -= 27;
        assert_eq!(Signature65::normalise(&low), Ok(canonical));
        let compact = Signature::from_raw(&bytes).expect("raw").as_erc2098();
        assert_eq!(Signature65::normalise(&compact), Ok(canonical));
        assert_eq!(canonical.to_string().parse(), Ok(canonical));
    }

    #[test]
    fn the_malleable_twin_and_odd_shapes_are_refused() {
        let (_, bytes) = signed();
        let order = U256::from_be_bytes(hex!(
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
        ));
        let s = U256::from_be_slice(&bytes[32..64]);
        let mut twin = bytes;
        twin[32..64].copy_from_slice(&(order - s).to_be_bytes::<32>());
        twin[64] = if bytes[64] == 27 { 28 } else { 27 };
        assert_eq!(Signature65::normalise(&twin), Err(SignatureError::HighS));
        let mut v = bytes;
        v[64] = 29;
        assert_eq!(Signature65::normalise(&v), Err(SignatureError::V(29)));
        assert_eq!(
            Signature65::normalise(&bytes[..63]),
            Err(SignatureError::Length(63))
        );
        assert_eq!(
            Signature65::normalise(&[0; 66]),
            Err(SignatureError::Length(66))
        );
        assert_eq!(
            Signature65::normalise(&[27; 0]),
            Err(SignatureError::Length(0))
        );
    }
}
