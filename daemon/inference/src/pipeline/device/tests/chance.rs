//! Chains and scans by chance: sizes down to one voxel, every type, turn, grid and order of steps.

use super::*;

/// Seeds; each is a chain and a scan.
const CASES: u64 = 50;

/// SplitMix64.
struct Chance(u64);

impl Chance {
    /// Below `n`.
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ z >> 31) % n
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len() as u64) as usize]
    }

    fn sign(&mut self) -> f64 {
        [1.0, -1.0][self.below(2) as usize]
    }

    fn window(&mut self) -> String {
        if self.below(2) == 0 {
            return "window = { mode = 'whole' }\n".to_owned();
        }
        let roi = [0; 3].map(|_| 4 * (1 + self.below(6)));
        let (overlap, blend) = (self.below(7), self.one_of(&["constant", "gaussian"]));
        format!(
            "[window]\nmode = 'sliding'\nroi_size = {roi:?}\noverlap = 0.{overlap}\nblend = '{blend}'\n"
        )
    }

    fn grid(&mut self) -> String {
        let mut steps = String::new();
        if self.below(3) > 0 {
            let codes = self.one_of(&["RAS", "LPS", "PIR", "SAL", "IRP", "ASR"]);
            steps += &step(&format!("Orientation'\naxcodes = '{codes}"));
        }
        match self.below(3) {
            0 => {
                let pixdim = [1.1, 0.9, 1.7].map(|size| size + 0.3 * self.below(4) as f64);
                steps += &step("Spacing");
                let mode = self.one_of(&["bilinear", "nearest"]);
                steps += &format!("pixdim = {pixdim:?}\nmode = '{mode}'\n");
            }
            1 => {
                let size = [0; 3].map(|_| 1 + self.below(40));
                steps += &step("Resize");
                let mode = self.one_of(&["nearest", "nearest-exact", "trilinear"]);
                steps += &format!("spatial_size = {size:?}\nmode = '{mode}'\n");
            }
            _ => {}
        }
        steps
    }

    fn values(&mut self) -> String {
        let range = step("ScaleIntensityRange") + "a_min = 1.0\na_max = 9.0\n";
        let pad = step("DivisiblePad") + "k = [4, 0, 3]\n";
        let unbiased = step("NormalizeIntensity") + "unbiased = true\n";
        let all = [NORMAL, PERCENTILES, MINMAX, BOXES, &range, &pad, &unbiased];
        // At least one: a chain is not empty.
        (0..=self.below(4)).map(|_| self.one_of(&all)).collect()
    }

    fn finish(&mut self, channels: usize) -> String {
        let invert = |mode: &str| step("Invert").replace("[[pre", "[[post") + mode;
        let discrete = |how: &str| step("AsDiscrete").replace("[[pre", "[[post") + how;
        if channels > 1 {
            let exact = invert("mode = 'nearest-exact'\n") + &discrete("argmax = true\n");
            return self.one_of(&[LABELS_BACK, SCORES_BACK, &exact]).to_owned();
        }
        let threshold = discrete("threshold = 0.4\n");
        let labels = threshold.clone() + &invert("");
        let scores = invert("mode = 'trilinear'\n") + &threshold;
        self.one_of(&[&labels, &scores, THRESHOLD]).to_owned()
    }

    fn scan(&mut self) -> Volume {
        let dims = [37, 45, 33].map(|most| 1 + self.below(most) as usize);
        let count = dims.iter().product::<usize>();
        let mut number = |below| self.below(below);
        let voxels = match number(5) {
            0 => Voxels::U8((0..count).map(|_| number(200) as u8).collect()),
            1 => Voxels::U16((0..count).map(|_| number(3000) as u16).collect()),
            2 => Voxels::I16((0..count).map(|_| number(3000) as i16 - 500).collect()),
            3 => Voxels::F32((0..count).map(|_| number(3000) as f32 / 7.0).collect()),
            _ => Voxels::I32((0..count).map(|_| number(3000) as i32 - 50).collect()),
        };
        // One in three is sheared: no table per axis describes its way.
        let shear = [0.0, 0.0, 0.2][self.below(3) as usize];
        let affine = Affine::from_columns(
            [
                [1.1 * self.sign(), shear, 0.0],
                [0.0, shear, 0.9 * self.sign()],
                [0.0, 2.0 * self.sign(), 0.1 * shear],
            ],
            [3.0, -20.0, 4.0],
        );
        let rescale = match self.below(2) {
            0 => Rescale::IDENTITY,
            _ => Rescale {
                slope: 0.25,
                intercept: -3.0,
            },
        };
        Volume::new(voxels, rescale, dims, affine).expect("valid")
    }
}

fn step(op: &str) -> String {
    format!("[[preprocessing]]\nop = '{op}'\n")
}

#[test]
fn both_ways_agree_on_chains_and_scans_by_chance() {
    let mut told_apart = 0;
    for seed in 0..CASES {
        let mut chance = Chance(seed);
        let channels = 1 + chance.below(5) as usize;
        let text = [
            chance.window(),
            chance.grid(),
            chance.values(),
            chance.finish(channels),
        ]
        .concat();
        let scan = chance.scan();
        let spec = spec(channels, 1, &text);
        let plan = Plan::of(&spec).expect("there are kernels for all of it");
        let mut engine = Sums::new(channels);
        let mut kept = None;
        // The second may go the first one's way, in what that left on the device.
        for scan in [backwards(&scan), scan] {
            let theirs = crate::pipeline::segment(&spec, &mut engine, &scan, &mut |_, _| {});
            let ours = segment(&spec, &plan, &mut engine, &mut kept, &scan, &mut |_, _| {});
            let what = format!("seed {seed}: {scan:?}\n{text}");
            match (ours, theirs) {
                (Ok(ours), Ok(theirs)) => {
                    let pairs = ours.labels.iter().zip(&theirs.labels);
                    let different = pairs.filter(|(a, b)| a != b).count();
                    let allowed = 1 + ours.labels.len() / 1_000;
                    assert!(different <= allowed, "{different} labels differ: {what}");
                    told_apart += usize::from(theirs.labels.iter().any(|l| *l != theirs.labels[0]));
                }
                (Err(ours), Err(theirs)) => {
                    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "{what}");
                }
                (ours, theirs) => panic!("{:?} {:?}: {what}", ours.map(drop), theirs.map(drop)),
            }
        }
    }
    assert!(
        told_apart > CASES as usize,
        "only {told_apart} with two labels"
    );
}
