//! Thousands of damaged files, from seeds: each is read or refused, and nothing panics or eats the machine.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use common::{
    Files, Random, as_coded, as_enhanced, as_plain, as_rle, gzip, jpeg_2000, jpeg_lossless, nifti,
    volume,
};
use swarm_imaging::deid::is_identified;
use swarm_imaging::nifti::scrub;
use swarm_imaging::{Limits, LoadOptions, SeriesSpec, UidMap, deidentify, load, write_series};

/// Limits that a lying header would break at once.
fn tight() -> LoadOptions {
    let limits = Limits {
        voxels_max: 1 << 16,
        bytes_max: 1 << 20,
        files_max: 16,
    };
    LoadOptions {
        limits,
        ..LoadOptions::default()
    }
}

/// Numbers that headers lie with.
const LIES: [u32; 12] = [
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFE,
    0xFFFF_FFFF,
];

/// Damages `bytes` in one to four places before `end`.
fn damage(bytes: &mut Vec<u8>, end: usize, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let end = end.min(bytes.len());
        if end < 8 {
            return;
        }
        let at = random.below(end - 4);
        match random.below(7) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes[at..at + 2]
                .copy_from_slice(&(LIES[random.below(LIES.len())] as u16).to_le_bytes()),
            3 => bytes[at..at + 4].copy_from_slice(&LIES[random.below(LIES.len())].to_le_bytes()),
            4 => bytes.truncate(at + random.below(bytes.len() - at)),
            5 => {
                let other = random.below(end - 4);
                let piece = bytes[other..(other + 1 + random.below(64)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let stop = (at + 1 + random.below(64)).min(bytes.len());
                bytes.drain(at..stop);
            }
        }
    }
}

#[test]
fn damaged_nifti_files_are_read_or_refused() {
    let data: Vec<i16> = (0..210).collect();
    let whole = nifti([7, 6, 5], &data);
    let (mut read, mut refused) = (0, 0);
    for seed in 0..6000 {
        let mut random = Random(seed);
        let mut bytes = whole.clone();
        damage(&mut bytes, 360, &mut random);
        if random.below(3) == 0 {
            bytes = gzip(&bytes);
            if random.below(2) == 0 {
                let end = bytes.len();
                damage(&mut bytes, end, &mut random);
            }
        }
        // The client's scrubbing sees the same files.
        let _ = scrub(&bytes, &tight().limits);
        match load(&[("scan".into(), bytes)], &tight()) {
            Ok(volume) => {
                read += 1;
                assert_eq!(
                    volume.voxels().len(),
                    volume.dims().iter().product::<usize>(),
                    "seed {seed}"
                );
                assert!(volume.affine().validate().is_ok(), "seed {seed}");
            }
            Err(error) => {
                refused += 1;
                assert!(!error.explain().is_empty());
            }
        }
    }
    assert!(
        read > 500 && refused > 500,
        "{read} read, {refused} refused"
    );
}

#[test]
fn damaged_dicom_files_are_read_or_refused() {
    let spec = SeriesSpec {
        intercept: -1000.0,
        ..SeriesSpec::default()
    };
    let plain = write_series(&volume(), &spec).unwrap();
    let each = |change: &dyn Fn(&[u8]) -> Vec<u8>| -> Files {
        plain.iter().map(|(n, b)| (n.clone(), change(b))).collect()
    };
    // One series in every encoding that is read here, so that every decoder gets its share.
    let encodings = [
        plain.clone(),
        each(&|b| as_plain(b, "1.2.840.10008.1.2")),
        each(&|b| as_plain(b, "1.2.840.10008.1.2.2")),
        each(&|b| as_rle(b, 63)),
        each(&|b| as_coded(b, "1.2.840.10008.1.2.4.90", jpeg_2000())),
        each(&|b| as_coded(b, "1.2.840.10008.1.2.4.70", jpeg_lossless())),
        vec![("enhanced".to_owned(), as_enhanced(&plain))],
    ];
    let (mut read, mut refused, mut cleaned) = (0, 0, 0);
    for seed in 0..6000 {
        let mut random = Random(seed);
        let whole = &encodings[random.below(encodings.len())];
        let mut files: Files = whole[..whole.len().min(3 + random.below(4))].to_vec();
        let victim = random.below(files.len());
        if random.below(2) == 0 {
            let bytes = &mut files[victim].1;
            let end = bytes.len();
            damage(bytes, end, &mut random);
        } else {
            // Keep the magic, aim at the elements.
            let mut tail = files[victim].1.split_off(132);
            let end = tail.len().saturating_sub(126);
            damage(&mut tail, end, &mut random);
            files[victim].1.extend(tail);
        }
        let _ = is_identified("scan", &files[victim].1, &tight().limits);
        cleaned += usize::from(
            deidentify(
                &files[victim..=victim],
                &mut UidMap::default(),
                false,
                &tight().limits,
            )
            .is_ok(),
        );
        match load(&files, &tight()) {
            Ok(volume) => {
                read += 1;
                assert_eq!(
                    volume.voxels().len(),
                    volume.dims().iter().product::<usize>(),
                    "seed {seed}"
                );
                assert!(volume.affine().validate().is_ok(), "seed {seed}");
            }
            Err(error) => {
                refused += 1;
                assert!(!error.explain().is_empty());
            }
        }
    }
    assert!(
        read > 300 && refused > 500 && cleaned > 500,
        "{read} read, {refused} refused, {cleaned} cleaned"
    );
}

/// A DICOM file with the given bytes as its explicit little-endian data set.
fn dicom(data_set: &[u8]) -> Files {
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00");
    bytes.extend(data_set);
    vec![("hostile".into(), bytes)]
}

#[test]
fn sequences_nested_without_end_are_refused() {
    // (0008,1140) SQ of undefined length, item of undefined length, and again.
    let level = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff";
    let message = load(&dicom(&level.repeat(50_000)), &LoadOptions::default())
        .unwrap_err()
        .explain();
    assert!(message.contains("nested more than 16"), "{message}");
}

#[test]
fn a_value_longer_than_the_file_is_refused_before_it_is_allocated() {
    for (header, name) in [
        (
            &b"\x10\x00\x10\x00PN\xff\xff"[..],
            "PatientName: 65535 bytes expected",
        ),
        (
            &b"\x09\x00\x10\x00OB\0\0\xf0\xff\xff\xff"[..],
            "(0009,0010): 4294967280 bytes expected",
        ),
        (
            &b"\xe0\x7f\x10\x00OW\0\0\xfe\xff\xff\xff"[..],
            "PixelData: 4294967294 bytes expected",
        ),
        (
            &b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xf0\xff\xff\xff"[..],
            "4294967280 bytes expected",
        ),
        (
            &b"\x08\x00\x40\x11SQ\0\0\xf0\xff\xff\xff"[..],
            "ReferencedImageSequence: 4294967280",
        ),
    ] {
        let message = load(&dicom(header), &LoadOptions::default())
            .unwrap_err()
            .explain();
        assert!(message.contains(name), "{name} in {message}");
    }
}

/// Found by libFuzzer: the parser reads whole numbers, and took what was left for the length of the next value,
/// up to gigabytes of a file of two kilobytes.
#[test]
fn numbers_cut_short_are_refused_before_anything_is_allocated() {
    let next = b"\x09\x00\x10\x00OB\0\0\x02\0\0\0\x01\x02";
    for (header, name) in [
        (&b"\x28\x00\x10\x00US\x03\0\x01\0\x7f"[..], "Rows"),
        (
            &b"\x09\x00\x10\x00UL\x05\0\x01\0\0\0\x7f"[..],
            "(0009,0010)",
        ),
        (&b"\x09\x00\x10\x00FD\x04\0\0\0\0\0"[..], "(0009,0010)"),
    ] {
        let bytes = [header, &next[..]].concat();
        let message = load(&dicom(&bytes), &LoadOptions::default())
            .unwrap_err()
            .explain();
        let wanted = format!("broken structure at {name}");
        assert!(message.contains(&wanted), "{wanted}: {message}");
    }
}

#[test]
fn delimiters_out_of_place_are_refused() {
    for data_set in [
        &b"\xfe\xff\x0d\xe0\0\0\0\0"[..],
        b"\xfe\xff\xdd\xe0\0\0\0\0",
        b"\xfe\xff\x00\xe0\0\0\0\0",
    ] {
        let message = load(&dicom(data_set), &LoadOptions::default())
            .unwrap_err()
            .explain();
        assert!(message.contains("broken structure"), "{message}");
    }
    let empty = load(&dicom(b""), &LoadOptions::default())
        .unwrap_err()
        .explain();
    assert!(empty.contains("SeriesInstanceUID is missing"), "{empty}");
}

#[test]
fn damaged_frames_are_decoded_or_refused() {
    let spec = SeriesSpec {
        intercept: -1000.0,
        ..SeriesSpec::default()
    };
    let slice = write_series(&volume(), &spec).unwrap().swap_remove(0).1;
    let (mut decoded, mut refused) = (0, 0);
    for seed in 0..6000 {
        let mut random = Random(seed);
        let (syntax, mut frame) = if random.below(2) == 0 {
            ("1.2.840.10008.1.2.4.90", jpeg_2000())
        } else {
            ("1.2.840.10008.1.2.4.70", jpeg_lossless())
        };
        let end = frame.len();
        damage(&mut frame, end, &mut random);
        frame.resize(frame.len().next_multiple_of(2), 0);
        match load(
            &[("slice".into(), as_coded(&slice, syntax, frame))],
            &tight(),
        ) {
            Ok(volume) => {
                decoded += 1;
                assert_eq!(volume.dims(), [9, 7, 1], "seed {seed}");
            }
            Err(_) => refused += 1,
        }
    }
    assert!(
        decoded > 300 && refused > 500,
        "{decoded} decoded, {refused} refused"
    );
}
