//! An RGB picture: rectangles, text, and the way out as PNG.

use super::font;

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

/// Pixels row by row.
pub(super) struct Canvas {
    pub width: usize,
    pub height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize, background: Colour) -> Self {
        Self {
            width,
            height,
            pixels: background.repeat(width * height),
        }
    }

    /// Sets a pixel; outside the picture nothing happens.
    pub(super) fn set(&mut self, x: usize, y: usize, colour: Colour) {
        if x < self.width && y < self.height {
            let at = 3 * (y * self.width + x);
            self.pixels[at..at + 3].copy_from_slice(&colour);
        }
    }

    pub(super) fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, colour: Colour) {
        for row in y..y + height {
            for column in x..x + width {
                self.set(column, row, colour);
            }
        }
    }

    /// Text with its upper left corner at (x, y), each dot `size` pixels wide, on a shadow that keeps it readable.
    pub(super) fn text(&mut self, x: usize, y: usize, size: usize, text: &str, colour: Colour) {
        let shadow = [0, 0, 0];
        for (offset, ink) in [(size.div_ceil(2), shadow), (0, colour)] {
            for (i, c) in text.chars().enumerate() {
                for (row, dots) in font::glyph(c).iter().enumerate() {
                    for (column, _) in dots.bytes().enumerate().filter(|(_, dot)| *dot == b'#') {
                        let left = x + (i * (font::WIDTH + 1) + column) * size + offset;
                        self.fill(left, y + row * size + offset, size, size, ink);
                    }
                }
            }
        }
    }

    /// The picture as PNG, with `notice` as its Description.
    pub(super) fn to_png(&self, notice: &str) -> Result<Vec<u8>, png::EncodingError> {
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        // The default takes twenty times as long, as long as half a network, for two thirds of the bytes.
        encoder.set_compression(png::Compression::Fast);
        encoder.add_text_chunk("Description".to_owned(), notice.to_owned())?;
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()?;
        Ok(out)
    }
}

/// Pixels that a text of one line takes.
pub(super) fn text_width(text: &str, size: usize) -> usize {
    text.chars().count() * (font::WIDTH + 1) * size
}

/// `a` with the share `alpha` of `b` over it.
pub(super) fn blend(a: Colour, b: Colour, alpha: f64) -> Colour {
    std::array::from_fn(|i| (f64::from(a[i]) * (1.0 - alpha) + f64::from(b[i]) * alpha + 0.5) as u8)
}
