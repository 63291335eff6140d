//! One slice of the scan as a picture: grey values and labels, sampled on square pixels.

use super::canvas::Colour;
use super::ink::Inks;
use super::scene::{Scene, Tap, View};

/// A cut slice.
pub(super) struct Plane {
    pub width: usize,
    pub height: usize,
    grey: Vec<u8>,
    labels: Vec<u8>,
}

impl Plane {
    /// Cuts a slice with square pixels of `mm` millimetres.
    pub(super) fn cut(scene: &Scene, view: View, slice: usize, mm: f64) -> Self {
        let [across, down, _] = view.axes();
        let (values, labels) = scene.slice(view, slice);
        let width = ((scene.extent_mm(across) / mm).round() as usize).max(1);
        let height = ((scene.extent_mm(down) / mm).round() as usize).max(1);
        let columns: Vec<Tap> = (0..width).map(|u| scene.tap(across, u, mm)).collect();
        // The voxels on both sides of each pixel, so that what follows reads them in order.
        let values = beside(&values, scene.ras.dims[across], &columns);
        let labels = beside(&labels, scene.ras.dims[across], &columns);
        let mut plane = Self {
            width,
            height,
            grey: Vec::with_capacity(width * height),
            labels: Vec::with_capacity(width * height),
        };
        let rights: Vec<f32> = columns.iter().map(|column| column.weight).collect();
        for row in (0..height).map(|v| scene.tap(down, v, mm)) {
            let corners = around(&values, row, width).zip(&rights);
            plane.grey.extend(corners.map(|(values, &right)| {
                let [a, b, c, d] = weights(right, row.weight);
                let value = values[0] * a + values[1] * b + values[2] * c + values[3] * d;
                brightness(value, scene.window)
            }));
            let corners = around(&labels, row, width).zip(&rights);
            plane.labels.extend(corners.map(|(labels, &right)| {
                let first = labels[0];
                if labels[1] == first && labels[2] == first && labels[3] == first {
                    first
                } else {
                    heaviest(labels, weights(right, row.weight))
                }
            }));
        }
        plane
    }

    /// Row `y` in colour. Labelled pixels whose neighbours have not all the same label are outlines, as are those at the
    /// picture's edge.
    pub(super) fn paint(&self, y: usize, inks: &Inks, pixels: &mut [Colour]) {
        let row_of = |y: usize| y * self.width..(y + 1) * self.width;
        let own = &self.labels[row_of(y)];
        let inner_row = y > 0 && y + 1 < self.height;
        let (above, below) = if inner_row {
            (&self.labels[row_of(y - 1)], &self.labels[row_of(y + 1)])
        } else {
            (own, own)
        };
        let greys = &self.grey[row_of(y)];
        for (x, (pixel, &grey)) in pixels.iter_mut().zip(greys).enumerate() {
            let label = own[x];
            let inner = || {
                let inside = inner_row && x > 0 && x + 1 < self.width;
                let along = |row: &[u8], x: usize| row[x] == label;
                inside
                    && along(own, x - 1)
                    && along(own, x + 1)
                    && along(above, x)
                    && along(below, x)
            };
            *pixel = match label {
                0 => [grey; 3],
                label if inner() => inks.fill(label, grey),
                label => inks.outline(label, grey),
            };
        }
    }
}

/// How bright a value is drawn between black and white.
#[inline]
fn brightness(value: f32, (black, white): (f32, f32)) -> u8 {
    let share = (value - black) / (white - black);
    let share = if white > black { share } else { 0.0 };
    (share.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}

/// Weights of the four voxels around a pixel: before and after it above, before and after it below. The ones after it
/// have the share `right`, the ones below `down`.
#[inline]
fn weights(right: f32, down: f32) -> [f32; 4] {
    let (left, up) = (1.0 - right, 1.0 - down);
    [left * up, right * up, left * down, right * down]
}

/// The voxels before and after every pixel of rows of `n` voxels.
fn beside<T: Copy>(voxels: &[T], n: usize, columns: &[Tap]) -> [Vec<T>; 2] {
    let pixels = voxels.len() / n * columns.len();
    let [mut low, mut high] = [(); 2].map(|()| Vec::with_capacity(pixels));
    for row in voxels.chunks_exact(n) {
        low.extend(columns.iter().map(|column| row[column.low]));
        high.extend(columns.iter().map(|column| row[column.high]));
    }
    [low, high]
}

/// The four voxels around every pixel of a row: before and after it above, before and after it below.
fn around<T: Copy>(
    [low, high]: &[Vec<T>; 2],
    row: Tap,
    width: usize,
) -> impl Iterator<Item = [T; 4]> {
    let rows = |row: usize| {
        let row = row * width..(row + 1) * width;
        low[row.clone()].iter().zip(&high[row])
    };
    let rows = rows(row.low).zip(rows(row.high));
    rows.map(|((a, b), (c, d))| [*a, *b, *c, *d])
}

/// The label with the most weight.
fn heaviest(labels: [u8; 4], weights: [f32; 4]) -> u8 {
    let mut votes = [(0, 0.0); 4];
    for (n, (label, weight)) in labels.into_iter().zip(weights).enumerate() {
        let slot = votes[..n]
            .iter()
            .position(|(l, w)| *l == label && *w > 0.0)
            .unwrap_or(n);
        votes[slot] = (label, votes[slot].1 + weight);
    }
    let heaviest = votes.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    heaviest.map_or(0, |vote| vote.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Affine, Rescale, Volume, Voxels};

    const DIMS: [usize; 3] = [7, 9, 5];

    /// Noise on axes that trade places and run backwards, no two alike, and stretches of three labels.
    fn noise() -> (Volume, Vec<u8>) {
        let affine = Affine::from_columns(
            [[0.0, 0.0, -0.7], [-1.1, 0.0, 0.0], [0.0, 2.0, 0.0]],
            [3.0, 2.0, 1.0],
        );
        let random = |i: usize| (i + 7).wrapping_mul(2_654_435_761) >> 16;
        let n = DIMS.iter().product();
        let values = (0..n).map(|i| random(i) as i16).collect();
        let labels = (0..n).map(|i| (random(i / 3) % 3) as u8).collect();
        let volume = Volume::new(Voxels::I16(values), Rescale::IDENTITY, DIMS, affine);
        (volume.expect("valid"), labels)
    }

    /// The voxels around a pixel, each with its value, its label and its weight.
    fn corners(
        scene: &Scene,
        view: View,
        slice: usize,
        row: Tap,
        column: Tap,
    ) -> [(f32, u8, f32); 4] {
        let [across, down, through] = view.axes();
        let weights = weights(column.weight, row.weight);
        std::array::from_fn(|i| {
            let mut at = [0; 3];
            at[through] = slice;
            at[across] = [column.low, column.high][i % 2];
            at[down] = [row.low, row.high][i / 2];
            let index = scene.ras.index(at);
            (scene.value(index), scene.labels[index], weights[i])
        })
    }

    #[test]
    fn a_pixel_is_made_of_the_four_voxels_around_it() {
        let (volume, labels) = noise();
        let scene = Scene::new(&volume, &labels);
        for view in [View::Axial, View::Coronal, View::Sagittal] {
            for (slice, mm) in [(0, 0.3), (2, 1.0), (4, 2.5)] {
                let [across, down, _] = view.axes();
                let plane = Plane::cut(&scene, view, slice, mm);
                assert_eq!(plane.grey.len(), plane.width * plane.height);
                assert_eq!(plane.labels.len(), plane.grey.len());
                for (i, (grey, label)) in plane.grey.iter().zip(&plane.labels).enumerate() {
                    let row = scene.tap(down, i / plane.width, mm);
                    let column = scene.tap(across, i % plane.width, mm);
                    let corners = corners(&scene, view, slice, row, column);
                    let value = corners
                        .iter()
                        .map(|(value, _, weight)| value * weight)
                        .sum();
                    assert!(
                        grey.abs_diff(brightness(value, scene.window)) <= 1,
                        "{view:?} {i}"
                    );
                    let vote = |of: u8| -> f32 {
                        let its = corners.iter().filter(|(_, label, _)| *label == of);
                        its.map(|(_, _, weight)| weight).sum()
                    };
                    let most = (0..3).map(vote).fold(0.0, f32::max);
                    assert!(vote(*label) > most - 1e-6, "{view:?} {i}");
                }
            }
        }
    }

    #[test]
    fn the_outline_of_a_structure_is_drawn_and_its_inside_filled() {
        let inks = Inks::new();
        let mut filled = 0;
        for (width, height) in [(1, 1), (1, 6), (2, 2), (7, 5)] {
            let labels: Vec<u8> = (0..width * height)
                .map(|i| [0, 2, 2, 2, 2, 2, 1][i * 7 / (width * height)])
                .collect();
            let plane = Plane {
                width,
                height,
                grey: (0..width * height).map(|i| 7 * i as u8).collect(),
                labels: labels.clone(),
            };
            let at = |x: i64, y: i64| {
                let inside = (0..width as i64).contains(&x) && (0..height as i64).contains(&y);
                inside.then(|| labels[y as usize * width + x as usize])
            };
            let mut pixels = vec![[0; 3]; width * height];
            for (y, row) in pixels.chunks_exact_mut(width).enumerate() {
                plane.paint(y, &inks, row);
            }
            for (i, pixel) in pixels.into_iter().enumerate() {
                let (x, y) = ((i % width) as i64, (i / width) as i64);
                let (label, grey) = (labels[i], plane.grey[i]);
                let around = [at(x - 1, y), at(x + 1, y), at(x, y - 1), at(x, y + 1)];
                let expected = match label {
                    0 => [grey; 3],
                    _ if around == [Some(label); 4] => {
                        filled += 1;
                        inks.fill(label, grey)
                    }
                    _ => inks.outline(label, grey),
                };
                assert_eq!(pixel, expected, "{width} x {height}, pixel {i}");
            }
        }
        assert!(filled > 5, "{filled} pixels are inside");
    }
}
