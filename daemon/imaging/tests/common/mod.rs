//! What the tests share: small volumes, NIfTI files made by hand, DICOM files with one thing changed.

#![allow(dead_code, reason = "each test program uses a part of this")]

use dicom::core::value::PrimitiveValue;
use dicom::core::{DataElement, Tag, VR};
use dicom::object::{DefaultDicomObject, from_reader};
use swarm_imaging::{Affine, LoadOptions, Rescale, Volume, Voxels};

pub type Files = Vec<(String, Vec<u8>)>;

/// SplitMix64: the tests' only source of chance, so that a failure repeats.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// A volume of 9×7×6 voxels with values from -100 to 277, no two neighbours alike.
pub fn volume() -> Volume {
    let affine = Affine::from_columns(
        [[-0.9, 0.0, 0.0], [0.0, -1.1, 0.0], [0.0, 0.0, 2.5]],
        [40.0, 30.0, -20.0],
    );
    let voxels = Voxels::I16((0..9 * 7 * 6).map(|i| i - 100).collect());
    Volume::new(voxels, Rescale::IDENTITY, [9, 7, 6], affine).unwrap()
}

/// A NIfTI-1 file (not compressed) of type i16 with an sform, made field by field.
pub fn nifti(dims: [i16; 3], data: &[i16]) -> Vec<u8> {
    let mut h = vec![0_u8; 352];
    let mut put = |at: usize, raw: &[u8]| h[at..at + raw.len()].copy_from_slice(raw);
    put(0, &348_i32.to_le_bytes());
    for (i, d) in [3, dims[0], dims[1], dims[2], 1, 1, 1, 1]
        .iter()
        .enumerate()
    {
        put(40 + 2 * i, &d.to_le_bytes());
    }
    put(70, &4_i16.to_le_bytes());
    put(72, &16_i16.to_le_bytes());
    for (i, p) in [1.0_f32, 2.0, 3.0, 4.0].iter().enumerate() {
        put(76 + 4 * i, &p.to_le_bytes());
    }
    put(108, &352_f32.to_le_bytes());
    put(123, &[2]);
    put(254, &1_i16.to_le_bytes());
    let rows = [
        [2.0_f32, 0.0, 0.0, -10.0],
        [0.0, 3.0, 0.0, -20.0],
        [0.0, 0.0, 4.0, -30.0],
    ];
    for (i, v) in rows.iter().flatten().enumerate() {
        put(280 + 4 * i, &v.to_le_bytes());
    }
    put(344, b"n+1\0");
    h.extend(data.iter().flat_map(|v| v.to_le_bytes()));
    h
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub fn load(files: &[(String, Vec<u8>)]) -> Result<Volume, String> {
    swarm_imaging::load(files, &LoadOptions::default()).map_err(|e| e.explain())
}

pub fn one(bytes: Vec<u8>) -> Files {
    vec![("scan".into(), bytes)]
}

pub fn parse(bytes: &[u8]) -> DefaultDicomObject {
    from_reader(&bytes[128..]).unwrap()
}

pub fn bytes_of(object: &DefaultDicomObject) -> Vec<u8> {
    let mut out = Vec::new();
    object.write_all(&mut out).unwrap();
    out
}

/// The file with one element set to a text.
pub fn with_text(bytes: &[u8], tag: Tag, vr: VR, value: &str) -> Vec<u8> {
    let mut o = parse(bytes);
    o.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    bytes_of(&o)
}

/// The file with one element set to a number.
pub fn with_u16(bytes: &[u8], tag: Tag, value: u16) -> Vec<u8> {
    let mut o = parse(bytes);
    o.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    bytes_of(&o)
}

/// The file without one element.
pub fn without(bytes: &[u8], tag: Tag) -> Vec<u8> {
    let mut o = parse(bytes);
    o.remove_element(tag);
    bytes_of(&o)
}

/// Names of the files in the order of the slices in space.
pub fn names_in_space(files: &Files) -> Vec<String> {
    use dicom::dictionary_std::tags;
    let mut order: Vec<(f64, String)> = files
        .iter()
        .map(|(name, bytes)| {
            let o = parse(bytes);
            let p = o
                .element(tags::IMAGE_POSITION_PATIENT)
                .unwrap()
                .to_multi_float64()
                .unwrap();
            let d = o
                .element(tags::IMAGE_ORIENTATION_PATIENT)
                .unwrap()
                .to_multi_float64()
                .unwrap();
            let n = swarm_imaging::affine::cross([d[0], d[1], d[2]], [d[3], d[4], d[5]]);
            (n[0] * p[0] + n[1] * p[1] + n[2] * p[2], name.clone())
        })
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    order.into_iter().map(|(_, name)| name).collect()
}
