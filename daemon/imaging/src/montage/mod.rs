//! A picture of a label map on its scan, for people: axial slices, a coronal and a sagittal row, to scale.
//!
//! It is drawn as radiologists hang films (the patient's right on the left), says so with letters, and carries
//! [`crate::RESEARCH_USE`]. Oblique scans are shown in their own planes, the nearest to the patient's.

mod canvas;
mod font;
mod plane;

use crate::error::VolumeError;
use crate::report::volume_report;
use crate::volume::Volume;
use canvas::{Canvas, Colour, blend, text_width};
use plane::{Plane, Scene, View};
use rayon::prelude::*;

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
/// How much of the label's colour lies over the scan.
const FILL_ALPHA: f64 = 0.2;
/// How much of it the outline has.
const OUTLINE_ALPHA: f64 = 0.95;
/// Most structures that the legend names.
const LEGEND_MAX: usize = 6;

const BACKGROUND: Colour = [12, 14, 20];
const CELL_BACKGROUND: Colour = [0, 0, 0];
const INK: Colour = [232, 236, 241];
const FAINT: Colour = [148, 160, 176];
const WARNING: Colour = [255, 196, 77];
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

/// Draws `labels` (one per voxel, 0 is background) on the scan; `names` go into the legend with their volumes.
///
/// The same input gives the same bytes.
///
/// # Errors
/// [`MontageError::Labels`] when there is not one label per voxel.
pub fn montage(
    volume: &Volume,
    labels: &[u8],
    names: &[(u8, &str)],
    title: &str,
) -> Result<Vec<u8>, MontageError> {
    if labels.len() != volume.voxels().len() {
        return Err(MontageError::Labels(VolumeError::Size {
            dims: volume.dims(),
            voxels: labels.len(),
        }));
    }
    let scene = Scene::new(volume, labels);
    // One scale for all cells: the longest side of the scan fits a cell.
    let longest = (0..3).map(|a| scene.extent_mm(a)).fold(0.0, f64::max);
    let mm = longest / CELL as f64;
    let rows: Vec<(View, Vec<usize>)> = rows(&scene);
    let heights: Vec<usize> = rows
        .iter()
        .map(|(view, _)| row_height(&scene, *view, mm))
        .collect();

    let width = COLUMNS * CELL + (COLUMNS + 1) * GAP;
    let height = 2 * BAND + heights.iter().map(|h| h + GAP).sum::<usize>() + GAP;
    let mut canvas = Canvas::new(width, height, BACKGROUND);
    canvas.text(2 * GAP, GAP + 10, 3, &printable(title), INK);
    let right = "R = patient's right";
    canvas.text(
        width - 2 * GAP - text_width(right, 2),
        GAP + 14,
        2,
        right,
        FAINT,
    );
    let mut y = BAND + GAP;
    for ((view, slices), row_height) in rows.iter().zip(&heights) {
        let planes: Vec<Plane> = slices
            .par_iter()
            .map(|&slice| scene.cut(*view, slice, mm))
            .collect();
        for (column, (&slice, plane)) in slices.iter().zip(&planes).enumerate() {
            let at_mm = scene.position_mm(*view, slice);
            let x = GAP + column * (CELL + GAP);
            draw_cell(&mut canvas, plane, *view, at_mm, (x, y, *row_height));
        }
        y += row_height + GAP;
    }
    draw_scale(&mut canvas, mm, BAND + GAP + heights[0]);
    draw_caption(&mut canvas, volume, labels, names, y);
    canvas
        .to_png(crate::RESEARCH_USE)
        .map_err(MontageError::Png)
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

fn colour_of(label: u8) -> Colour {
    PALETTE[(usize::from(label) + PALETTE.len() - 1) % PALETTE.len()]
}

fn draw_cell(
    canvas: &mut Canvas,
    plane: &Plane,
    view: View,
    at_mm: f64,
    (x, y, height): (usize, usize, usize),
) {
    canvas.fill(x, y, CELL, height, CELL_BACKGROUND);
    let (left, top) = (
        x + CELL.saturating_sub(plane.width) / 2,
        y + height.saturating_sub(plane.height) / 2,
    );
    for row in 0..plane.height {
        for column in 0..plane.width {
            let i = row * plane.width + column;
            let grey = [plane.grey[i]; 3];
            let colour = match plane.labels[i] {
                0 => grey,
                label if plane.on_outline(column, row) => {
                    blend(grey, colour_of(label), OUTLINE_ALPHA)
                }
                label => blend(grey, colour_of(label), FILL_ALPHA),
            };
            canvas.set(left + column, top + row, colour);
        }
    }
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

fn draw_caption(
    canvas: &mut Canvas,
    volume: &Volume,
    labels: &[u8],
    names: &[(u8, &str)],
    y: usize,
) {
    let size = 2;
    canvas.fill(0, y, canvas.width, 2, [40, 46, 58]);
    let notice = crate::RESEARCH_USE;
    let notice_x = canvas.width - 2 * GAP - text_width(notice, size);
    canvas.text(notice_x, y + 20, size, notice, WARNING);
    let mut x = 2 * GAP;
    for measured in volume_report(volume, labels, names)
        .labels
        .iter()
        .take(LEGEND_MAX)
    {
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
