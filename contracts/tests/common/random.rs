//! Values that look random and are the same on every run, with the edges of each type among them.

use alloy::primitives::{Address, B256, keccak256};

/// A generator: word n is keccak256(seed ‖ n).
pub struct Random {
    seed: u64,
    count: u64,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self { seed, count: 0 }
    }

    pub fn word(&mut self) -> B256 {
        self.count += 1;
        keccak256([self.seed.to_be_bytes(), self.count.to_be_bytes()].concat())
    }

    /// Any u64; 0 and the largest one time in eight each.
    pub fn u64(&mut self) -> u64 {
        let word = self.word();
        match word[31] % 8 {
            0 => 0,
            1 => u64::MAX,
            _ => u64::from_be_bytes(word[..8].try_into().expect("8 bytes")),
        }
    }

    /// Less than `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        let word = self.word();
        u64::from_be_bytes(word[..8].try_into().expect("8 bytes")) % limit
    }

    pub fn address(&mut self) -> Address {
        Address::from_word(self.word())
    }
}
