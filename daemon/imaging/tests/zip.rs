//! Scans in zip archives: the same scan, or a refusal that names the entry. Nothing is unpacked to a disk.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use common::{Files, load, nifti, one, volume, zipped};
use std::io::{Cursor, Write};
use swarm_imaging::{Limits, LoadOptions, SeriesSpec, read_path, unzip, write_series};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn series() -> Files {
    let spec = SeriesSpec {
        intercept: -1000.0,
        ..SeriesSpec::default()
    };
    write_series(&volume(), &spec).unwrap()
}

/// An archive of one entry for each name.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The archive with every `from` in names replaced by `to` of the same length: the writer would not write it.
fn renamed(mut bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> = (0..=bytes.len() - from.len())
        .filter(|&at| bytes[at..].starts_with(from.as_bytes()))
        .collect();
    assert_eq!(places.len(), 2, "local header and directory");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

fn refusal(bytes: Vec<u8>) -> String {
    load(&one(bytes)).expect_err("a refusal")
}

#[test]
fn a_zipped_series_is_the_series() {
    let files = series();
    let truth = load(&files).unwrap();
    let zipped = load(&one(zipped(&files))).unwrap();
    assert_eq!(zipped.voxels(), truth.voxels());
    assert_eq!(zipped.affine(), truth.affine());
    // In two archives, beside loose files, among what file managers leave there.
    let mut parts = vec![
        ("a.zip".to_owned(), common::zipped(&files[..2].to_vec())),
        (
            "b.zip".to_owned(),
            archive(&[
                ("x/1", &files[2].1),
                ("__MACOSX/x/._1", b"junk"),
                ("x/.DS_Store", b"junk"),
            ]),
        ),
    ];
    parts.extend(files[3..].iter().cloned());
    assert_eq!(load(&parts).unwrap().voxels(), truth.voxels());
    let scan = nifti([2, 2, 2], &[1, 2, 3, 4, 5, 6, 7, 8]);
    let alone = load(&one(scan.clone())).unwrap();
    let zipped = load(&one(archive(&[("scan.nii", &scan)]))).unwrap();
    assert_eq!(zipped.voxels(), alone.voxels());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("scan.zip"),
        archive(&[("scan.nii", &scan)]),
    )
    .unwrap();
    let limits = Limits::default();
    let read = unzip(read_path(folder.path(), &limits).unwrap(), &limits).unwrap();
    assert_eq!(read, [("scan.nii".to_owned(), scan)]);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing was unpacked to the disk");
}

#[test]
fn tricks_with_paths_are_refused_and_named() {
    for (from, to) in [
        ("abcdefghi", "../../etc"),
        ("abcdefghi", "/etc/cron"),
        ("abcdefghi", "a/../../b"),
        ("abcdefghi", "a/./bcdef"),
        ("abcdefghi", "a//bcdefg"),
        ("abcdefghi", "c:\\bcdefg"),
        ("abcdefghi", "c:/bcdefg"),
        ("abcdefghi", "abc\0.dcm\t"),
    ] {
        let message = refusal(renamed(archive(&[(from, b"x")]), from, to));
        assert!(
            message.contains("not a plain relative path"),
            "{to:?}: {message}"
        );
    }
    let twice = renamed(archive(&[("one", b"1"), ("two", b"2")]), "two", "one");
    let message = refusal(twice);
    assert!(
        message.contains("two of its entries have one path"),
        "{message}"
    );
    let mut link = ZipWriter::new(Cursor::new(Vec::new()));
    link.add_symlink("slice", "/etc/passwd", SimpleFileOptions::default())
        .unwrap();
    let message = refusal(link.finish().unwrap().into_inner());
    assert!(message.contains("\"slice\" is neither a file"), "{message}");
    let inner = archive(&[("a", b"x")]);
    let message = refusal(archive(&[("inner.zip", &inner)]));
    assert!(
        message.contains("\"inner.zip\" is an archive in an archive"),
        "{message}"
    );
}

#[test]
fn bombs_are_refused_within_the_limits() {
    let zeros = vec![0_u8; 40 << 20];
    let bomb = archive(&[("zeros", &zeros)]);
    assert!(bomb.len() < 100 << 10);
    assert!(refusal(bomb.clone()).contains("times its own size"));
    let tight = |limits: Limits| {
        let options = LoadOptions {
            limits,
            ..LoadOptions::default()
        };
        swarm_imaging::load(&one(bomb.clone()), &options)
            .unwrap_err()
            .explain()
    };
    let bytes = tight(Limits {
        bytes_max: 1 << 20,
        ..Limits::default()
    });
    assert!(bytes.contains("more than 1048576 bytes"), "{bytes}");
    let many: Vec<(String, Vec<u8>)> = (0..20).map(|i| (i.to_string(), vec![1])).collect();
    let options = LoadOptions {
        limits: Limits {
            files_max: 16,
            ..Limits::default()
        },
        ..LoadOptions::default()
    };
    let refused = swarm_imaging::load(&one(zipped(&many)), &options).unwrap_err();
    assert!(refused.explain().contains("more than 16 entries"));
    // A declared size of a few bytes does not help: what counts is what comes out.
    let mut lying = bomb;
    let size = (40_u32 << 20).to_le_bytes();
    let places: Vec<usize> = (0..lying.len() - 4)
        .filter(|&at| lying[at..at + 4] == size)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        lying[at..at + 4].copy_from_slice(&4_u32.to_le_bytes());
    }
    load(&one(lying)).expect_err("a lie");
}

#[test]
fn damaged_and_foreign_archives_are_refused() {
    let whole = zipped(&series());
    for end in [4, 100, whole.len() / 2, whole.len() - 1] {
        let message = refusal(whole[..end].to_vec());
        assert!(message.contains("archive"), "{end}: {message}");
    }
    let mut flipped = whole.clone();
    flipped[200] ^= 1;
    refusal(flipped);
    // Method 12 is bzip2, flag 1 is encryption.
    let plain = archive(&[("a", b"some bytes of a file")]);
    let patched = |local: usize, directory: usize, value: u8| {
        let mut bytes = plain.clone();
        let start = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
        bytes[local] = value;
        bytes[start + directory] = value;
        refusal(bytes)
    };
    assert!(patched(8, 10, 12).contains("only deflate is read"));
    assert!(patched(6, 8, 1).contains("\"a\" is encrypted"));
}
