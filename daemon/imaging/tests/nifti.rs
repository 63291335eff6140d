//! NIfTI files: what is read, what is written, what is refused.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use common::{gzip, load, nifti, one, volume};
use swarm_imaging::{Affine, LoadOptions, Rescale, Source, Voxels, write_labels};

fn data() -> Vec<i16> {
    (0..24).map(|i| i * 7 - 50).collect()
}

fn good() -> Vec<u8> {
    nifti([4, 3, 2], &data())
}

fn patched(at: usize, raw: &[u8]) -> Vec<u8> {
    let mut b = good();
    b[at..at + raw.len()].copy_from_slice(raw);
    b
}

fn refusal(bytes: Vec<u8>) -> String {
    load(&one(bytes)).expect_err("a refusal")
}

#[test]
fn plain_and_compressed_files_read_the_same() {
    for bytes in [good(), gzip(&good())] {
        let v = load(&one(bytes)).unwrap();
        assert_eq!(v.voxels(), &Voxels::I16(data()));
        assert_eq!(v.dims(), [4, 3, 2]);
        assert_eq!(v.spacing(), [2.0, 3.0, 4.0]);
        assert_eq!(v.affine().origin(), [-10.0, -20.0, -30.0]);
        assert_eq!(v.rescale(), Rescale::IDENTITY);
        // x runs fastest.
        assert_eq!(v.value(1, 2, 1), f64::from(data()[1 + 4 * (2 + 3)]));
    }
}

#[test]
fn big_endian_files_read_the_same() {
    let mut b = good();
    let mut swap = |at: usize, width: usize, count: usize| {
        for i in 0..count {
            b[at + i * width..at + (i + 1) * width].reverse();
        }
    };
    swap(0, 4, 1);
    swap(40, 2, 8);
    swap(68, 2, 4);
    swap(76, 4, 8 + 3);
    swap(252, 2, 2);
    swap(256, 4, 18);
    swap(352, 2, 24);
    let v = load(&one(b)).unwrap();
    assert_eq!(v.voxels(), &Voxels::I16(data()));
    assert_eq!(v.affine().origin(), [-10.0, -20.0, -30.0]);
}

#[test]
fn labels_come_back_in_the_scans_own_grid() {
    let scan = load(&one(good())).unwrap();
    let labels: Vec<u8> = (0..24).map(|i| (i % 3) as u8).collect();
    let written = write_labels(&scan, &labels).unwrap();
    assert_eq!(
        written,
        write_labels(&scan, &labels).unwrap(),
        "the same result has the same bytes"
    );
    let back = load(&one(written)).unwrap();
    assert_eq!(back.voxels(), &Voxels::U8(labels));
    assert_eq!(back.dims(), scan.dims());
    let (Source::Nifti(a), Source::Nifti(b)) = (scan.source(), back.source()) else {
        panic!("NIfTI")
    };
    assert_eq!(
        (a.sform_code, a.qform_code, a.srow, a.quaternion),
        (b.sform_code, b.qform_code, b.srow, b.quaternion)
    );
    assert_eq!(a.pixdim, b.pixdim);
    assert!(write_labels(&scan, &[0; 23]).is_err());
}

#[test]
fn labels_of_a_computed_grid_carry_its_affine_in_sform_and_qform() {
    // Oblique and left-handed: the quaternion needs qfac.
    let (s, c) = 0.3_f64.sin_cos();
    let affine = Affine::from_columns(
        [[c, s, 0.0], [-2.0 * s, 2.0 * c, 0.0], [0.0, 0.0, -3.0]],
        [1.0, 2.0, 3.0],
    );
    let v = volume();
    let v = swarm_imaging::Volume::new(v.voxels().clone(), Rescale::IDENTITY, v.dims(), affine)
        .unwrap();
    let written = write_labels(&v, &vec![1; v.voxels().len()]).unwrap();
    let back = load(&one(written.clone())).unwrap();
    assert!(back.affine().distance(&affine) < 1e-6);
    // The same file with the sform switched off: the qform says the same.
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&written[..]), &mut plain)
        .unwrap();
    plain[254..256].copy_from_slice(&[0, 0]);
    assert!(load(&one(plain)).unwrap().affine().distance(&affine) < 1e-5);
}

#[test]
fn a_large_grid_is_written_as_nifti_2_and_read_back() {
    let dims = [40_000, 1, 1];
    let v = swarm_imaging::Volume::new(
        Voxels::U8(vec![3; 40_000]),
        Rescale::IDENTITY,
        dims,
        Affine::IDENTITY,
    )
    .unwrap();
    let back = load(&one(write_labels(&v, &vec![9; 40_000]).unwrap())).unwrap();
    assert_eq!(back.dims(), dims);
    assert_eq!(back.voxels(), &Voxels::U8(vec![9; 40_000]));
    let Source::Nifti(header) = back.source() else {
        panic!("NIfTI")
    };
    assert_eq!(header.version, swarm_imaging::nifti::Version::Two);
}

#[test]
fn slope_and_intercept_are_kept_beside_the_stored_values() {
    let mut b = patched(112, &0.5_f32.to_le_bytes());
    b[116..120].copy_from_slice(&3_f32.to_le_bytes());
    let v = load(&one(b)).unwrap();
    assert_eq!(v.voxels(), &Voxels::I16(data()));
    assert_eq!(v.to_f32()[3], f32::from(data()[3]) * 0.5 + 3.0);
    // NaN means none, as in nibabel.
    let v = load(&one(patched(112, &f32::NAN.to_le_bytes()))).unwrap();
    assert_eq!(v.rescale(), Rescale::IDENTITY);
}

#[test]
fn a_sform_that_contradicts_pixdim_gives_way_to_a_qform_that_does_not() {
    let mut b = patched(280, &9_f32.to_le_bytes());
    b[252..254].copy_from_slice(&1_i16.to_le_bytes());
    let v = load(&one(b.clone())).unwrap();
    assert_eq!(v.spacing(), [2.0, 3.0, 4.0]);
    assert_eq!(v.affine().origin(), [0.0; 3]);
    // A qform without a code is no authority.
    b[252..254].copy_from_slice(&0_i16.to_le_bytes());
    assert_eq!(load(&one(b)).unwrap().spacing(), [9.0, 3.0, 4.0]);
}

#[test]
fn without_sform_and_qform_left_and_right_are_unknown() {
    let b = patched(254, &[0, 0]);
    assert!(refusal(b.clone()).contains("left and right are unknown"));
    let options = LoadOptions {
        allow_unknown_orientation: true,
        ..LoadOptions::default()
    };
    let v = swarm_imaging::load(&one(b), &options).unwrap();
    // Analyze's convention, as nibabel has it.
    assert_eq!(v.affine().column(0), [-2.0, 0.0, 0.0]);
    assert_eq!(v.affine().origin(), [3.0, -3.0, -2.0]);
}

#[test]
fn bad_headers_are_refused_and_the_field_is_named() {
    let i = |v: i16| v.to_le_bytes();
    let f = |v: f32| v.to_le_bytes();
    let huge: Vec<u8> = [3_i16, i16::MAX, i16::MAX, i16::MAX]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    for (bytes, expected) in [
        (patched(344, b"n+9\0"), "neither a DICOM nor a NIfTI"),
        (patched(344, b"ni1\0"), "two files"),
        (patched(40, &huge), "limit"),
        (patched(40, &i(0)), "dim"),
        (patched(40, &i(8)), "dim"),
        (patched(42, &i(-4)), "dim"),
        (patched(44, &i(0)), "dim"),
        (
            {
                let mut b = patched(40, &i(4));
                b[48..50].copy_from_slice(&i(5));
                b
            },
            "dim",
        ),
        (patched(70, &i(128)), "RGB"),
        (patched(70, &i(1792)), "complex"),
        (patched(70, &i(77)), "datatype 77"),
        (patched(72, &i(8)), "bitpix 8"),
        (patched(80, &f(-2.0)), "pixdim[1] = -2"),
        (patched(84, &f(f32::NAN)), "pixdim[2]"),
        (patched(108, &f(12.0)), "vox_offset 12"),
        (patched(108, &f(1e30)), "vox_offset"),
        (patched(108, &f(f32::NAN)), "vox_offset"),
        (patched(108, &f(360.0)), "cut short"),
        (patched(123, &[1]), "metres"),
        (patched(280, &f(f32::NAN)), "not finite"),
        (patched(280, &f(0.0)), "spacing of 0 mm"),
        (patched(292, &f(f32::INFINITY)), "not finite"),
        (patched(292, &f(1e20)), "origin"),
        (good()[..380].to_vec(), "400 bytes expected, 380 found"),
        (good()[..300].to_vec(), "neither"),
        (Vec::new(), "empty"),
    ] {
        let message = refusal(bytes);
        assert!(message.contains(expected), "{expected:?} in {message:?}");
    }
}

#[test]
fn a_gzip_bomb_is_not_inflated_beyond_what_its_header_asks_for() {
    // 256 MiB of zeros behind a small scan.
    let mut b = good();
    b.resize(b.len() + (256 << 20), 0);
    assert!(refusal(gzip(&b)).contains("follow the voxels"));
    // A header that asks for a terabyte.
    let mut h = good();
    h[40..48].copy_from_slice(&[3, 0, 0xFF, 0x7F, 0xFF, 0x7F, 0xFF, 0x03]);
    h.resize(h.len() + (64 << 20), 0);
    assert!(refusal(gzip(&h)).contains("limit"));
    // A gzip file of nothing but zeros.
    assert!(refusal(gzip(&vec![0; 64 << 20])).contains("gzip file without"));
}

#[test]
fn damaged_gzip_streams_are_refused() {
    let whole = gzip(&good());
    for cut in [12, whole.len() / 2, whole.len() - 9] {
        let message = refusal(whole[..cut].to_vec());
        assert!(
            message.contains("cut short") || message.contains("gzip"),
            "{message}"
        );
    }
    let mut flipped = whole;
    let at = flipped.len() - 6; // in the checksum
    flipped[at] ^= 1;
    assert!(refusal(flipped).contains("gzip stream is damaged"));
}

#[test]
fn two_scans_are_not_one_input() {
    let files = vec![("a.nii".to_owned(), good()), ("b.nii".to_owned(), good())];
    assert!(load(&files).unwrap_err().contains("among 2 files"));
    assert!(load(&[]).unwrap_err().contains("no files"));
    assert!(
        load(&one(b"PK\x03\x04abc".to_vec()))
            .unwrap_err()
            .contains("archive")
    );
}
