//! Samples of every width and coding, and what they mean.

use dicom::core::value::PrimitiveValue;
use dicom::core::{DataElement, VR};
use dicom::dictionary_std::tags;
use swarm_imaging::{LoadOptions, Rescale, SeriesSpec, Source, Voxels, write_series};

use crate::common::{
    Files, as_coded, as_deflated, as_enhanced, as_plain, as_rle, bytes_of, coded_samples,
    jpeg_2000, jpeg_2000_signed, jpeg_lossless, jpeg_ls, load, parse, volume, with_text, with_u16,
};
use crate::{changed, refusal, series, spec};

#[test]
fn signed_twelve_bit_samples_are_extended() {
    let twelve = SeriesSpec {
        bits_stored: 12,
        signed: true,
        slope: 1.0,
        intercept: 0.0,
        ..spec()
    };
    let files = write_series(&volume(), &twelve).unwrap();
    let v = load(&files).unwrap();
    assert_eq!(v.voxels(), volume().voxels());
    // Overlay bits above the stored ones change nothing.
    let dirty: Files = files
        .iter()
        .map(|(n, b)| {
            let mut o = parse(b);
            let words: Vec<u16> = o
                .element(tags::PIXEL_DATA)
                .unwrap()
                .uint16_slice()
                .unwrap()
                .to_vec();
            let words = words.iter().map(|w| w | 0x5000).collect();
            o.put(DataElement::new(
                tags::PIXEL_DATA,
                VR::OW,
                PrimitiveValue::U16(words),
            ));
            (n.clone(), bytes_of(&o))
        })
        .collect();
    assert_eq!(load(&dirty).unwrap().voxels(), volume().voxels());
    // The writer refuses what does not fit.
    assert!(
        write_series(
            &volume(),
            &SeriesSpec {
                bits_stored: 8,
                ..twelve
            }
        )
        .is_err()
    );
}

#[test]
fn samples_in_the_upper_bits_are_shifted_down() {
    let twelve = SeriesSpec {
        bits_stored: 12,
        signed: true,
        slope: 1.0,
        intercept: 0.0,
        ..spec()
    };
    let files: Files = write_series(&volume(), &twelve)
        .unwrap()
        .iter()
        .map(|(n, b)| {
            let mut o = parse(&with_u16(b, tags::HIGH_BIT, 15));
            let words: Vec<u16> = o
                .element(tags::PIXEL_DATA)
                .unwrap()
                .uint16_slice()
                .unwrap()
                .to_vec();
            let words = words.iter().map(|w| w << 4).collect();
            o.put(DataElement::new(
                tags::PIXEL_DATA,
                VR::OW,
                PrimitiveValue::U16(words),
            ));
            (n.clone(), bytes_of(&o))
        })
        .collect();
    assert_eq!(load(&files).unwrap().voxels(), volume().voxels());
}

#[test]
fn monochrome1_is_mirrored_only_when_asked() {
    for (signed, sum) in [(false, 4095.0), (true, -1.0)] {
        let m1 = SeriesSpec {
            monochrome1: true,
            bits_stored: 12,
            signed,
            slope: 1.0,
            intercept: if signed { 0.0 } else { -100.0 },
            ..spec()
        };
        let files = write_series(&volume(), &m1).unwrap();
        let plain = load(&files).unwrap();
        let options = LoadOptions {
            invert_monochrome1: true,
            ..LoadOptions::default()
        };
        let inverted = swarm_imaging::load(&files, &options).unwrap();
        for i in [0, 5, 100] {
            assert_eq!(plain.voxels().stored(i) + inverted.voxels().stored(i), sum);
        }
    }
}

#[test]
fn a_rescale_that_differs_by_slice_is_applied_by_slice() {
    let (files, _) = changed(&series(), 2, |b| {
        with_text(b, tags::RESCALE_SLOPE, VR::DS, "0.25")
    });
    let v = load(&files).unwrap();
    let Voxels::F32(values) = v.voxels() else {
        panic!("f32, not {}", v.voxels().type_name())
    };
    let truth = volume().to_f32();
    assert_eq!(values[..126], truth[..126]);
    assert_eq!(
        f64::from(values[126]),
        (f64::from(truth[126]) + 1000.0) / 2.0 - 1000.0
    );
    assert_eq!(v.rescale(), Rescale::IDENTITY);
}

#[test]
fn other_transfer_syntaxes_read_the_same_or_are_refused_by_name() {
    let truth = load(&series()).unwrap();
    for syntax in ["1.2.840.10008.1.2", "1.2.840.10008.1.2.2"] {
        let files: Files = series()
            .iter()
            .map(|(n, b)| (n.clone(), as_plain(b, syntax)))
            .collect();
        let v = load(&files).unwrap();
        assert_eq!(v.voxels(), truth.voxels(), "{syntax}");
        assert_eq!(v.affine(), truth.affine(), "{syntax}");
    }
    for (syntax, name) in [
        ("1.2.840.10008.1.2.4.201", "High-Throughput JPEG 2000"),
        ("1.2.840.10008.1.2.4.110", "JPEG XL"),
        ("1.2.3.4", "unknown"),
    ] {
        let mut files = series();
        // The writer knows only syntaxes that it can encode: patch the bytes.
        let mut bytes = files[2].1.clone();
        let old = b"1.2.840.10008.1.2.1\0";
        let at = bytes.windows(old.len()).position(|w| w == old).unwrap();
        let length = syntax.len().next_multiple_of(2);
        let mut text = syntax.as_bytes().to_vec();
        text.resize(length, 0);
        bytes[at - 2..at].copy_from_slice(&(length as u16).to_le_bytes());
        bytes.splice(at..at + old.len(), text);
        files[2].1 = bytes;
        let message = refusal(&files);
        assert!(
            message.contains(name) && message.contains(syntax) && message.contains(&files[2].0),
            "{message}"
        );
    }
}

#[test]
fn rle_and_deflated_files_read_the_same() {
    let truth = load(&series()).unwrap();
    let rle: Files = series()
        .iter()
        .map(|(n, b)| (n.clone(), as_rle(b, 63)))
        .collect();
    assert_eq!(load(&rle).unwrap().voxels(), truth.voxels());
    let deflated: Files = series()
        .iter()
        .map(|(n, b)| (n.clone(), as_deflated(b, 0)))
        .collect();
    assert_eq!(load(&deflated).unwrap().voxels(), truth.voxels());
    // A compressed frame that decodes short.
    let mut short = rle;
    short[3].1 = as_rle(&series()[3].1, 62);
    let message = refusal(&short);
    assert!(
        message.contains("RLE pixels of frame 1 do not decode") && message.contains(&short[3].0),
        "{message}"
    );
}

#[test]
fn a_deflated_bomb_is_refused() {
    // Zeros after the data set: elements (0000,0000) without end, 600 MiB of them from half a megabyte.
    let files = vec![(
        "bomb.dcm".to_owned(),
        as_deflated(&series()[0].1, 600 << 20),
    )];
    let message = refusal(&files);
    assert!(message.contains("inflated data set is larger"), "{message}");
}

#[test]
fn enhanced_multi_frame_objects_are_read_frame_by_frame() {
    let files = series();
    let truth = load(&files).unwrap();
    let v = load(&[("enhanced.dcm".to_owned(), as_enhanced(&files))]).unwrap();
    assert_eq!(v.voxels(), truth.voxels());
    assert!(v.affine().distance(truth.affine()) < 1e-9);
    assert_eq!(v.rescale(), truth.rescale());
    let Source::Dicom(source) = v.source() else {
        panic!("DICOM")
    };
    let mut frames: Vec<u32> = source.slices.iter().map(|s| s.frame).collect();
    frames.sort_unstable();
    assert_eq!(frames, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn coded_frames_are_decoded_to_the_last_bit() {
    for (syntax, frame) in [
        ("1.2.840.10008.1.2.4.90", jpeg_2000()),
        ("1.2.840.10008.1.2.4.70", jpeg_lossless()),
        ("1.2.840.10008.1.2.4.80", jpeg_ls()),
    ] {
        let files: Files = series()
            .iter()
            .map(|(n, b)| (n.clone(), as_coded(b, syntax, frame.clone())))
            .collect();
        let v = load(&files).unwrap();
        assert_eq!(
            v.voxels(),
            &Voxels::U16(coded_samples().repeat(6)),
            "{syntax}"
        );
        let Source::Dicom(source) = v.source() else {
            panic!("DICOM")
        };
        assert!(!source.lossy);
        // A frame of another size than the file says, and a frame cut short.
        for (bad, reason) in [
            (
                with_u16(&as_coded(&files[0].1, syntax, frame.clone()), tags::ROWS, 9),
                "9x7 pixels inside, 9x9 declared",
            ),
            (
                as_coded(&files[0].1, syntax, frame[..frame.len() / 3].to_vec()),
                "do not decode",
            ),
        ] {
            let message = refusal(&vec![("bad".to_owned(), bad)]);
            assert!(message.contains(reason), "{reason} in {message}");
        }
    }
    let files: Files = series()
        .iter()
        .map(|(n, b)| {
            (
                n.clone(),
                with_u16(
                    &as_coded(b, "1.2.840.10008.1.2.4.90", jpeg_2000_signed()),
                    tags::PIXEL_REPRESENTATION,
                    1,
                ),
            )
        })
        .collect();
    let signed: Vec<i16> = coded_samples()
        .iter()
        .map(|&v| (i32::from(v) - 32768) as i16)
        .collect();
    assert_eq!(
        load(&files).unwrap().voxels(),
        &Voxels::I16(signed.repeat(6))
    );
}

#[test]
fn a_lossy_past_is_remembered() {
    let (files, _) = changed(&series(), 1, |b| {
        with_text(b, tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01")
    });
    let v = load(&files).unwrap();
    let Source::Dicom(source) = v.source() else {
        panic!("DICOM")
    };
    assert!(source.lossy);
}
