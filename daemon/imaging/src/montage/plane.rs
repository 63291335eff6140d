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
        let mut plane = Self {
            width,
            height,
            grey: vec![0; width * height],
            labels: vec![0; width * height],
        };
        let brightness = Brightness::of(scene.window);
        let n = scene.ras.dims[across];
        // The rows above and below as one: voxel by voxel, then pixel by pixel.
        let (mut blended, mut row) = (vec![0.0; n], vec![0.0; width]);
        let greys = plane.grey.chunks_exact_mut(width);
        let rows = greys.zip(plane.labels.chunks_exact_mut(width));
        for (v, (greys, drawn)) in rows.enumerate() {
            let tap = scene.tap(down, v, mm);
            let [low, high] = [tap.low, tap.high].map(|row| row * n..(row + 1) * n);
            let both = values[low.clone()].iter().zip(&values[high.clone()]);
            for (blended, (low, high)) in blended.iter_mut().zip(both) {
                *blended = between(*low, *high, tap.weight);
            }
            for (value, column) in row.iter_mut().zip(&columns) {
                *value = between(blended[column.low], blended[column.high], column.weight);
            }
            for (grey, value) in greys.iter_mut().zip(&row) {
                *grey = brightness.at(*value);
            }
            let (low, high) = (&labels[low], &labels[high]);
            for (label, column) in drawn.iter_mut().zip(&columns) {
                let (left, right) = (column.low, column.high);
                let around = [low[left], low[right], high[left], high[right]];
                let differ =
                    (around[0] ^ around[1]) | (around[0] ^ around[2]) | (around[0] ^ around[3]);
                *label = match differ {
                    0 => around[0],
                    _ => heaviest(around, weights(column.weight, tap.weight)),
                };
            }
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

/// How bright values are drawn between black and white.
#[derive(Clone, Copy)]
struct Brightness {
    black: f32,
    scale: f32,
}

impl Brightness {
    fn of((black, white): (f32, f32)) -> Self {
        let scale = if white > black {
            255.0 / (white - black)
        } else {
            0.0
        };
        Self { black, scale }
    }

    fn at(self, value: f32) -> u8 {
        (((value - self.black) * self.scale).clamp(0.0, 255.0) + 0.5) as u8
    }
}

/// A value between two, where the second one has the weight `share`.
fn between(one: f32, two: f32, share: f32) -> f32 {
    one * (1.0 - share) + two * share
}

/// Weights of the four voxels around a pixel: before and after it above, before and after it below. The ones after it
/// have the share `right`, the ones below `down`.
fn weights(right: f32, down: f32) -> [f32; 4] {
    let (left, up) = (1.0 - right, 1.0 - down);
    [left * up, right * up, left * down, right * down]
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
                        grey.abs_diff(Brightness::of(scene.window).at(value)) <= 1,
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
