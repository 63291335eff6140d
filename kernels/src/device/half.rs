//! Half precision on the host: what kernels store, to look at.

/// An IEEE 754 binary16 as its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct Half(pub u16);

impl Half {
    /// The nearest half, ties to even; beyond 65 519.99 an infinity.
    pub fn from_f32(value: f32) -> Self {
        let bits = value.to_bits();
        let sign = (bits >> 16 & 0x8000) as u16;
        let magnitude = bits & 0x7fff_ffff;
        let half = if magnitude > 0x7f80_0000 {
            0x7e00
        } else if magnitude >= 0x477f_f000 {
            0x7c00
        } else if magnitude >= 0x3880_0000 {
            // Normal: drop 13 bits, rounding half to even; a carry moves into the exponent as it should.
            let rebased = magnitude - (112 << 23);
            (rebased + 0xfff + (rebased >> 13 & 1)) >> 13
        } else {
            // Subnormal: units of 2^-24; the product is exact, so one rounding happens.
            (f32::from_bits(magnitude) * 16_777_216.0).round_ties_even() as u32
        };
        Self(sign | half as u16)
    }

    /// The same value as f32.
    pub fn to_f32(self) -> f32 {
        let magnitude = u32::from(self.0 & 0x7fff);
        let value = match magnitude {
            0..0x400 => magnitude as f32 / 16_777_216.0,
            0x400..0x7c00 => f32::from_bits((magnitude << 13) + (112 << 23)),
            0x7c00 => f32::INFINITY,
            _ => f32::NAN,
        };
        if self.0 >> 15 == 1 { -value } else { value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_survives_the_way_through_f32() {
        for bits in 0..=u16::MAX {
            let value = Half(bits).to_f32();
            if !value.is_nan() {
                assert_eq!(Half::from_f32(value), Half(bits));
            }
        }
    }

    #[test]
    fn between_two_halves_the_nearer_wins_and_a_tie_goes_to_even() {
        for bits in 0..0x7bffu16 {
            let (low, high) = (Half(bits).to_f32(), Half(bits + 1).to_f32());
            let middle = (low + high) / 2.0;
            let even = if bits & 1 == 0 { bits } else { bits + 1 };
            assert_eq!(Half::from_f32(middle), Half(even));
            assert_eq!(Half::from_f32(middle.next_down()), Half(bits));
            assert_eq!(Half::from_f32(middle.next_up()), Half(bits + 1));
        }
        assert_eq!(Half::from_f32(65_519.0), Half(0x7bff));
        assert_eq!(Half::from_f32(65_520.0), Half(0x7c00));
        assert_eq!(Half::from_f32(-1e-9), Half(0x8000));
    }
}
