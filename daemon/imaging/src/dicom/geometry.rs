//! Puts slices in order along their normal and makes the affine, or names the slices that do not fit.
//!
//! Order and affine are ITK's: sorted by the projection of ImagePositionPatient on the normal, third column =
//! (last − first)/(n − 1), so that a tilted gantry gives a sheared affine. ITK only warns about uneven slices; here
//! they are refused, because a volume with a hole in it measures wrong.

use super::slice::{Place, Slice};
use super::{DicomError, Names};
use crate::affine::{Affine, dot, norm, scale, sub};

/// Direction cosines that differ by less are the same orientation.
const ORIENTATION_TOLERANCE: f64 = 1e-3;
/// Relative difference below which two pixel spacings are the same.
const SPACING_TOLERANCE: f64 = 1e-3;
/// Distances below this (mm) are rounding of the decimal strings in the files.
const ROUNDING_MM: f64 = 1e-3;
/// How far sideways a slice may lie from the line of its series, in units of the slice spacing.
const SIDEWAYS_MAX: f64 = 0.1;

/// Sorts `slices` along their normal; the affine is LPS.
///
/// `gap_tolerance` is how much a distance between neighbours may differ from the usual one, as a share of it.
pub(super) fn arrange(
    slices: Vec<Slice>,
    gap_tolerance: f64,
) -> Result<(Vec<Slice>, Affine), DicomError> {
    let mut placed = Vec::with_capacity(slices.len());
    let mut missing: Option<(&'static str, Vec<String>)> = None;
    for slice in slices {
        match slice.place {
            Ok(place) => placed.push((slice, place)),
            Err(element) => missing
                .get_or_insert((element, Vec::new()))
                .1
                .push(slice.label),
        }
    }
    if let Some((element, labels)) = missing {
        return Err(DicomError::MissingGeometry {
            element,
            slices: Names(labels),
        });
    }
    uniform(&placed, "sizes", |(a, _), (b, _)| {
        (a.layout.rows, a.layout.columns) == (b.layout.rows, b.layout.columns)
    })?;
    uniform(&placed, "orientations", |(_, a), (_, b)| {
        close(&a.along_row, &b.along_row, ORIENTATION_TOLERANCE)
            && close(&a.along_column, &b.along_column, ORIENTATION_TOLERANCE)
    })?;
    uniform(&placed, "pixel spacings", |(_, a), (_, b)| {
        let [x, y] = a.pixel_spacing;
        close(
            &a.pixel_spacing,
            &b.pixel_spacing,
            SPACING_TOLERANCE * x.min(y),
        )
    })?;

    let Some(first) = placed.first().map(|(_, place)| *place) else {
        return Err(DicomError::Empty);
    };
    let normal = first.normal();
    let along = |place: &Place| dot(place.position, normal);
    // Equal projections are refused below, so their order does not matter; the sort is stable all the same.
    placed.sort_by(|(_, a), (_, b)| along(a).total_cmp(&along(b)));
    let step = if placed.len() == 1 {
        let (slice, _) = &placed[0];
        let thickness = slice.thickness.ok_or(DicomError::MissingGeometry {
            element: "SliceThickness",
            slices: Names(vec![slice.label.clone()]),
        })?;
        scale(normal, thickness)
    } else {
        check_distances(&placed, along, gap_tolerance)?;
        let last = placed[placed.len() - 1].1.position;
        let step = scale(
            sub(last, placed[0].1.position),
            1.0 / (placed.len() - 1) as f64,
        );
        check_line(&placed, step)?;
        step
    };
    // PixelSpacing is [between rows, between columns]: the column index moves along the row direction.
    let columns = [
        scale(first.along_row, first.pixel_spacing[1]),
        scale(first.along_column, first.pixel_spacing[0]),
        step,
    ];
    let affine = Affine::from_columns(columns, placed[0].1.position);
    Ok((placed.into_iter().map(|(slice, _)| slice).collect(), affine))
}

fn close(a: &[f64], b: &[f64], tolerance: f64) -> bool {
    a.iter().zip(b).all(|(x, y)| (x - y).abs() <= tolerance)
}

/// Refuses the series when some slices differ from the most frequent kind, and names them.
fn uniform(
    placed: &[(Slice, Place)],
    what: &'static str,
    same: impl Fn(&(Slice, Place), &(Slice, Place)) -> bool,
) -> Result<(), DicomError> {
    let mut kinds: Vec<(usize, Vec<usize>)> = Vec::new(); // representative, members
    for (i, slice) in placed.iter().enumerate() {
        match kinds
            .iter_mut()
            .find(|(kind, _)| same(&placed[*kind], slice))
        {
            Some((_, members)) => members.push(i),
            None => kinds.push((i, vec![i])),
        }
    }
    if kinds.len() < 2 {
        return Ok(());
    }
    kinds.sort_by_key(|(_, members)| std::cmp::Reverse(members.len()));
    let mut odd: Vec<usize> = kinds[1..]
        .iter()
        .flat_map(|(_, members)| members.iter().copied())
        .collect();
    odd.sort_unstable();
    Err(DicomError::Mixed {
        what,
        slices: Names(odd.into_iter().map(|i| placed[i].0.label.clone()).collect()),
    })
}

/// Refuses duplicates, then gaps, among neighbours.
fn check_distances(
    placed: &[(Slice, Place)],
    along: impl Fn(&Place) -> f64,
    gap_tolerance: f64,
) -> Result<(), DicomError> {
    let distances: Vec<f64> = placed
        .windows(2)
        .map(|w| along(&w[1].1) - along(&w[0].1))
        .collect();
    let mut sorted: Vec<f64> = distances
        .iter()
        .copied()
        .filter(|&d| d > ROUNDING_MM)
        .collect();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    let allowed = (gap_tolerance * usual).max(ROUNDING_MM);

    let mut duplicates: Vec<String> = Vec::new();
    for (i, &distance) in distances.iter().enumerate() {
        if distance <= allowed {
            for label in [&placed[i].0.label, &placed[i + 1].0.label] {
                if duplicates.last() != Some(label) {
                    duplicates.push(label.clone());
                }
            }
        }
    }
    if !duplicates.is_empty() {
        return Err(DicomError::Duplicates {
            slices: Names(duplicates),
        });
    }
    let gaps: Vec<_> = distances
        .iter()
        .enumerate()
        .filter(|(_, d)| (**d - usual).abs() > allowed)
        .map(|(i, &d)| (placed[i].0.label.clone(), placed[i + 1].0.label.clone(), d))
        .collect();
    if gaps.is_empty() {
        Ok(())
    } else {
        Err(DicomError::Gaps {
            spacing_mm: usual,
            gaps,
        })
    }
}

/// Refuses slices that lie beside the line from the first to the last.
fn check_line(placed: &[(Slice, Place)], step: [f64; 3]) -> Result<(), DicomError> {
    let origin = placed[0].1.position;
    let allowed = (SIDEWAYS_MAX * norm(step)).max(ROUNDING_MM);
    let shifted: Vec<String> = placed
        .iter()
        .enumerate()
        .filter(|(k, (_, place))| {
            norm(sub(sub(place.position, origin), scale(step, *k as f64))) > allowed
        })
        .map(|(_, (slice, _))| slice.label.clone())
        .collect();
    if shifted.is_empty() {
        Ok(())
    } else {
        Err(DicomError::Shifted {
            slices: Names(shifted),
        })
    }
}
