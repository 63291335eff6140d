//! The colours of labelled voxels.

use super::canvas::Colour;

/// How much of the label's colour lies over the scan.
const FILL_ALPHA: f64 = 0.2;
/// How much of it the outline has.
const OUTLINE_ALPHA: f64 = 0.95;

/// Colours of labels 1, 2, …, told apart also by people who see few colours (after Okabe and Ito).
const PALETTE: [Colour; 7] = [
    [0, 214, 170],
    [255, 159, 28],
    [86, 180, 233],
    [240, 228, 66],
    [214, 94, 150],
    [120, 130, 255],
    [213, 94, 0],
];

fn palette_index(label: u8) -> usize {
    (usize::from(label) + PALETTE.len() - 1) % PALETTE.len()
}

/// A label's colour.
pub(super) fn colour_of(label: u8) -> Colour {
    PALETTE[palette_index(label)]
}

/// What every grey value looks like under every colour, so that no pixel is blended for itself.
pub(super) struct Inks {
    /// By colour of the palette and grey value.
    fill: Vec<[Colour; 256]>,
    outline: Vec<[Colour; 256]>,
}

impl Inks {
    pub(super) fn new() -> Self {
        let blended = |alpha: f64| {
            let under = |colour: &Colour| {
                std::array::from_fn(|grey| blend([grey as u8; 3], *colour, alpha))
            };
            PALETTE.iter().map(under).collect()
        };
        Self {
            fill: blended(FILL_ALPHA),
            outline: blended(OUTLINE_ALPHA),
        }
    }

    /// A pixel of the scan inside a labelled structure.
    pub(super) fn fill(&self, label: u8, grey: u8) -> Colour {
        self.fill[palette_index(label)][usize::from(grey)]
    }

    /// A pixel of the scan at the edge of a labelled structure.
    pub(super) fn outline(&self, label: u8, grey: u8) -> Colour {
        self.outline[palette_index(label)][usize::from(grey)]
    }
}

/// `a` with the share `alpha` of `b` over it.
fn blend(a: Colour, b: Colour, alpha: f64) -> Colour {
    std::array::from_fn(|i| (f64::from(a[i]) * (1.0 - alpha) + f64::from(b[i]) * alpha + 0.5) as u8)
}
