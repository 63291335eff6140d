//! JPEG-LS (ISO 14495-1, ITU-T T.87) of one component, lossless and near-lossless, 2 to 16 bits. The names of variables and
//! the numbers of sections are the standard's.
//!
//! Written here because the one maintained decoder, CharLS, is C++ and needs cmake, and what a stranger's file is fed to
//! should be memory-safe. The tests hold it against CharLS.

/// Run-length codes (A.2.1).
const J: [u32; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13,
    14, 15,
];
/// Contexts of regular mode; two more are those of run interruption.
const CONTEXTS: usize = 365;
/// Bounds of the bias correction (A.6.2).
const C_BOUNDS: (i32, i32) = (-128, 127);
/// Largest Golomb parameter of sound data: errors have at most 16 bits.
const K_MAX: u32 = 16;

/// Parameters of a scan (A.1, C.2.4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parameters {
    maxval: i32,
    near: i32,
    t: [i32; 3],
    reset: i32,
}

/// One frame of `size` (columns, rows): its samples, and their precision in bits.
///
/// # Errors
/// Says what is wrong with the frame.
pub(super) fn decode(frame: &[u8], size: (u16, u16)) -> Result<(Vec<u16>, u8), String> {
    let (bits, parameters, scan) = header(frame, size)?;
    let mut scan = Scan::new(parameters, scan);
    let (columns, rows) = (usize::from(size.0), usize::from(size.1));
    let mut out = Vec::with_capacity(columns * rows);
    // Each line has the first sample of the line above to its left, and its last sample again to its right (A.2.1).
    let mut above = vec![0_i32; columns + 2];
    let mut line = vec![0_i32; columns + 2];
    for _ in 0..rows {
        line[0] = above[1];
        above[columns + 1] = above[columns];
        scan.line(&above, &mut line, columns)?;
        out.extend(line[1..=columns].iter().map(|&v| v as u16));
        std::mem::swap(&mut above, &mut line);
    }
    Ok((out, bits))
}

/// Reads the marker segments up to the coded data: precision, parameters, data.
fn header(frame: &[u8], size: (u16, u16)) -> Result<(u8, Parameters, &[u8]), String> {
    let mut rest = frame
        .strip_prefix(&[0xFF, 0xD8])
        .ok_or("no start of an image")?;
    let mut precision = None;
    let mut preset = [0_i32; 5]; // MAXVAL, T1, T2, T3, RESET; 0 is the default
    loop {
        let [0xFF, marker, tail @ ..] = rest else {
            return Err("no marker where one must be".into());
        };
        if *marker == 0xFF {
            // Fill bytes may stand before a marker.
            rest = &rest[1..];
            continue;
        }
        let length = tail
            .first_chunk()
            .map_or(0, |l| u16::from_be_bytes(*l).into());
        let segment = tail.get(2..length).ok_or("a marker segment is cut short")?;
        rest = &tail[length..];
        let word = |at: usize| {
            let bytes = segment
                .get(at..at + 2)
                .ok_or("a marker segment is cut short")?;
            Ok::<u16, String>(u16::from_be_bytes([bytes[0], bytes[1]]))
        };
        let byte = |at: usize| segment.get(at).ok_or("a marker segment is cut short");
        match marker {
            0xF7 => {
                if *byte(5)? != 1 {
                    return Err(format!("{} components in a grey image", byte(5)?));
                }
                let (found, declared) = ((word(3)?, word(1)?), size);
                if found != declared {
                    return Err(format!(
                        "{}x{} pixels inside, {}x{} declared",
                        found.0, found.1, declared.0, declared.1
                    ));
                }
                precision = Some(*byte(0)?);
            }
            0xF8 if *byte(0)? == 1 => {
                for (i, value) in preset.iter_mut().enumerate() {
                    *value = word(1 + 2 * i)?.into();
                }
            }
            0xF8 => return Err("mapping tables and oversize images are not supported".into()),
            0xDD if segment.iter().any(|&b| b != 0) => {
                return Err("restart intervals are not supported".into());
            }
            0xDA => {
                // Ns, then selector and mapping table of each component, then NEAR, ILV, point transform.
                if (*byte(0)?, *byte(2)?, *byte(5)?) != (1, 0, 0) {
                    return Err("only plain scans of one component are supported".into());
                }
                let bits = precision.ok_or("a scan before its frame")?;
                let near = i32::from(*byte(3)?);
                return Ok((bits, Parameters::new(bits, near, preset)?, rest));
            }
            0xDD | 0xE0..=0xEF | 0xFE => {}
            other => return Err(format!("marker {other:02X} in a JPEG-LS image")),
        }
    }
}

impl Parameters {
    /// The preset parameters, with the defaults of C.2.4.1.1.1 where they are 0.
    fn new(bits: u8, near: i32, preset: [i32; 5]) -> Result<Self, String> {
        if !(2..=16).contains(&bits) {
            return Err(format!("samples of {bits} bits"));
        }
        let top = (1 << bits) - 1;
        let or = |value: i32, default: i32| if value == 0 { default } else { value };
        let maxval = or(preset[0], top);
        let clamp = |value: i32, least: i32| {
            if value > maxval || value < least {
                least
            } else {
                value
            }
        };
        // Each rounds down by itself: the order of these operations is the standard's.
        let basic = if maxval >= 128 {
            let factor = (maxval.min(4095) + 128) / 256;
            [
                factor + 2 + 3 * near,
                4 * factor + 3 + 5 * near,
                17 * factor + 4 + 7 * near,
            ]
        } else {
            let factor = 256 / (maxval + 1);
            [
                (3 / factor + 3 * near).max(2),
                (7 / factor + 5 * near).max(3),
                (21 / factor + 7 * near).max(4),
            ]
        };
        let t1 = or(preset[1], clamp(basic[0], near + 1));
        let t2 = or(preset[2], clamp(basic[1], t1));
        let t3 = or(preset[3], clamp(basic[2], t2));
        let reset = or(preset[4], 64);
        let sound = maxval <= top
            && near <= (maxval / 2).min(255)
            && near < t1
            && t1 <= t2
            && t2 <= t3
            && t3 <= maxval
            && (3..=maxval.max(255)).contains(&reset);
        if !sound {
            return Err("coding parameters that contradict each other".into());
        }
        Ok(Self {
            maxval,
            near,
            t: [t1, t2, t3],
            reset,
        })
    }
}

/// Bits of `value`: ⌈log₂(value + 1)⌉.
fn bits_of(value: i32) -> u32 {
    32 - value.leading_zeros()
}

/// Statistics of a context (A.2.1).
#[derive(Clone, Copy)]
struct Context {
    a: i32,
    /// In the contexts of run interruption: Nn.
    b: i32,
    c: i32,
    n: i32,
}

/// The state of a scan.
struct Scan<'a> {
    p: Parameters,
    range: i32,
    qbpp: u32,
    limit: u32,
    contexts: [Context; CONTEXTS + 2],
    run_index: usize,
    bits: Bits<'a>,
}

impl<'a> Scan<'a> {
    fn new(p: Parameters, data: &'a [u8]) -> Self {
        let range = (p.maxval + 2 * p.near) / (2 * p.near + 1) + 1;
        let bpp = bits_of(p.maxval).max(2);
        let context = Context {
            a: ((range + 32) / 64).max(2),
            b: 0,
            c: 0,
            n: 1,
        };
        Self {
            p,
            range,
            qbpp: bits_of(range - 1),
            limit: 2 * (bpp + bpp.max(8)),
            contexts: [context; CONTEXTS + 2],
            run_index: 0,
            bits: Bits {
                data,
                held: 0,
                count: 0,
                after_ff: false,
            },
        }
    }

    /// Decodes one line (A.3 to A.7); `line[0]` and both ends of `above` are set.
    fn line(&mut self, above: &[i32], line: &mut [i32], columns: usize) -> Result<(), String> {
        let mut x = 1;
        while x <= columns {
            let (ra, rb, rc, rd) = (line[x - 1], above[x], above[x - 1], above[x + 1]);
            let d = [rd - rb, rb - rc, rc - ra];
            if d.iter().all(|d| d.abs() <= self.p.near) {
                x = self.run(above, line, x, columns)?;
            } else {
                line[x] = self.regular(ra, rb, rc, d)?;
                x += 1;
            }
        }
        Ok(())
    }

    /// A sample in regular mode (A.4 to A.6).
    fn regular(&mut self, ra: i32, rb: i32, rc: i32, d: [i32; 3]) -> Result<i32, String> {
        let q = d.map(|d| self.quantised(d));
        let q = 81 * q[0] + 9 * q[1] + q[2];
        let sign = q.signum();
        let index = q.unsigned_abs() as usize;
        let mut context = self.contexts[index];

        let (low, high) = (ra.min(rb), ra.max(rb));
        let px = if rc >= high {
            low
        } else if rc <= low {
            high
        } else {
            ra + rb - rc
        };
        let px = (px + sign * context.c).clamp(0, self.p.maxval);

        let k = golomb(context.n, context.a)?;
        let mapped = self.bits.mapped(k, self.limit, self.qbpp)?;
        let inverted = self.p.near == 0 && k == 0 && 2 * context.b <= -context.n;
        let error = match (mapped & 1 == 1, inverted) {
            (false, false) => mapped / 2,
            (true, false) => -(mapped + 1) / 2,
            (true, true) => (mapped - 1) / 2,
            (false, true) => -(mapped / 2) - 1,
        };

        context.b += error * (2 * self.p.near + 1);
        context.a += error.abs();
        if context.n == self.p.reset {
            context.a >>= 1;
            context.b >>= 1;
            context.n >>= 1;
        }
        context.n += 1;
        if context.b <= -context.n {
            context.c = (context.c - 1).max(C_BOUNDS.0);
            context.b = (context.b + context.n).max(1 - context.n);
        } else if context.b > 0 {
            context.c = (context.c + 1).min(C_BOUNDS.1);
            context.b = (context.b - context.n).min(0);
        }
        self.contexts[index] = context;
        Ok(self.reconstructed(px, sign * error))
    }

    /// A run and the sample that ends it (A.7); gives the index of the next sample.
    fn run(
        &mut self,
        above: &[i32],
        line: &mut [i32],
        start: usize,
        columns: usize,
    ) -> Result<usize, String> {
        let ra = line[start - 1];
        let mut x = start;
        while self.bits.read(1)? == 1 {
            let whole = 1_usize << J[self.run_index];
            let count = whole.min(columns + 1 - x);
            line[x..x + count].fill(ra);
            x += count;
            if count == whole && self.run_index < 31 {
                self.run_index += 1;
            }
            if x > columns {
                return Ok(x);
            }
        }
        let count = self.bits.read(J[self.run_index])? as usize;
        if x + count > columns {
            return Err("a run longer than its line".into());
        }
        line[x..x + count].fill(ra);
        x += count;
        line[x] = self.interruption(ra, above[x])?;
        self.run_index = self.run_index.saturating_sub(1);
        Ok(x + 1)
    }

    /// The sample that ends a run (A.7.2).
    fn interruption(&mut self, ra: i32, rb: i32) -> Result<i32, String> {
        let alike = (ra - rb).abs() <= self.p.near;
        let ri_type = i32::from(alike);
        let index = CONTEXTS + usize::from(alike);
        let mut context = self.contexts[index];
        let temp = context.a + if alike { context.n >> 1 } else { 0 };
        let k = golomb(context.n, temp)?;
        let limit = self.limit - J[self.run_index] - 1;
        let mapped = self.bits.mapped(k, limit, self.qbpp)?;
        let doubled = mapped + ri_type;
        let map = doubled & 1;
        let size = (doubled + map) / 2;
        let negative = (k != 0 || 2 * context.b >= context.n) == (map == 1);
        let error = if negative { -size } else { size };

        context.b += i32::from(error < 0);
        context.a += (mapped + 1 - ri_type) >> 1;
        if context.n == self.p.reset {
            context.a >>= 1;
            context.b >>= 1;
            context.n >>= 1;
        }
        context.n += 1;
        self.contexts[index] = context;
        let (px, sign) = if alike {
            (ra, 1)
        } else {
            (rb, if ra > rb { -1 } else { 1 })
        };
        Ok(self.reconstructed(px, sign * error))
    }

    /// Which of nine regions a gradient lies in (A.3.3).
    fn quantised(&self, d: i32) -> i32 {
        let [t1, t2, t3] = self.p.t;
        let size = d.abs();
        let region = if size <= self.p.near {
            0
        } else if size < t1 {
            1
        } else if size < t2 {
            2
        } else if size < t3 {
            3
        } else {
            4
        };
        d.signum() * region
    }

    /// Prediction and error to a sample (A.4.4, A.4.5).
    fn reconstructed(&self, px: i32, error: i32) -> i32 {
        let step = 2 * self.p.near + 1;
        let mut rx = px + error * step;
        if rx < -self.p.near {
            rx += self.range * step;
        } else if rx > self.p.maxval + self.p.near {
            rx -= self.range * step;
        }
        rx.clamp(0, self.p.maxval)
    }
}

/// The Golomb parameter (A.5.1).
fn golomb(n: i32, a: i32) -> Result<u32, String> {
    let found = (0..=K_MAX).find(|&k| (n << k) >= a);
    found.ok_or_else(|| "errors larger than the samples".into())
}

/// The coded bits: after a byte FF comes one with seven bits, or a marker, which ends the data (A.1).
struct Bits<'a> {
    data: &'a [u8],
    held: u64,
    count: u32,
    after_ff: bool,
}

impl Bits<'_> {
    /// Bits that one read can ask for.
    const READ_MAX: u32 = 24;

    fn read(&mut self, bits: u32) -> Result<i32, String> {
        debug_assert!(bits <= Self::READ_MAX);
        while self.count < bits {
            let (&byte, rest) = self.data.split_first().ok_or("the data end too early")?;
            if self.after_ff && byte & 0x80 != 0 {
                return Err("the data end too early".into());
            }
            let width = if self.after_ff { 7 } else { 8 };
            self.held = self.held << width | u64::from(byte);
            self.count += width;
            self.after_ff = byte == 0xFF;
            self.data = rest;
        }
        self.count -= bits;
        let value = self.held >> self.count & ((1 << bits) - 1);
        Ok(value as i32)
    }

    /// A mapped error value (A.5.3).
    fn mapped(&mut self, k: u32, limit: u32, qbpp: u32) -> Result<i32, String> {
        let longest = limit - qbpp - 1;
        let mut zeros = 0;
        while zeros < longest && self.read(1)? == 0 {
            zeros += 1;
        }
        let value = if zeros < longest {
            (zeros as i32) << k | self.read(k)?
        } else {
            // The one that ends the zeros is there as well.
            if self.read(1)? != 1 {
                return Err("a code longer than its limit".into());
            }
            self.read(qbpp)? + 1
        };
        // Errors have at most 16 bits and a sign.
        if value > 1 << 17 {
            return Err("an error larger than the samples".into());
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_standard() {
        let parameters = |bits, near| Parameters::new(bits, near, [0; 5]).unwrap();
        assert_eq!(parameters(8, 0).t, [3, 7, 21]);
        assert_eq!(parameters(12, 0).t, [18, 67, 276]);
        assert_eq!(parameters(16, 0).t, [18, 67, 276]);
        assert_eq!(parameters(8, 2).t, [9, 17, 35]);
        assert!(Parameters::new(17, 0, [0; 5]).is_err());
        assert!(Parameters::new(8, 200, [0; 5]).is_err());
        assert!(Parameters::new(8, 0, [0, 9, 8, 7, 0]).is_err());
    }

    /// The image of the standard's annex H.3, 4×4 samples of 8 bits.
    #[test]
    fn the_example_of_the_standard_decodes() {
        let coded = [
            0xFF, 0xD8, 0xFF, 0xF7, 0x00, 0x0B, 0x08, 0x00, 0x04, 0x00, 0x04, 0x01, 0x01, 0x11,
            0x00, 0xFF, 0xDA, 0x00, 0x08, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0xC0, 0x00, 0x00,
            0x6C, 0x80, 0x20, 0x8E, 0x01, 0xC0, 0x00, 0x00, 0x57, 0x40, 0x00, 0x00, 0x6E, 0xE6,
            0x00, 0x00, 0x01, 0xBC, 0x18, 0x00, 0x00, 0x05, 0xD8, 0x00, 0x00, 0x91, 0x60, 0xFF,
            0xD9,
        ];
        let (samples, bits) = decode(&coded, (4, 4)).unwrap();
        assert_eq!(bits, 8);
        assert_eq!(
            samples,
            [
                0, 0, 90, 74, 68, 50, 43, 205, 64, 145, 145, 145, 100, 145, 145, 145
            ]
        );
        for end in 0..coded.len() - 2 {
            assert!(decode(&coded[..end], (4, 4)).is_err(), "{end} bytes");
        }
        assert!(decode(&coded, (4, 5)).unwrap_err().contains("declared"));
    }
}
