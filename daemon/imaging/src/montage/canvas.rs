//! An RGB picture: rectangles, text, and the way out as PNG.

use super::font;
use rayon::prelude::*;

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

/// Pixels row by row.
pub(super) struct Canvas {
    pub width: usize,
    pub height: usize,
    pixels: Vec<Colour>,
}

impl Canvas {
    /// A canvas whose rows, by their number, `paint` paints on the background.
    pub(super) fn painted(
        width: usize,
        height: usize,
        background: Colour,
        paint: impl Fn(usize, &mut [Colour]) + Sync,
    ) -> Self {
        let background = vec![background; width];
        let mut pixels = vec![[0; 3]; width * height];
        let rows = pixels.par_chunks_mut(width).enumerate();
        rows.for_each(|(y, row)| {
            row.copy_from_slice(&background);
            paint(y, row);
        });
        Self {
            width,
            height,
            pixels,
        }
    }

    /// Fills a rectangle; outside the picture nothing happens.
    pub(super) fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, colour: Colour) {
        let columns = x.min(self.width)..(x + width).min(self.width);
        for row in y..(y + height).min(self.height) {
            self.pixels[row * self.width..][columns.clone()].fill(colour);
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
        // The default takes sixty times as long, as long as a network, for half of the bytes; a filter chosen for each
        // row more than twice as long for a seventh fewer.
        encoder.set_compression(png::Compression::Fastest);
        encoder.add_text_chunk("Description".to_owned(), notice.to_owned())?;
        let mut writer = encoder.write_header()?;
        writer.write_image_data(self.pixels.as_flattened())?;
        writer.finish()?;
        Ok(out)
    }
}

/// Pixels that a text of one line takes.
pub(super) fn text_width(text: &str, size: usize) -> usize {
    text.chars().count() * (font::WIDTH + 1) * size
}
