//! The picture: it is a PNG, it is the same each time, the letters and the overlay are on the right side.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use swarm_imaging::montage::{Montage, MontageError};
use swarm_imaging::report::volume_report;
use swarm_imaging::{Affine, Rescale, SeriesSpec, Volume, Voxels, load, write_series};

/// A head: bright ellipsoid in a dark field, with a bright spot on the patient's right, and its mask.
fn head(affine: Affine) -> (Volume, Vec<u8>) {
    let dims = [60, 72, 50];
    let mut values = Vec::new();
    let mut labels = Vec::new();
    for i in 0..dims[0] * dims[1] * dims[2] {
        let p = [i % dims[0], i / dims[0] % dims[1], i / (dims[0] * dims[1])];
        let r = |c: usize, radius: f64| ((p[c] as f64 - dims[c] as f64 / 2.0) / radius).powi(2);
        let inside = r(0, 24.0) + r(1, 30.0) + r(2, 20.0) < 1.0;
        // Voxel x grows to the patient's right in the RAS grid of this head.
        let spot = inside && p[0] > 40 && p[0] < 48;
        values.push(if spot {
            1000
        } else if inside {
            500
        } else {
            10
        });
        labels.push(u8::from(inside));
    }
    (
        Volume::new(Voxels::I16(values), Rescale::IDENTITY, dims, affine).unwrap(),
        labels,
    )
}

fn ras() -> Affine {
    Affine::from_columns(
        [[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]],
        [-90.0, -108.0, -75.0],
    )
}

fn montage(
    scan: &Volume,
    labels: &[u8],
    names: &[(u8, &str)],
    title: &str,
) -> Result<Vec<u8>, MontageError> {
    let report = volume_report(scan, labels, names);
    Montage::draw(scan, labels, &report.labels, title)?.to_png()
}

fn decode(png: &[u8]) -> (usize, usize, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    (info.width as usize, info.height as usize, pixels)
}

#[test]
fn the_patients_right_is_on_the_left() {
    let (scan, labels) = head(ras());
    let picture = montage(&scan, &labels, &[(1, "brain")], "brain_mri").unwrap();
    assert_eq!(
        picture,
        montage(&scan, &labels, &[(1, "brain")], "brain_mri").unwrap()
    );
    let (width, height, pixels) = decode(&picture);
    assert!(width > 1000 && height > 1000, "{width}x{height}");
    // The second axial cell: the bright spot is in its left half.
    let bright = |from: usize, to: usize| {
        let mut sum = 0_u64;
        for y in 200..260 {
            for x in from..to {
                sum += u64::from(pixels[3 * (y * width + x)]);
            }
        }
        sum
    };
    let cell = 8 + 308;
    assert!(bright(cell + 40, cell + 150) > bright(cell + 150, cell + 260) * 11 / 10);
    // Green of the overlay is in the picture, and not without a mask.
    let green = |p: &[u8]| p.chunks(3).filter(|c| c[1] > 150 && c[0] < 80).count();
    assert!(green(&pixels) > 500);
    let (_, _, bare) = decode(&montage(&scan, &vec![0; labels.len()], &[], "nothing").unwrap());
    assert_eq!(green(&bare), 0);
    assert!(Montage::draw(&scan, &labels[1..], &[], "x").is_err());
}

#[test]
fn the_order_of_the_voxels_does_not_show_in_the_picture() {
    let (scan, labels) = head(ras());
    let map = Volume::new(
        Voxels::U8(labels.clone()),
        Rescale::IDENTITY,
        scan.dims(),
        *scan.affine(),
    )
    .unwrap();
    let Voxels::U8(moved) = map.to_lps().voxels().clone() else {
        panic!("u8")
    };
    let a = montage(&scan, &labels, &[(1, "brain")], "t").unwrap();
    let b = montage(&scan.to_lps(), &moved, &[(1, "brain")], "t").unwrap();
    assert_eq!(decode(&a), decode(&b));
}

#[test]
fn one_thread_and_eight_draw_the_same_picture() {
    let (scan, labels) = head(ras());
    let draw = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let names = [(1, "brain")];
        let draw = || montage(&scan, &labels, &names, "brain_mri").unwrap();
        pool.build().unwrap().install(draw)
    };
    assert!(draw(1) == draw(8));
}

#[test]
fn odd_shapes_are_drawn_too() {
    for dims in [[1, 1, 1], [200, 1, 1], [3, 400, 2]] {
        let n = dims.iter().product();
        let scan = Volume::new(
            Voxels::F32(vec![f32::NAN; n]),
            Rescale::IDENTITY,
            dims,
            Affine::IDENTITY,
        )
        .unwrap();
        decode(
            &montage(
                &scan,
                &vec![2; n],
                &[(2, "weird \u{e9}")],
                &"long title ".repeat(20),
            )
            .unwrap(),
        );
    }
    let (scan, labels) = head(ras());
    let files = write_series(&scan, &SeriesSpec::default()).unwrap();
    let oblique = load(&files, &Default::default()).unwrap();
    decode(&montage(&oblique, &labels, &[(1, "brain")], "oblique").unwrap());
}
