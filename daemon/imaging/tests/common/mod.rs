//! What the tests share: small volumes, NIfTI files made by hand, DICOM files with one thing changed.

#![allow(dead_code, reason = "each test program uses a part of this")]

use dicom::core::value::PrimitiveValue;
use dicom::core::{DataElement, Tag, VR};
use dicom::dictionary_std::tags;
use dicom::object::{DefaultDicomObject, FileMetaTableBuilder, from_reader};
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

/// All files as one enhanced object, in the order of the files.
pub fn as_enhanced(files: &Files) -> Vec<u8> {
    use dicom::core::value::{DataSetSequence, Value};
    use dicom::object::InMemDicomObject;
    use dicom::object::mem::InMemElement;
    let item = |elements: Vec<InMemElement>| InMemDicomObject::from_element_iter(elements);
    let sequence = |tag: Tag, items: Vec<InMemDicomObject>| {
        InMemElement::new(tag, VR::SQ, Value::Sequence(DataSetSequence::from(items)))
    };
    let mut base = parse(&files[0].1);
    let mut words = Vec::new();
    let mut frames = Vec::new();
    for (_, bytes) in files {
        let o = parse(bytes);
        words.extend_from_slice(o.element(tags::PIXEL_DATA).unwrap().uint16_slice().unwrap());
        let position = item(vec![
            o.element(tags::IMAGE_POSITION_PATIENT).unwrap().clone(),
        ]);
        frames.push(item(vec![sequence(
            tags::PLANE_POSITION_SEQUENCE,
            vec![position],
        )]));
    }
    let moved = |base: &mut dicom::object::DefaultDicomObject, tags: &[Tag]| {
        item(
            tags.iter()
                .map(|&t| base.take_element(t).unwrap())
                .collect(),
        )
    };
    base.remove_element(tags::IMAGE_POSITION_PATIENT);
    let orientation = moved(&mut base, &[tags::IMAGE_ORIENTATION_PATIENT]);
    let measures = moved(&mut base, &[tags::PIXEL_SPACING, tags::SLICE_THICKNESS]);
    let values = moved(
        &mut base,
        &[
            tags::RESCALE_SLOPE,
            tags::RESCALE_INTERCEPT,
            tags::RESCALE_TYPE,
        ],
    );
    let shared = item(vec![
        sequence(tags::PLANE_ORIENTATION_SEQUENCE, vec![orientation]),
        sequence(tags::PIXEL_MEASURES_SEQUENCE, vec![measures]),
        sequence(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, vec![values]),
    ]);
    base.put(sequence(
        tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
        vec![shared],
    ));
    base.put(DataElement::new(
        tags::NUMBER_OF_FRAMES,
        VR::IS,
        PrimitiveValue::from(frames.len().to_string()),
    ));
    base.put(sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames));
    base.put(DataElement::new(
        tags::PIXEL_DATA,
        VR::OW,
        PrimitiveValue::U16(words.into_iter().collect()),
    ));
    bytes_of(&base)
}

/// The file as RLE Lossless, with literal runs only, and the first `keep` samples of the low bytes.
pub fn as_rle(bytes: &[u8], keep: usize) -> Vec<u8> {
    use dicom::core::value::{PixelFragmentSequence, Value};
    use dicom::object::mem::InMemElement;
    let o = parse(bytes);
    let words = o
        .element(tags::PIXEL_DATA)
        .unwrap()
        .uint16_slice()
        .unwrap()
        .to_vec();
    let pack = |plane: Vec<u8>| -> Vec<u8> {
        let mut out: Vec<u8> = plane
            .chunks(128)
            .flat_map(|c| [&[(c.len() - 1) as u8], c].concat())
            .collect();
        if out.len() % 2 == 1 {
            out.push(0);
        }
        out
    };
    let high = pack(words.iter().map(|w| (w >> 8) as u8).collect());
    let low = pack(words[..keep].iter().map(|w| *w as u8).collect());
    let mut frame = vec![0; 64];
    for (i, v) in [2, 64, 64 + high.len() as u32].iter().enumerate() {
        frame[4 * i..4 * i + 4].copy_from_slice(&v.to_le_bytes());
    }
    frame.extend(high);
    frame.extend(low);
    let mut inner = o.into_inner();
    let fragments = PixelFragmentSequence::new_fragments(vec![frame]);
    inner.put(InMemElement::new(
        tags::PIXEL_DATA,
        VR::OB,
        Value::PixelSequence(fragments),
    ));
    bytes_of(
        &inner
            .with_meta(FileMetaTableBuilder::new().transfer_syntax("1.2.840.10008.1.2.5"))
            .unwrap(),
    )
}

/// The file as Deflated Explicit VR Little Endian, with `zeros` bytes after the data set.
pub fn as_deflated(bytes: &[u8], zeros: usize) -> Vec<u8> {
    use std::io::Write;
    let mut data_set = Vec::new();
    let o = parse(bytes);
    o.write_dataset(&mut data_set).unwrap();
    data_set.resize(data_set.len() + zeros, 0);
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    deflate.write_all(&data_set).unwrap();
    let mut out = vec![0; 128];
    out.extend(b"DICM");
    // A meta group with nothing but the transfer syntax is enough for the reader.
    out.extend([2, 0, 0x10, 0, b'U', b'I', 22, 0]);
    out.extend(b"1.2.840.10008.1.2.1.99");
    out.extend(deflate.finish().unwrap());
    out
}

/// The file under another transfer syntax, its pixels replaced by one coded frame.
pub fn as_coded(bytes: &[u8], syntax: &str, frame: Vec<u8>) -> Vec<u8> {
    use dicom::core::value::{PixelFragmentSequence, Value};
    use dicom::object::mem::InMemElement;
    let mut inner = parse(bytes).into_inner();
    let fragments = PixelFragmentSequence::new_fragments(vec![frame]);
    inner.put(InMemElement::new(
        tags::PIXEL_DATA,
        VR::OB,
        Value::PixelSequence(fragments),
    ));
    bytes_of(
        &inner
            .with_meta(FileMetaTableBuilder::new().transfer_syntax(syntax))
            .unwrap(),
    )
}

/// The file under another transfer syntax of plain samples.
pub fn as_plain(bytes: &[u8], syntax: &str) -> Vec<u8> {
    let inner = parse(bytes).into_inner();
    bytes_of(
        &inner
            .with_meta(FileMetaTableBuilder::new().transfer_syntax(syntax))
            .unwrap(),
    )
}

/// What the coded frames below hold: 9 columns, 7 rows of 16 bits.
pub fn coded_samples() -> Vec<u16> {
    (0..63_u32).map(|i| (i * 1000 % 65521) as u16).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|c| u8::from_str_radix(std::str::from_utf8(c).unwrap(), 16).unwrap())
        .collect()
}

/// [`coded_samples`] as lossless JPEG 2000, made by OpenJPEG (through imagecodecs).
pub fn jpeg_2000() -> Vec<u8> {
    unhex(concat!(
        "ff4fff5100290000000000090000000700000000000000000000000900000007000000000000000000010f01",
        "01ff52000c00000001000004040001ff5c00044080ff640025000143726561746564206279204f70656e4a50",
        "45472076657273696f6e20322e352e34ff90000a0000000000750001ff93dff89318122c96c6f6ed1f4ea39a",
        "a6de65511c7a05d516e79cdaefe069ef82073faf6e621b7da45e61f43f73f46b3135230049627027dd969aaa",
        "c707915df68a23262ed9fe4251f97c79a660d29b37f082fad69026b671ad9b905d0caff0a44e2258f8000560",
        "0fffd9",
    ))
}

/// [`coded_samples`] less 32768 as signed lossless JPEG 2000.
pub fn jpeg_2000_signed() -> Vec<u8> {
    unhex(concat!(
        "ff4fff5100290000000000090000000700000000000000000000000900000007000000000000000000018f01",
        "01ff52000c00000001000004040001ff5c00044080ff640025000143726561746564206279204f70656e4a50",
        "45472076657273696f6e20322e352e34ff90000a0000000000750001ff93dff89318122c96c6f6ed1f4ea39a",
        "a6de65511c7a05d516e79cdaefe069ef82073faf6e621b7da45e61f43f73f46b3135230049627027dd969aaa",
        "c707915df68a23262ed9fe4251f97c79a660d29b37f082fad69026b671ad9b905d0caff0a44e2258f8000560",
        "0fffd9",
    ))
}

/// [`coded_samples`] as lossless JPEG, made by liblj92 (through imagecodecs).
pub fn jpeg_lossless() -> Vec<u8> {
    unhex(concat!(
        "ffd8ffc4001700010101010000000000000000000000000d0a0e10ffc3000b100007000901001100ffda0008",
        "010000060000ebe8be8be8be8be8be8be8be8d19423288ca23288ca23288ca23288ca68ca119446511944651",
        "1944651194465346508ca23288ca23288ca23288ca2329a3284651194465119446511944651194d19423288c",
        "a23288ca23288ca23288ca68ca119446511944651194465119446500ffd9",
    ))
}

/// [`coded_samples`] as lossless JPEG-LS, made by CharLS (through pyjpegls).
pub fn jpeg_ls() -> Vec<u8> {
    unhex(concat!(
        "ffd8fff7000b100007000901011100fff8000d01ffff0012004301140040ffda00080101000000009f3df3df",
        "35f2df25f1df15f0c0001941f41f39f31f29f21f19f11f40000190bf03efbef3eebee3edbed1f38038cbec3e",
        "bbeb3eabea3e9be91f300388be83e7be73e6be63e5be51f280384be43e3be33e2be23e1be11f200380be03df",
        "bdf3debde3ddbdd1f180ffd9",
    ))
}

/// The files as a zip archive, in folders.
pub fn zipped(files: &Files) -> Vec<u8> {
    use std::io::Write;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zip.add_directory("study/", options).unwrap();
    for (name, bytes) in files {
        zip.start_file(format!("study/{name}"), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Runs `python/NAME` beside the tests with the Python that `scripts/setup` made, and gives what it prints.
pub fn python(name: &str, arguments: &[&std::path::Path]) -> String {
    let cache = std::env::var_os("SWARM_CACHE").map_or_else(
        || std::path::PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/swarmos"),
        std::path::PathBuf::from,
    );
    let program = cache.join("venv/bin/python");
    assert!(
        program.exists(),
        "no {}: run scripts/setup",
        program.display()
    );
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
    let output = std::process::Command::new(program)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(script.join(name))
        .args(arguments)
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {printed}{complaint}");
    printed
}
