//! Thousands of damaged inputs for each decoder, from seeds: each is taken or refused, nothing panics, and nothing
//! takes memory that the input does not pay for. A failure says how to replay it.

mod bundle;
mod campaign;
mod chain;
mod queen;
mod server;

use campaign::{Campaign, MIB};
use peak_alloc::PeakAlloc;
use swarm_hostile::{mutate, samples, targets};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

#[test]
fn dicom() {
    let samples = samples::dicom();
    // The magic is kept in half of the cases, so that the damage meets the elements.
    let damage = |random: &mut mutate::Random| {
        let mut bytes = random.one_of(&samples).clone();
        let from = 132 * random.below(2);
        mutate::bytes(&mut bytes, from, &samples, random);
        bytes
    };
    let campaign = Campaign::new("dicom", 6_000, 32 * MIB);
    campaign.run(damage, targets::dicom).at_least(300, 500);
}

#[test]
fn nifti() {
    let samples = samples::nifti();
    let damage = |random: &mut mutate::Random| {
        let mut bytes = samples[0].clone();
        let end = bytes.len() - 352 * random.below(2);
        let tail = bytes.split_off(end);
        mutate::bytes(&mut bytes, 0, &samples, random);
        bytes.extend(tail);
        if random.below(3) == 0 {
            bytes = mutate::gzip(&bytes);
            if random.below(2) == 0 {
                mutate::bytes(&mut bytes, 0, &samples, random);
            }
        }
        bytes
    };
    let campaign = Campaign::new("nifti", 6_000, 16 * MIB);
    campaign.run(damage, targets::nifti).at_least(300, 500);
}

#[test]
fn coded_frames() {
    let samples = samples::frames();
    let damage = |random: &mut mutate::Random, range: std::ops::Range<usize>| {
        let mut bytes = random.one_of(&samples[range]).clone();
        mutate::bytes(&mut bytes, 0, &samples, random);
        bytes
    };
    let campaign = Campaign::new("jpeg2000", 4_000, 32 * MIB);
    campaign
        .run(|random| damage(random, 0..2), targets::jpeg2000)
        .at_least(100, 500);
    let campaign = Campaign::new("jpeg", 4_000, 32 * MIB);
    campaign
        .run(|random| damage(random, 2..3), targets::jpeg)
        .at_least(100, 500);
    let campaign = Campaign::new("jpegls", 4_000, 32 * MIB);
    campaign
        .run(|random| damage(random, 3..4), targets::jpegls)
        .at_least(100, 500);
}

#[test]
fn zip() {
    let samples = samples::zips();
    let damage = |random: &mut mutate::Random| {
        let mut bytes = random.one_of(&samples).clone();
        // Half of the damage is to the directory, which is at the end.
        let directory = bytes.windows(4).position(|w| w == b"PK\x01\x02");
        let from = directory.unwrap_or(0) * random.below(2);
        mutate::bytes(&mut bytes, from, &samples, random);
        bytes
    };
    let campaign = Campaign::new("zip", 4_000, 32 * MIB);
    campaign.run(damage, targets::zip).at_least(10, 1_000);
}

#[test]
fn segmentations() {
    let samples = vec![samples::segmentation().0];
    assert!(
        targets::segmentation(&samples[0]),
        "the sample itself is sound"
    );
    let damage = |random: &mut mutate::Random| {
        let mut bytes = samples[0].clone();
        mutate::bytes(&mut bytes, 132, &samples, random);
        bytes
    };
    let campaign = Campaign::new("segmentation", 3_000, 32 * MIB);
    campaign
        .run(damage, targets::segmentation)
        .at_least(100, 300);
}

#[test]
fn tar() {
    let samples = samples::tars();
    let damage = |random: &mut mutate::Random| {
        let mut bytes = random.one_of(&samples).clone();
        mutate::tar(&mut bytes, &samples, random);
        bytes
    };
    let campaign = Campaign::new("tar", 20_000, 8 * MIB);
    campaign.run(damage, targets::tar).at_least(500, 5_000);
}

#[test]
fn age() {
    let samples = samples::age_files();
    let damage = |random: &mut mutate::Random| {
        let mut bytes = random.one_of(&samples).clone();
        // Half of the damage is to the header, and there by lines.
        if random.below(2) == 0 {
            let header = bytes.windows(5).position(|w| w == b"\n--- ").unwrap_or(0);
            let text = String::from_utf8_lossy(&bytes[..header]).into_owned();
            let mut lines: Vec<&str> = text.split('\n').collect();
            match random.below(4) {
                0 => drop(lines.remove(random.below(lines.len()))),
                1 => {
                    let line = *random.one_of(&lines);
                    // Rarely many: each costs a key agreement.
                    let times = if random.below(100) == 0 {
                        600
                    } else {
                        1 + random.below(4)
                    };
                    lines.extend(vec![line; times]);
                }
                2 => {
                    let (a, b) = (random.below(lines.len()), random.below(lines.len()));
                    lines.swap(a, b);
                }
                _ => lines.insert(
                    random.below(lines.len()),
                    "-> scrypt AAAAAAAAAAAAAAAAAAAAAA 30",
                ),
            }
            bytes.splice(..header, lines.join("\n").into_bytes());
        } else {
            mutate::bytes(&mut bytes, 0, &samples, random);
        }
        bytes
    };
    let campaign = Campaign::new("age", 1_000, 8 * MIB);
    // Damage that leaves the file as it was (a swap of equal lines) decrypts; hardly anything else may.
    let ran = campaign.run(damage, targets::age);
    ran.at_least(0, 700);
}

#[test]
fn model_packages() {
    let (onnx, toml) = (samples::onnx(), samples::MODEL_TOML.as_bytes().to_vec());
    let package = samples::package(&toml, &onnx);
    assert!(targets::package(&package), "the sample itself is sound");
    let all = vec![onnx.clone(), toml.clone(), package.clone()];
    let damaged = |random: &mut mutate::Random, whole: &[u8]| {
        let mut bytes = whole.to_vec();
        mutate::bytes(&mut bytes, 0, &all, random);
        bytes
    };
    let campaign = Campaign::new("onnx", 20_000, 8 * MIB);
    campaign
        .run(|random| damaged(random, &onnx), targets::onnx)
        .at_least(500, 5_000);
    let campaign = Campaign::new("spec", 4_000, 16 * MIB);
    campaign
        .run(|random| damaged(random, &toml), targets::spec)
        .at_least(100, 1_000);
    let tensor = samples::TENSOR_TOML.as_bytes().to_vec();
    assert!(targets::spec(&tensor), "the sample itself is sound");
    let campaign = Campaign::new("tensor-spec", 4_000, 16 * MIB);
    campaign
        .run(|random| damaged(random, &tensor), targets::spec)
        .at_least(50, 1_000);
    let damage = |random: &mut mutate::Random| {
        let mut bytes = package.clone();
        mutate::tar(&mut bytes, &all, random);
        bytes
    };
    let campaign = Campaign::new("package", 4_000, 16 * MIB);
    campaign.run(damage, targets::package).at_least(50, 1_000);
}

#[test]
fn arrays() {
    let samples = samples::arrays();
    assert!(samples.iter().all(|sample| targets::npy(sample)));
    let damage = |random: &mut mutate::Random| {
        let mut bytes = random.one_of(&samples).clone();
        mutate::bytes(&mut bytes, 0, &samples, random);
        bytes
    };
    let campaign = Campaign::new("npy", 20_000, 8 * MIB);
    campaign.run(damage, targets::npy).at_least(200, 5_000);
}

#[test]
fn messages() {
    let messages = samples::messages();
    let texts: Vec<Vec<u8>> = messages.iter().map(|(_, text)| text.clone()).collect();
    for (name, text) in &messages {
        assert!(targets::message(text), "the sample {name} itself is sound");
    }
    let damage = |random: &mut mutate::Random| {
        let text = random.one_of(&texts).clone();
        mutate::json(&text, &texts, random)
    };
    let campaign = Campaign::new("message", 10_000, 16 * MIB);
    campaign.run(damage, targets::message).at_least(500, 3_000);
}

#[test]
fn texts() {
    let samples = samples::texts();
    let damage = |random: &mut mutate::Random| {
        let mut bytes = random.one_of(&samples).clone();
        mutate::bytes(&mut bytes, 0, &samples, random);
        bytes
    };
    let campaign = Campaign::new("text", 20_000, 8 * MIB);
    campaign.run(damage, targets::text).at_least(200, 10_000);
}
