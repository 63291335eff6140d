//! From scores to labels in the order of files, on the device: memory and tables for scans of one shape, and what is
//! launched for each as one graph.

use swarm_kernels::components::launch::KeepLargest;
use swarm_kernels::device::{Buffer, Device, DeviceError, Graph};
use swarm_kernels::gather::launch::{Gather, Layout, Voxel};
use swarm_kernels::labels::launch::Packer;
use swarm_kernels::stitch::launch::Stitcher;
use swarm_kernels::window::Blend;

use super::back::Back;
use super::cut::{Cutter, Place, count};
use super::plan::Finish;
use crate::pipeline::scores::Windows;

/// Device memory that waits for the next scan of its shape.
const KEPT_BYTES_MAX: usize = 1 << 30;

/// Everything after the network, for scans that go one way back.
pub(in crate::pipeline) struct Finisher {
    back: Back,
    /// Of the prepared volume.
    dims: [usize; 3],
    channels: usize,
    threshold: f32,
    /// Every window's scores: the engine writes them.
    windows: Buffer<f32>,
    stitcher: Stitcher,
    way: Way,
    /// On the scan's grid.
    labels: Buffer<u8>,
    /// Filters them there, which needs z fastest, and brings them into the order of files.
    largest: Option<(KeepLargest, Gather, Buffer<u8>)>,
    packer: Packer,
    graph: Option<Graph>,
}

/// What goes back to the scan's grid.
enum Way {
    Labels {
        decided: Buffer<u8>,
        /// The prepared volume out of the one that was padded for the network.
        inner: Option<Cutter<u8>>,
        largest: Option<KeepLargest>,
        uncut: Vec<Cutter<u8>>,
        gather: Gather,
    },
    Scores {
        /// Where there are several windows: their means, and labels that nobody reads.
        means: Option<(Buffer<f32>, Buffer<u8>)>,
        /// The network's volume, before the prepared one is cut out of it.
        stitched: usize,
        inner: Option<Cutter<f32>>,
        uncut: Vec<Cutter<f32>>,
        gather: Gather,
        /// Channel after channel on the scan's grid.
        scores: Buffer<f32>,
        decide: Box<Stitcher>,
    },
}

impl Finisher {
    /// For prepared volumes of `dims`, of which the network sees `windows` (nothing: all at once).
    pub(super) fn new(
        device: &Device,
        finish: &Finish<'_>,
        back: Back,
        dims: [usize; 3],
        windows: Option<&Windows>,
        channels: usize,
    ) -> Result<Self, DeviceError> {
        let (stitched, roi, number) = match windows {
            Some(windows) => (windows.padded, windows.roi, windows.positions.len()),
            None => (dims, dims, 1),
        };
        let stitcher = match windows {
            Some(windows) => {
                let overlap = [windows.overlap; 3];
                Stitcher::new(device, stitched, roi, overlap, windows.blend)?
            }
            None => whole(device, dims)?,
        };
        let inner = windows.map(|windows| Place {
            start: windows.start.map(|v| -v),
            dims,
        });
        let inner = inner.filter(|place| !place.is_all_of(stitched));
        let native = back.native().clone();
        // Which of two components of one size stays depends on the order of voxels: the reference's has z fastest.
        let layout = match finish.largest_after {
            true => Layout::ZFastest,
            false => Layout::XFastest,
        };
        let gather = back.gather(device, finish.mode, layout)?;
        let way = if finish.scores_back {
            let voxels = count(stitched)?;
            let means = match number {
                // The mean of one window is the window.
                1 => None,
                _ => Some((
                    device.allocate(channels * voxels)?,
                    device.allocate(voxels)?,
                )),
            };
            Way::Scores {
                means,
                stitched: voxels,
                inner: cutter(device, stitched, inner)?,
                uncut: back.uncut(device, dims)?,
                scores: device.allocate(channels * native.voxels())?,
                decide: Box::new(whole(device, gather.dims())?),
                gather,
            }
        } else {
            Way::Labels {
                decided: device.allocate(count(stitched)?)?,
                inner: cutter(device, stitched, inner)?,
                largest: match finish.largest_before {
                    true => Some(KeepLargest::new(device, dims)?),
                    false => None,
                },
                uncut: back.uncut(device, dims)?,
                gather,
            }
        };
        let largest = match finish.largest_after {
            true => Some((
                KeepLargest::new(device, native.dims())?,
                back.file_order(device)?,
                device.allocate(native.voxels())?,
            )),
            false => None,
        };
        Ok(Self {
            dims,
            channels,
            threshold: finish.threshold,
            windows: device.allocate(number * channels * count(roi)?)?,
            stitcher,
            way,
            labels: device.allocate(native.voxels())?,
            largest,
            packer: Packer::new(device, native.voxels(), channels.max(2))?,
            graph: None,
            back,
        })
    }

    /// Whether a scan that was prepared this way finishes here.
    pub(super) fn fits(&self, back: &Back, dims: [usize; 3]) -> bool {
        self.back == *back && self.dims == dims
    }

    /// The scores of window `number`, for the engine to write.
    pub(super) fn window(&self, number: usize, voxels: usize) -> Result<Buffer<f32>, DeviceError> {
        let length = self.channels * voxels;
        self.windows.part(number * length, length)
    }

    /// Labels in the order of files: queued behind the engine, then waited for. From the second scan on it is one launch.
    pub(super) fn finish(&mut self, device: &Device) -> Result<Vec<u8>, DeviceError> {
        match &self.graph {
            Some(graph) => graph.replay()?,
            None => {
                self.queue(device)?;
                if self.is_kept() {
                    self.graph = Some(device.record(|| self.queue(device))?);
                }
            }
        }
        self.packer.labels()
    }

    /// Whether it may stay on the device.
    pub(super) fn is_kept(&self) -> bool {
        let way = match &self.way {
            Way::Labels { inner, uncut, .. } => bytes(inner.iter().chain(uncut)),
            Way::Scores {
                means,
                inner,
                uncut,
                scores,
                ..
            } => {
                let means = means.as_ref().map_or(0, |(means, _)| means.bytes());
                means + scores.bytes() + bytes(inner.iter().chain(uncut))
            }
        };
        // Components take two words a voxel.
        let largest = self.largest.as_ref().map_or(0, |_| 9 * self.labels.bytes());
        self.windows.bytes() + way + largest + 2 * self.labels.bytes() <= KEPT_BYTES_MAX
    }

    /// All launches, which allocate, copy and wait for nothing.
    fn queue(&self, device: &Device) -> Result<(), DeviceError> {
        let (channels, threshold) = (self.channels, self.threshold);
        let mut labels = self.labels.part(0, self.labels.len())?;
        match &self.way {
            Way::Labels {
                decided,
                inner,
                largest,
                uncut,
                gather,
            } => {
                let mut here = decided.part(0, decided.len())?;
                self.stitcher
                    .run(device, &self.windows, channels, threshold, &mut here, None)?;
                if let Some(cutter) = inner {
                    here = cutter.run(device, &here, None)?;
                }
                if let Some(largest) = largest {
                    largest.run(device, &mut here)?;
                }
                for cutter in uncut {
                    here = cutter.run(device, &here, None)?;
                }
                gather.run(device, &here, None, &mut labels)?;
            }
            Way::Scores {
                means,
                stitched,
                inner,
                uncut,
                gather,
                scores,
                decide,
            } => {
                let all = match means {
                    None => &self.windows,
                    Some((means, unread)) => {
                        let mut means_out = means.part(0, means.len())?;
                        let mut unread = unread.part(0, unread.len())?;
                        self.stitcher.run(
                            device,
                            &self.windows,
                            channels,
                            threshold,
                            &mut unread,
                            Some(&mut means_out),
                        )?;
                        means
                    }
                };
                let native = self.labels.len();
                for channel in 0..channels {
                    let mut here = all.part(channel * stitched, *stitched)?;
                    for cutter in inner.iter().chain(uncut) {
                        here = cutter.run(device, &here, None)?;
                    }
                    let mut there = scores.part(channel * native, native)?;
                    gather.run(device, &here, None, &mut there)?;
                }
                decide.run(device, scores, channels, threshold, &mut labels, None)?;
            }
        }
        let Some((largest, turn, turned)) = &self.largest else {
            return self.packer.run(device, &labels);
        };
        largest.run(device, &mut labels)?;
        let mut turned = turned.part(0, turned.len())?;
        turn.run(device, &labels, None, &mut turned)?;
        self.packer.run(device, &turned)
    }
}

/// A stitch of one window: the largest channel of each voxel.
fn whole(device: &Device, dims: [usize; 3]) -> Result<Stitcher, DeviceError> {
    Stitcher::new(device, dims, dims, [0.0; 3], Blend::Constant)
}

fn cutter<T: Voxel>(
    device: &Device,
    from: [usize; 3],
    place: Option<Place>,
) -> Result<Option<Cutter<T>>, DeviceError> {
    place
        .map(|place| Cutter::new(device, from, place))
        .transpose()
}

fn bytes<'a, T: Voxel>(cutters: impl Iterator<Item = &'a Cutter<T>>) -> usize {
    cutters.map(Cutter::bytes).sum()
}
