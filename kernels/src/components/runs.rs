//! A label map as its runs: maximal stretches of one value along x, row by row.

use std::ops::Range;

use crate::stretch::equal_until;

/// A maximal stretch of one value along x. Volumes have at most [`crate::grid::VOXELS_MAX`] voxels, so u32 counts them.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub(crate) value: u8,
    /// Row number `y + z*Y`.
    pub(crate) row: u32,
    /// First voxel along x, and the one after the last.
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Run {
    /// Where its voxels are in the volume.
    pub(crate) fn voxels(&self, dims: [usize; 3]) -> Range<usize> {
        let row = self.row as usize * dims[0];
        row + self.start as usize..row + self.end as usize
    }

    /// How many voxels it has.
    pub(crate) fn voxel_count(&self) -> usize {
        (self.end - self.start) as usize
    }
}

/// The runs of some rows.
pub(super) struct Rows {
    pub(super) runs: Vec<Run>,
    /// Runs of the row with number `first + n` are `runs[starts[n]..starts[n + 1]]`.
    pub(super) starts: Vec<u32>,
    /// Number of the first row.
    pub(super) first: usize,
}

impl Rows {
    /// The runs of rows of `width` voxels, the first of which has number `first`, where `value` gives their voxels a
    /// number.
    pub(super) fn of(
        voxels: &[u8],
        width: usize,
        first: usize,
        value: impl Fn(u8) -> Option<u8>,
    ) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        let mut starts = vec![0];
        for (number, voxels) in voxels.chunks_exact(width).enumerate() {
            let before = runs.len();
            let mut start = 0;
            while start < width {
                let end = equal_until(voxels, start);
                if let Some(value) = value(voxels[start]) {
                    match runs[before..].last_mut() {
                        // Two labels may have one number.
                        Some(run) if run.value == value && run.end as usize == start => {
                            run.end = end as u32;
                        }
                        _ => runs.push(Run {
                            value,
                            row: (first + number) as u32,
                            start: start as u32,
                            end: end as u32,
                        }),
                    }
                }
                start = end;
            }
            starts.push(runs.len() as u32);
        }
        Self {
            runs,
            starts,
            first,
        }
    }

    /// Which of the runs are those of a row.
    pub(super) fn of_row(&self, row: usize) -> Range<usize> {
        let number = row - self.first;
        self.starts[number] as usize..self.starts[number + 1] as usize
    }

    /// Numbers of the rows.
    pub(super) fn rows(&self) -> Range<usize> {
        self.first..self.first + self.starts.len() - 1
    }

    /// Takes in the rows that follow.
    pub(super) fn append(&mut self, next: &Self) {
        let offset = self.runs.len() as u32;
        self.runs.extend_from_slice(&next.runs);
        let starts = next.starts[1..].iter().map(|start| start + offset);
        self.starts.extend(starts);
    }
}
