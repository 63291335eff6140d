//! A bee, its queen and a client. The network is a stand-in that can be held, and can fail.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex};

use swarm_bee::{Bee, BeeError, Input, Runner};
use swarm_imaging::{Affine, Rescale, Volume, Voxels, write_labels};
use swarm_inference::pipeline::Progress;
use swarm_inference::{Considered, EngineKind, PipelineError, Stage};
use swarm_types::api::Lease;
use swarm_types::{B256, JobId};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::common::{Client, Keys, Queen, keys};

pub const MODEL: B256 = B256::repeat_byte(0x3d);
pub const ENGINE: &str = "stand-in 1; f32; none; none";

/// Holds computations until it is opened.
#[derive(Default)]
pub struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
    inside: AtomicUsize,
    pub most_inside: AtomicUsize,
}

impl Gate {
    pub fn open(&self) {
        *self.open.lock().expect("lock") = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_inside.fetch_max(inside, Ordering::SeqCst);
        let open = self.open.lock().expect("lock");
        drop(self.opened.wait_while(open, |open| !*open).expect("lock"));
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What the stand-in is said to be preferred to.
static PASSED_OVER: LazyLock<Vec<Considered>> = LazyLock::new(|| {
    let passed = |engine, reason: &str| Considered {
        engine,
        reason: reason.to_owned(),
        detail: Some("libcuda.so.1: cannot open".to_owned()),
    };
    vec![
        passed(EngineKind::TensorrtRtx, "there is no GPU"),
        passed(EngineKind::Cuda, &"x".repeat(200)),
    ]
});

/// Stands in for the network: counts bright voxels. A scan whose first voxel is 13 makes it panic, 14 fail.
struct StandIn(Arc<Gate>);

impl Runner for StandIn {
    fn model(&self) -> B256 {
        MODEL
    }

    fn name(&self) -> String {
        "slow@1.0.0".to_owned()
    }

    fn engine(&self) -> String {
        ENGINE.into()
    }

    fn considered(&self) -> &[Considered] {
        &PASSED_OVER
    }

    fn self_test(&mut self) -> Result<(), PipelineError> {
        Ok(())
    }

    fn run(
        &mut self,
        input: &Input,
        progress: Progress<'_>,
    ) -> Result<Vec<(String, Vec<u8>)>, PipelineError> {
        let Input::Scan(volume) = input else {
            panic!("a scan was sent")
        };
        progress(Stage::Prepare, 1.0);
        self.0.pass();
        match volume.value(0, 0, 0) as u32 {
            13 => panic!("as the test asked"),
            14 => return Err(PipelineError::Windows { count: 9999 }),
            _ => {}
        }
        progress(Stage::Infer, 1.0);
        let bright = volume.to_f32().iter().filter(|v| **v > 0.0).count();
        Ok(vec![(
            "report.json".into(),
            format!("{{\"bright\":{bright}}}").into_bytes(),
        )])
    }
}

pub fn volume(first: u8) -> Volume {
    let mut voxels = vec![1; 4 * 5 * 6];
    voxels[0] = first;
    Volume::new(
        Voxels::U8(voxels),
        Rescale::IDENTITY,
        [4, 5, 6],
        Affine::IDENTITY,
    )
    .expect("a volume")
}

pub fn scan(first: u8) -> Vec<(String, Vec<u8>)> {
    let volume = volume(first);
    let Voxels::U8(voxels) = volume.voxels() else {
        panic!("as made above")
    };
    vec![(
        "DOE_JOHN.nii.gz".into(),
        write_labels(&volume, voxels).expect("writes"),
    )]
}

/// A bee that runs, its queen, and a client.
pub struct Hive {
    pub queen: Queen,
    pub client: Client,
    pub keys: Keys,
    pub gate: Arc<Gate>,
    pub stop: CancellationToken,
    _dir: tempfile::TempDir,
}

impl Hive {
    pub async fn new() -> Self {
        let queen = Queen::start().await;
        let dir = tempfile::tempdir().expect("dir");
        let keys = keys(dir.path(), &queen);
        Self {
            queen,
            client: Client::new(),
            keys,
            gate: Arc::default(),
            stop: CancellationToken::new(),
            _dir: dir,
        }
    }

    pub async fn open() -> Self {
        let hive = Self::new().await;
        hive.gate.open();
        hive
    }

    pub fn start(&self) -> JoinHandle<Result<(), BeeError>> {
        let runners: Vec<Box<dyn Runner>> = vec![Box::new(StandIn(self.gate.clone()))];
        let bee = Bee::with_runners(self.keys.config.clone(), runners).expect("a bee");
        assert_eq!(bee.address(), self.keys.worker);
        tokio::spawn(bee.serve(self.stop.clone()))
    }

    pub fn lease(&self, seq: u64) -> Lease {
        self.client
            .lease(&self.queen, seq, MODEL, &scan(1), &self.keys.identity)
    }

    pub fn submit(&self, lease: Lease) {
        self.queen.state().pending.push_back(lease);
    }

    pub async fn stopped(&self, bee: JoinHandle<Result<(), BeeError>>) {
        self.stop.cancel();
        bee.await.expect("joins").expect("ends well");
    }
}

pub fn id(seq: u64) -> JobId {
    JobId { epoch: 1, seq }
}
