//! Connected components of equal values, by runs along x and union-find, and MONAI's
//! `KeepLargestConnectedComponent` (each label for itself, background 0).

use std::cmp::Ordering;
use std::ops::Range;

use rayon::prelude::*;

use super::runs::{Rows, Run};
use crate::grid::Field;

/// Which voxels are neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connectivity {
    /// The 6 that share a face (MONAI's 1).
    Faces,
    /// The 18 that share a face or an edge (2).
    Edges,
    /// All 26 around (3, MONAI's default).
    Corners,
}

/// Voxels whose runs a thread joins at once, in whole slices. What is left to one thread is a border for each.
const BLOCK_VOXELS: usize = 1 << 20;

/// All runs of the voxels that `value` gives a number for, with the number of the component of each.
pub(crate) struct Components {
    pub(crate) runs: Vec<Run>,
    /// For each run the index of its component's first run.
    pub(crate) root: Vec<u32>,
}

impl Components {
    pub(crate) fn of(
        labels: &Field<u8>,
        connectivity: Connectivity,
        value: impl Fn(u8) -> Option<u8> + Sync,
    ) -> Self {
        Self::by_blocks(labels, connectivity, value, BLOCK_VOXELS)
    }

    fn by_blocks(
        labels: &Field<u8>,
        connectivity: Connectivity,
        value: impl Fn(u8) -> Option<u8> + Sync,
        block_voxels: usize,
    ) -> Self {
        let dims = labels.grid().dims();
        let slice = dims[0] * dims[1];
        let slices = block_voxels.div_ceil(slice);
        let blocks: Vec<(Rows, Vec<u32>)> = labels
            .voxels()
            .par_chunks(slices * slice)
            .enumerate()
            .map(|(block, voxels)| {
                let rows = Rows::of(voxels, dims[0], block * slices * dims[1], &value);
                let mut root: Vec<u32> = (0..rows.runs.len() as u32).collect();
                for row in rows.rows() {
                    join_earlier(&rows, row, dims, connectivity, &mut root, |other| {
                        other >= rows.first
                    });
                }
                (rows, root)
            })
            .collect();
        let mut blocks = blocks.into_iter();
        let (mut rows, mut root) = blocks.next().expect("a volume has a voxel");
        for (next, next_root) in blocks {
            let offset = rows.runs.len() as u32;
            rows.append(&next);
            root.extend(next_root.iter().map(|root| root + offset));
            for row in next.first..next.first + dims[1] {
                join_earlier(&rows, row, dims, connectivity, &mut root, |other| {
                    other < next.first
                });
            }
        }
        // A run's root comes before it, so it is final already.
        for run in 0..root.len() {
            root[run] = root[root[run] as usize];
        }
        Self {
            runs: rows.runs,
            root,
        }
    }
}

/// Joins the runs of a row with those that they touch in earlier rows, where `with` allows these.
fn join_earlier(
    rows: &Rows,
    row: usize,
    dims: [usize; 3],
    connectivity: Connectivity,
    root: &mut [u32],
    with: impl Fn(usize) -> bool,
) {
    let own = rows.of_row(row);
    if own.is_empty() {
        return;
    }
    for (other, reach) in earlier_rows(row, dims, connectivity).filter(|(other, _)| with(*other)) {
        join_rows(&rows.runs, own.clone(), rows.of_row(other), reach, root);
    }
}

/// The neighbouring rows that come before `row`, and how far along x they reach diagonally.
fn earlier_rows(
    row: usize,
    dims: [usize; 3],
    connectivity: Connectivity,
) -> impl Iterator<Item = (usize, u32)> {
    let (y, z) = ((row % dims[1]) as i64, (row / dims[1]) as i64);
    [(-1, 0), (0, -1), (-1, -1), (1, -1)]
        .into_iter()
        .filter_map(move |(dy, dz): (i64, i64)| {
            let reach = match (connectivity, dy.abs() + dz.abs()) {
                (Connectivity::Faces, 1) | (Connectivity::Edges, 2) => 0,
                (Connectivity::Edges, 1) | (Connectivity::Corners, _) => 1,
                _ => return None,
            };
            let (y, z) = (y + dy, z + dz);
            let inside = (0..dims[1] as i64).contains(&y) && z >= 0;
            inside.then(|| (y as usize + z as usize * dims[1], reach))
        })
}

/// Joins the runs of equal value in two neighbouring rows that touch, diagonals within `reach` included.
fn join_rows(runs: &[Run], row: Range<usize>, other: Range<usize>, reach: u32, root: &mut [u32]) {
    let mut join = |a: usize, b: usize| {
        let (left, right) = (&runs[a], &runs[b]);
        let touch = left.start < right.end + reach && right.start < left.end + reach;
        if touch && left.value == right.value {
            let (one, two) = (find(root, a as u32), find(root, b as u32));
            root[one.max(two) as usize] = one.min(two);
        }
    };
    let (mut a, mut b) = (row.start, other.start);
    while a < row.end && b < other.end {
        join(a, b);
        // The run that ends first can touch nothing further along. Where both end together, each may still
        // touch the run that follows the other diagonally.
        match runs[a].end.cmp(&runs[b].end) {
            Ordering::Less => a += 1,
            Ordering::Greater => b += 1,
            Ordering::Equal => {
                if a + 1 < row.end {
                    join(a + 1, b);
                }
                if b + 1 < other.end {
                    join(a, b + 1);
                }
                a += 1;
                b += 1;
            }
        }
    }
}

fn find(root: &mut [u32], mut run: u32) -> u32 {
    while root[run as usize] != run {
        let next = root[root[run as usize] as usize];
        root[run as usize] = next;
        run = next;
    }
    run
}

/// Sets every voxel to 0 that is not in the largest component of its label. Of components of equal size the
/// one stays whose first voxel, with z fastest, comes last: as MONAI does.
pub fn keep_largest(labels: &mut Field<u8>, connectivity: Connectivity) {
    let dims = labels.grid().dims();
    let components = Components::of(labels, connectivity, |v| (v != 0).then_some(v));
    // Per root: size, and the first voxel in the order with z fastest.
    let mut of_root = vec![(0, usize::MAX); components.runs.len()];
    for (run, &root) in components.runs.iter().zip(&components.root) {
        let (size, first) = &mut of_root[root as usize];
        *size += run.voxel_count();
        let (y, z) = (run.row as usize % dims[1], run.row as usize / dims[1]);
        *first = (*first).min((run.start as usize * dims[1] + y) * dims[2] + z);
    }
    let mut largest: [Option<u32>; 256] = [None; 256];
    for (run, &root) in components.runs.iter().zip(&components.root) {
        let best = &mut largest[usize::from(run.value)];
        if best.is_none_or(|b| of_root[root as usize] > of_root[b as usize]) {
            *best = Some(root);
        }
    }
    let voxels = labels.voxels_mut();
    for (run, &root) in components.runs.iter().zip(&components.root) {
        if largest[usize::from(run.value)] != Some(root) {
            voxels[run.voxels(dims)].fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::unit_grid;

    fn labels(dims: [usize; 3], voxels: Vec<u8>) -> Field<u8> {
        Field::new(unit_grid(dims), voxels).expect("as many voxels as the grid has")
    }

    /// Component of every voxel by flood fill over the offsets: slow and plain.
    fn flooded(field: &Field<u8>, connectivity: Connectivity) -> Vec<usize> {
        let dims = field.grid().dims().map(|n| n as i64);
        let limit = match connectivity {
            Connectivity::Faces => 1,
            Connectivity::Edges => 2,
            Connectivity::Corners => 3,
        };
        let at = |v: i64| [v % dims[0], v / dims[0] % dims[1], v / dims[0] / dims[1]];
        let mut component = vec![usize::MAX; field.voxels().len()];
        for seed in 0..component.len() {
            if field.voxels()[seed] == 0 || component[seed] != usize::MAX {
                continue;
            }
            let mut stack = vec![seed];
            component[seed] = seed;
            while let Some(voxel) = stack.pop() {
                let from = at(voxel as i64);
                for offset in 0..27 {
                    let step = [offset % 3 - 1, offset / 3 % 3 - 1, offset / 9 - 1];
                    let to: [i64; 3] = std::array::from_fn(|i| from[i] + step[i]);
                    let hops = step.iter().map(|v| v.abs()).sum::<i64>();
                    if hops > limit || (0..3).any(|i| !(0..dims[i]).contains(&to[i])) {
                        continue;
                    }
                    let next = (to[0] + (to[1] + to[2] * dims[1]) * dims[0]) as usize;
                    if component[next] == usize::MAX
                        && field.voxels()[next] == field.voxels()[voxel]
                    {
                        component[next] = seed;
                        stack.push(next);
                    }
                }
            }
        }
        component
    }

    #[test]
    fn runs_find_the_same_components_as_a_flood_fill() {
        let mut state = 1u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % 5
        };
        for dims in [[9, 8, 7], [1, 6, 9], [12, 1, 5], [17, 3, 2]] {
            for _ in 0..40 {
                // 0 often, labels 1 and 2: many small components of odd shape.
                let voxels = (0..dims.iter().product())
                    .map(|_| [0, 0, 1, 1, 2][random() as usize])
                    .collect();
                let field = labels(dims, voxels);
                for connectivity in [
                    Connectivity::Faces,
                    Connectivity::Edges,
                    Connectivity::Corners,
                ] {
                    let flooded = flooded(&field, connectivity);
                    // Blocks of one slice, of two, and of all.
                    for block in [1, 2 * dims[0] * dims[1], BLOCK_VOXELS] {
                        let value = |v| (v != 0).then_some(v);
                        let found = Components::by_blocks(&field, connectivity, value, block);
                        let mut component = vec![usize::MAX; field.voxels().len()];
                        for (run, &root) in found.runs.iter().zip(&found.root) {
                            let first = found.runs[root as usize].voxels(dims).start;
                            component[run.voxels(dims)].fill(first);
                        }
                        assert_eq!(component, flooded, "{dims:?} {connectivity:?} {block}");
                    }
                }
            }
        }
    }

    #[test]
    fn each_label_keeps_its_largest() {
        let mut field = labels([9, 1, 1], vec![1, 0, 1, 1, 0, 2, 0, 2, 2]);
        keep_largest(&mut field, Connectivity::Corners);
        assert_eq!(field.voxels(), [0, 0, 1, 1, 0, 0, 0, 2, 2]);
    }

    #[test]
    fn of_equal_components_the_last_with_z_fastest_stays() {
        // (0,0,1) and (2,0,0): with x fastest the first comes last, with z fastest the second.
        let mut field = labels([3, 1, 2], vec![0, 0, 1, 1, 0, 0]);
        keep_largest(&mut field, Connectivity::Corners);
        assert_eq!(field.voxels(), [0, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn nothing_stays_nothing() {
        let mut field = labels([2, 2, 2], vec![0; 8]);
        keep_largest(&mut field, Connectivity::Faces);
        assert_eq!(field.voxels(), [0; 8]);
    }
}
