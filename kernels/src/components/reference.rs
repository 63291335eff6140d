//! Connected components of equal values, by runs along x and union-find, and MONAI's
//! `KeepLargestConnectedComponent` (each label for itself, background 0).

use std::cmp::Ordering;
use std::ops::Range;

use rayon::prelude::*;

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

/// A maximal stretch of one value along x.
pub(crate) struct Run {
    pub(crate) value: u8,
    /// Row number `y + z*Y`, and the voxels of it along x.
    pub(crate) row: usize,
    pub(crate) xs: Range<usize>,
}

impl Run {
    /// Where its voxels are in the volume.
    pub(crate) fn voxels(&self, dims: [usize; 3]) -> Range<usize> {
        self.row * dims[0] + self.xs.start..self.row * dims[0] + self.xs.end
    }
}

/// All runs of the voxels that `value` gives a number for, with the number of the component of each.
pub(crate) struct Components {
    pub(crate) runs: Vec<Run>,
    /// For each run the index of its component's first run.
    pub(crate) root: Vec<usize>,
}

impl Components {
    pub(crate) fn of(
        labels: &Field<u8>,
        connectivity: Connectivity,
        value: impl Fn(u8) -> Option<u8> + Sync,
    ) -> Self {
        let dims = labels.grid().dims();
        let slices: Vec<Vec<Run>> = labels
            .voxels()
            .par_chunks(dims[0] * dims[1])
            .enumerate()
            .map(|(z, slice)| runs_of(slice, dims[0], z * dims[1], &value))
            .collect();
        let runs: Vec<Run> = slices.into_iter().flatten().collect();
        // Runs of row r are runs[rows[r]..rows[r + 1]].
        let mut rows = vec![0; dims[1] * dims[2] + 1];
        for run in &runs {
            rows[run.row + 1] += 1;
        }
        for row in 1..rows.len() {
            rows[row] += rows[row - 1];
        }
        let mut root: Vec<usize> = (0..runs.len()).collect();
        for row in 0..dims[1] * dims[2] {
            for (other, reach) in earlier_rows(row, dims, connectivity) {
                join_rows(
                    &runs,
                    rows[row]..rows[row + 1],
                    rows[other]..rows[other + 1],
                    reach,
                    &mut root,
                );
            }
        }
        for run in 0..runs.len() {
            root[run] = find(&mut root, run);
        }
        Self { runs, root }
    }
}

/// The runs of some rows, of which the first has number `first`.
fn runs_of(
    voxels: &[u8],
    width: usize,
    first: usize,
    value: impl Fn(u8) -> Option<u8>,
) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (number, voxels) in voxels.chunks(width).enumerate() {
        let row = first + number;
        let mut start = 0;
        while start < width {
            let end = same_until(voxels, start);
            if let Some(value) = value(voxels[start]) {
                match runs.last_mut() {
                    // Two labels may have one number.
                    Some(run) if run.row == row && run.value == value && run.xs.end == start => {
                        run.xs.end = end;
                    }
                    _ => runs.push(Run {
                        value,
                        row,
                        xs: start..end,
                    }),
                }
            }
            start = end;
        }
    }
    runs
}

/// Where the stretch of equal voxels from `start` on ends.
pub(crate) fn same_until(row: &[u8], start: usize) -> usize {
    // Most of a label map is background, so whole pieces are compared at once.
    const PIECE: usize = 32;
    let voxel = row[start];
    let whole = row[start..]
        .chunks_exact(PIECE)
        .take_while(|piece| piece.iter().fold(0, |different, v| different | (v ^ voxel)) == 0)
        .count();
    let rest = start + whole * PIECE;
    rest + row[rest..].iter().take_while(|v| **v == voxel).count()
}

/// The neighbouring rows that come before `row`, and how far along x they reach diagonally.
fn earlier_rows(
    row: usize,
    dims: [usize; 3],
    connectivity: Connectivity,
) -> impl Iterator<Item = (usize, usize)> {
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
fn join_rows(
    runs: &[Run],
    row: Range<usize>,
    other: Range<usize>,
    reach: usize,
    root: &mut [usize],
) {
    let mut join = |a: usize, b: usize| {
        let (left, right) = (&runs[a].xs, &runs[b].xs);
        let touch = left.start < right.end + reach && right.start < left.end + reach;
        if touch && runs[a].value == runs[b].value {
            let (one, two) = (find(root, a), find(root, b));
            root[one.max(two)] = one.min(two);
        }
    };
    let (mut a, mut b) = (row.start, other.start);
    while a < row.end && b < other.end {
        join(a, b);
        // The run that ends first can touch nothing further along. Where both end together, each may still
        // touch the run that follows the other diagonally.
        match runs[a].xs.end.cmp(&runs[b].xs.end) {
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

fn find(root: &mut [usize], mut run: usize) -> usize {
    while root[run] != run {
        root[run] = root[root[run]];
        run = root[run];
    }
    run
}

/// Sets every voxel to 0 that is not in the largest component of its label. Of components of equal size the
/// one stays whose first voxel, with z fastest, comes last: as MONAI does.
pub fn keep_largest(labels: &mut Field<u8>, connectivity: Connectivity) {
    let dims = labels.grid().dims();
    let components = Components::of(labels, connectivity, |v| (v != 0).then_some(v));
    // Per root: size, and the first voxel in the order with z fastest.
    let mut size = vec![0usize; components.runs.len()];
    let mut first = vec![usize::MAX; components.runs.len()];
    for (run, &root) in components.runs.iter().zip(&components.root) {
        size[root] += run.xs.len();
        let (y, z) = (run.row % dims[1], run.row / dims[1]);
        first[root] = first[root].min((run.xs.start * dims[1] + y) * dims[2] + z);
    }
    let mut largest: [Option<usize>; 256] = [None; 256];
    for (run, &root) in components.runs.iter().zip(&components.root) {
        let best = &mut largest[usize::from(run.value)];
        if best.is_none_or(|b| (size[root], first[root]) > (size[b], first[b])) {
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
                    let found = Components::of(&field, connectivity, |v| (v != 0).then_some(v));
                    let mut component = vec![usize::MAX; field.voxels().len()];
                    for (run, &root) in found.runs.iter().zip(&found.root) {
                        component[run.voxels(dims)].fill(found.runs[root].voxels(dims).start);
                    }
                    assert_eq!(
                        component,
                        flooded(&field, connectivity),
                        "{dims:?} {connectivity:?}"
                    );
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
