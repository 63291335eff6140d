//! Damage from a seed: of bytes, of JSON, of a tar's headers, of what a gzip stream holds.

use serde_json::Value;

/// SplitMix64: the only source of chance, so that a failure repeats.
pub struct Random(pub u64);

impl Random {
    /// 64 more bits.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`, which must not be 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.number() % n as u64) as usize
    }

    /// One of `all`, which must not be empty.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Numbers that lengths and counts lie with.
const LIES: [u64; 16] = [
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFE,
    0xFFFF_FFFF,
    1 << 40,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// Texts that parsers stumble over.
const WORDS: [&str; 20] = [
    "",
    "0",
    "-1",
    "18446744073709551615",
    "18446744073709551616",
    "1e400",
    "NaN",
    "\0",
    "\u{feff}",
    "\u{202e}",
    "../../etc/passwd",
    "%00",
    "0x",
    "0x0000000000000000000000000000000000000000",
    "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "job-002-0848",
    "epoch-000",
    "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq",
    "a\r\nb: c",
    "{}",
];

/// Largest input that damage makes out of a small one.
const BYTES_MAX: usize = 1 << 18;

/// Damages bytes from `from` on in one to four places; `others` give pieces to splice in.
pub fn bytes(input: &mut Vec<u8>, from: usize, others: &[Vec<u8>], random: &mut Random) {
    for _ in 0..=random.below(4) {
        if input.len() < from + 8 || input.len() > BYTES_MAX {
            return;
        }
        let at = from + random.below(input.len() - from);
        let lie = *random.one_of(&LIES);
        let rest = input.len() - at;
        match random.below(12) {
            0 => input[at] ^= 1 << random.below(8),
            1 => input[at] = random.number() as u8,
            2 => put(input, at, &(lie as u16).to_le_bytes()),
            3 => put(input, at, &(lie as u32).to_le_bytes()),
            4 => put(input, at, &(lie as u32).to_be_bytes()),
            5 => put(input, at, &lie.to_le_bytes()),
            6 => input.truncate(at + random.below(rest)),
            7 => drop(input.drain(at..at + 1 + random.below(rest.min(64)))),
            8 => {
                let piece = input[at..at + 1 + random.below(rest.min(64))].to_vec();
                let times = 1 + random.below(64);
                input.splice(at..at, piece.repeat(times));
            }
            9 if !others.is_empty() => {
                let other = random.one_of(others);
                if let Some(last) = other.len().checked_sub(1) {
                    let start = random.below(last + 1);
                    let end = (start + 1 + random.below(256)).min(other.len());
                    input.splice(at..at, other[start..end].iter().copied());
                }
            }
            10 => {
                let word = random.one_of(&WORDS).as_bytes();
                input.splice(at..at, word.iter().copied());
            }
            // A number in digits becomes another one.
            _ => {
                let digits = |b: &&u8| b.is_ascii_digit();
                let start = at
                    + input[at..]
                        .iter()
                        .position(|b| b.is_ascii_digit())
                        .unwrap_or(0);
                let length = input[start..].iter().take_while(digits).count();
                input.splice(start..start + length, lie.to_string().into_bytes());
            }
        }
    }
}

fn put(input: &mut [u8], at: usize, value: &[u8]) {
    let end = (at + value.len()).min(input.len());
    input[at..end].copy_from_slice(&value[..end - at]);
}

/// Damages one to three values of a JSON document, or its text.
pub fn json(input: &[u8], others: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(input) else {
        return input.to_vec();
    };
    for _ in 0..=random.below(3) {
        let count = leaves(&value);
        let mut at = random.below(count);
        visit(&mut value, &mut at, &mut |value| {
            *value = odd(value, random)
        });
    }
    let mut text = value.to_string().into_bytes();
    match random.below(6) {
        // A key that is there twice, or deep nesting: no `Value` says that.
        0 => {
            let open = text.iter().position(|b| *b == b'{').unwrap_or(0);
            let key = text[open..]
                .iter()
                .position(|b| *b == b':')
                .map(|n| text[open + 1..open + n].to_vec());
            if let Some(key) = key.filter(|key| key.starts_with(b"\"")) {
                text.splice(open + 1..open + 1, [&key[..], b":null,"].concat());
            }
        }
        1 => {
            let depth = 1 + random.below(2_000);
            let colon = text.iter().position(|b| *b == b':').map_or(0, |n| n + 1);
            text.splice(colon..colon, b"[".repeat(depth));
        }
        2 => bytes(&mut text, 0, others, random),
        _ => {}
    }
    text
}

/// Values in a document, containers included.
fn leaves(value: &Value) -> usize {
    1 + match value {
        Value::Array(all) => all.iter().map(leaves).sum(),
        Value::Object(all) => all.values().map(leaves).sum(),
        _ => 0,
    }
}

/// Calls `change` with the value number `at`, counted as [`leaves`] does.
fn visit(value: &mut Value, at: &mut usize, change: &mut impl FnMut(&mut Value)) {
    if *at == 0 {
        change(value);
        *at = usize::MAX;
        return;
    }
    *at -= 1;
    let below: Vec<&mut Value> = match value {
        Value::Array(all) => all.iter_mut().collect(),
        Value::Object(all) => all.values_mut().collect(),
        _ => Vec::new(),
    };
    for value in below {
        if *at == usize::MAX {
            return;
        }
        visit(value, at, change);
    }
}

/// Each document that differs from `value` in one leaf, with the leaf's path.
pub fn each_leaf(value: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for number in 0..leaves(value) {
        let (mut copy, mut at, mut changed) = (value.clone(), number, false);
        visit(&mut copy, &mut at, &mut |leaf| {
            let other = match &*leaf {
                Value::String(text) => Value::String(nudge(text)),
                Value::Number(number) => Value::from(number.as_u64().unwrap_or(0) ^ 1),
                Value::Bool(flag) => Value::Bool(!*flag),
                Value::Null => Value::from(1),
                Value::Array(_) | Value::Object(_) => return,
            };
            *leaf = other;
            changed = true;
        });
        if changed {
            found.push((
                path(value, &mut { number }, String::new()).unwrap_or_default(),
                copy,
            ));
        }
    }
    found
}

/// The text with its last digit or letter changed into another of its kind.
fn nudge(text: &str) -> String {
    let mut text = text.to_owned();
    let last = text.pop().unwrap_or('a');
    text.push(match last {
        '0'..='8' | 'a'..='e' => char::from(last as u8 + 1),
        '9' => '1',
        _ => 'a',
    });
    text
}

fn path(value: &Value, at: &mut usize, here: String) -> Option<String> {
    if *at == 0 {
        return Some(here);
    }
    *at -= 1;
    let below: Vec<(String, &Value)> = match value {
        Value::Array(all) => all
            .iter()
            .enumerate()
            .map(|(n, v)| (n.to_string(), v))
            .collect(),
        Value::Object(all) => all.iter().map(|(k, v)| (k.clone(), v)).collect(),
        _ => Vec::new(),
    };
    below
        .into_iter()
        .find_map(|(key, value)| path(value, at, format!("{here}/{key}")))
}

/// Something else in a value's place.
fn odd(value: &Value, random: &mut Random) -> Value {
    let number = *random.one_of(&LIES);
    match random.below(9) {
        0 => Value::Null,
        1 => Value::from(number),
        2 => Value::from(number as i64),
        3 => Value::String(number.to_string()),
        4 => Value::String((*random.one_of(&WORDS)).to_owned()),
        5 => Value::from(vec![value.clone(); random.below(40).min(room(value))]),
        6 => Value::from(random.number() as f64 * 1e290),
        7 => match value {
            Value::String(text) => {
                Value::String(text.repeat((1 + random.below(500)).min(room(value))))
            }
            Value::Array(all) => Value::Array(all.iter().rev().cloned().collect()),
            Value::Object(all) => all.values().next().cloned().unwrap_or_default(),
            _ => Value::Bool(true),
        },
        _ => match value {
            Value::String(text) => {
                let mut text = text.clone().into_bytes();
                bytes(&mut text, 0, &[], random);
                Value::String(String::from_utf8_lossy(&text).into_owned())
            }
            other => other.clone(),
        },
    }
}

/// How often a value may stand side by side within [`BYTES_MAX`].
fn room(value: &Value) -> usize {
    BYTES_MAX / value.to_string().len()
}

/// Bytes of a tar header.
const TAR_BLOCK: usize = 512;

/// Damages a tar; headers get a right checksum, so that the damage is looked at.
pub fn tar(input: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Random) {
    if random.below(3) == 0 || input.len() < TAR_BLOCK {
        return bytes(input, 0, others, random);
    }
    let block = random.below(input.len() / TAR_BLOCK) * TAR_BLOCK;
    let header = &mut input[block..block + TAR_BLOCK];
    let mut put = |at: usize, value: &[u8]| header[at..at + value.len()].copy_from_slice(value);
    match random.below(5) {
        0 => put(
            124,
            format!("{:011o}\0", random.one_of(&LIES) & 0o77_777_777_777).as_bytes(),
        ),
        1 => put(
            124,
            &[&[0x80, 0, 0, 0][..], &random.one_of(&LIES).to_be_bytes()].concat(),
        ),
        2 => put(156, &[*random.one_of(b"0123456789xgLKSVAD\0")]),
        3 => {
            let word = random.one_of(&WORDS).as_bytes();
            put(0, &word[..word.len().min(100)]);
        }
        _ => {
            let at = random.below(TAR_BLOCK);
            put(at, &[random.number() as u8]);
        }
    }
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Gzip of `input`.
pub fn gzip(input: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(input).expect("memory takes everything");
    out.finish().expect("memory takes everything")
}
