//! A picture of a label map on its scan, for people: axial slices, a coronal and a sagittal row, to scale.
//!
//! It is drawn as radiologists hang films (the patient's right on the left), says so with letters, and carries
//! [`crate::RESEARCH_USE`]. Oblique scans are shown in their own planes, the nearest to the patient's.

mod canvas;
mod font;
mod ink;
mod plane;
mod scene;

use crate::error::VolumeError;
use crate::report::LabelVolume;
use crate::volume::Volume;
use canvas::{Canvas, Colour, text_width};
use ink::{Inks, colour_of};
use plane::Plane;
use rayon::prelude::*;
use scene::{Scene, View};

/// Cells across the picture.
const COLUMNS: usize = 4;
/// Rows of axial slices.
const AXIAL_ROWS: usize = 3;
/// Pixels across a cell.
const CELL: usize = 300;
/// Pixels between cells and around them.
const GAP: usize = 8;
/// Pixels for the title, and for the caption below.
const BAND: usize = 56;
/// Most structures that the legend names.
const LEGEND_MAX: usize = 6;

const BACKGROUND: Colour = [12, 14, 20];
const CELL_BACKGROUND: Colour = [0, 0, 0];
const INK: Colour = [232, 236, 241];
const FAINT: Colour = [148, 160, 176];
const WARNING: Colour = [255, 196, 77];

/// Why no picture was drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MontageError {
    /// There is not one label per voxel.
    #[error("the labels do not fit the scan")]
    Labels(#[source] VolumeError),
    /// The PNG encoder failed.
    #[error("the picture could not be encoded")]
    Png(#[source] png::EncodingError),
}

/// A picture of a label map, drawn on its scan.
pub struct Montage(Canvas);

impl Montage {
    /// Draws `labels` (one per voxel, 0 is background) on the scan; the legend names what was `measured`
    /// ([`crate::report::volume_report`]).
    ///
    /// # Errors
    /// [`MontageError::Labels`] when there is not one label per voxel.
    pub fn draw(
        volume: &Volume,
        labels: &[u8],
        measured: &[LabelVolume],
        title: &str,
    ) -> Result<Self, MontageError> {
        if labels.len() != volume.voxels().len() {
            return Err(MontageError::Labels(VolumeError::Size {
                dims: volume.dims(),
                voxels: labels.len(),
            }));
        }
        Ok(Self(draw(volume, labels, measured, title)))
    }

    /// The picture as PNG. The same input gives the same bytes.
    ///
    /// # Errors
    /// [`MontageError::Png`] when it cannot be encoded.
    pub fn to_png(&self) -> Result<Vec<u8>, MontageError> {
        self.0
            .to_png(crate::RESEARCH_USE)
            .map_err(MontageError::Png)
    }
}

fn draw(volume: &Volume, labels: &[u8], measured: &[LabelVolume], title: &str) -> Canvas {
    let scene = Scene::new(volume, labels);
    // One scale for all cells: the longest side of the scan fits a cell.
    let longest = (0..3).map(|a| scene.extent_mm(a)).fold(0.0, f64::max);
    let mm = longest / CELL as f64;
    let mut places = Vec::new();
    let mut y = BAND + GAP;
    for (view, slices) in rows(&scene) {
        let height = row_height(&scene, view, mm);
        for (column, slice) in slices.into_iter().enumerate() {
            let x = GAP + column * (CELL + GAP);
            places.push((view, slice, [x, y], height));
        }
        y += height + GAP;
    }
    let cells: Vec<Cell> = places
        .into_par_iter()
        .map(|(view, slice, [x, y], height)| Cell {
            view,
            slice,
            plane: Plane::cut(&scene, view, slice, mm),
            x,
            y,
            height,
        })
        .collect();

    let width = COLUMNS * CELL + (COLUMNS + 1) * GAP;
    let inks = Inks::new();
    let mut canvas = Canvas::painted(width, y + BAND, BACKGROUND, |y, row| {
        cells.iter().for_each(|cell| cell.paint(y, &inks, row));
    });
    canvas.text(2 * GAP, GAP + 10, 3, &printable(title), INK);
    let right = "R = patient's right";
    canvas.text(
        width - 2 * GAP - text_width(right, 2),
        GAP + 14,
        2,
        right,
        FAINT,
    );
    for cell in &cells {
        let at_mm = scene.position_mm(cell.view, cell.slice);
        draw_letters(&mut canvas, cell, at_mm);
    }
    if let Some(first) = cells.first() {
        draw_scale(&mut canvas, mm, first.y + first.height);
    }
    draw_caption(&mut canvas, measured, y);
    canvas
}

/// Which slices each row shows: spread over what is labelled, a little inside its ends.
fn rows(scene: &Scene) -> Vec<(View, Vec<usize>)> {
    let spread = |view: View, count: usize| -> Vec<usize> {
        let (low, high) = scene.labelled(view.axes()[2]);
        let count = count.min(high - low + 1);
        let step = (high - low + 1) as f64 / count as f64;
        (0..count)
            .map(|i| low + (step * (i as f64 + 0.5)) as usize)
            .collect()
    };
    let mut rows: Vec<(View, Vec<usize>)> = spread(View::Axial, COLUMNS * AXIAL_ROWS)
        .chunks(COLUMNS)
        .map(|c| (View::Axial, c.to_vec()))
        .collect();
    rows.push((View::Coronal, spread(View::Coronal, COLUMNS)));
    rows.push((View::Sagittal, spread(View::Sagittal, COLUMNS)));
    rows
}

fn row_height(scene: &Scene, view: View, mm: f64) -> usize {
    // Even a single voxel line leaves room for its letters.
    ((scene.extent_mm(view.axes()[1]) / mm).round() as usize).clamp(CELL / 4, CELL)
}

/// A slice and where it goes.
struct Cell {
    view: View,
    slice: usize,
    plane: Plane,
    x: usize,
    y: usize,
    height: usize,
}

impl Cell {
    /// Paints what of the cell lies in row `y` of the picture.
    fn paint(&self, y: usize, inks: &Inks, row: &mut [Colour]) {
        if !(self.y..self.y + self.height).contains(&y) {
            return;
        }
        row[self.x..self.x + CELL].fill(CELL_BACKGROUND);
        let Plane { width, height, .. } = self.plane;
        let left = self.x + CELL.saturating_sub(width) / 2;
        let top = self.y + self.height.saturating_sub(height) / 2;
        if (top..top + height).contains(&y) {
            let pixels = &mut row[left..left + width];
            self.plane.paint(y - top, inks, pixels);
        }
    }
}

fn draw_letters(canvas: &mut Canvas, cell: &Cell, at_mm: f64) {
    let Cell {
        view, x, y, height, ..
    } = *cell;
    let [l, r, t, b] = view.letters();
    let (middle_x, middle_y) = (x + CELL / 2 - 6, y + height / 2 - 8);
    canvas.text(x + 6, middle_y, 2, l, INK);
    canvas.text(x + CELL - 16, middle_y, 2, r, INK);
    canvas.text(middle_x, y + 4, 2, t, FAINT);
    canvas.text(middle_x, y + height - 20, 2, b, FAINT);
    let axis = ["x", "y", "z"][view.axes()[2]];
    let place = format!("{axis} {at_mm:+.0} mm");
    canvas.text(x + 6, y + height - 20, 2, &place, FAINT);
}

/// A bar of 50 mm (or 10 mm for small scans) in the first cell.
fn draw_scale(canvas: &mut Canvas, mm: f64, bottom: usize) {
    let length_mm = if mm * CELL as f64 > 120.0 { 50.0 } else { 10.0 };
    let length = (length_mm / mm).round() as usize;
    if length == 0 || length > CELL / 2 {
        return;
    }
    let x = GAP + CELL - 8 - length;
    canvas.fill(x, bottom - 9, length, 3, INK);
    let text = format!("{length_mm:.0} mm");
    let inset = length.saturating_sub(text_width(&text, 2)) / 2;
    canvas.text(x + inset, bottom - 28, 2, &text, INK);
}

fn draw_caption(canvas: &mut Canvas, measured: &[LabelVolume], y: usize) {
    let size = 2;
    canvas.fill(0, y, canvas.width, 2, [40, 46, 58]);
    let notice = crate::RESEARCH_USE;
    let notice_x = canvas.width - 2 * GAP - text_width(notice, size);
    canvas.text(notice_x, y + 20, size, notice, WARNING);
    let mut x = 2 * GAP;
    for measured in measured.iter().take(LEGEND_MAX) {
        let text = format!("{} {:.0} ml", printable(&measured.name), measured.ml);
        if x + 24 + text_width(&text, size) > notice_x {
            break;
        }
        canvas.fill(x, y + 20, 14, 14, colour_of(measured.label));
        canvas.text(x + 22, y + 20, size, &text, INK);
        x += 22 + text_width(&text, size) + 24;
    }
}

/// Text in the font's characters, cut to what fits beside the letters.
fn printable(text: &str) -> String {
    const CHARS_MAX: usize = 48;
    text.chars()
        .take(CHARS_MAX)
        .map(|c| if c.is_ascii() { c } else { '?' })
        .collect()
}
