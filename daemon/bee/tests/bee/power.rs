//! What a job ran on, and a box that switches itself off.

use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use swarm_bee::LadderConfig;
use swarm_host::warden::{ActError, Acts, Allowed, serve};
use swarm_store::{age, archive};
use swarm_types::api::BeePower;
use swarm_types::digest;
use swarm_types::power::{PowerRecord, Quality, Reading};

use crate::hive::Hive;

#[tokio::test]
async fn a_job_says_what_it_ran_on() {
    let hive = Hive::open().await;
    let mix = PowerRecord {
        meter: "site:victron_mqtt".into(),
        quality: Quality::Estimated,
        age_seconds: Some(3),
        solar: Reading::Bps(7_500),
        battery: Reading::Bps(2_000),
        grid: Reading::Bps(500),
    };
    hive.queen.state().power = Some(BeePower {
        state: "normal".into(),
        shut_down: false,
        wake_at: None,
        gpu_limit_percent: 100,
        mix,
    });
    let bee = hive.start();
    hive.queen
        .until("heard", |queen| queen.heartbeats.len() > 1)
        .await;
    hive.submit(hive.lease(1));
    hive.queen
        .until("completed", |queen| queen.completed.len() == 1)
        .await;
    hive.stopped(bee).await;
    let queen = hive.queen.state();
    let (_, done) = &queen.completed[0];
    let power = &done.power;
    assert_eq!(done.execution.power, power.digest());
    assert_eq!(power.meter, "site:victron_mqtt");
    assert_eq!(power.quality, Quality::Estimated);
    let shares = (power.solar, power.battery, power.grid);
    let bps = Reading::Bps;
    assert_eq!(shares, (bps(7_500), bps(2_000), bps(500)));
    assert!(power.age_seconds.is_some_and(|age| age >= 3));
    // The client reads the same in the result, beside a report that says nothing of it.
    let ciphertext = &queen.blobs[&done.result.sha256];
    let tar = age::decrypt(ciphertext, &hive.client.identity, 1 << 20).expect("decrypts");
    let files = archive::unpack(&tar, &archive::ArchiveLimits::default()).expect("unpacks");
    assert_eq!(digest::manifest_digest(&files), done.manifest);
    let file = files.iter().find(|(name, _)| name == "power.json");
    let file: serde_json::Value =
        serde_json::from_slice(&file.expect("power.json").1).expect("JSON");
    assert_eq!(file["solar"]["percent"], 75.0);
    assert_eq!(file["grid"]["quality"], "estimated");
    assert!(files.iter().any(|(name, _)| name == "report.json"));
}

/// Notes what the warden is asked for, instead of doing it to the machine that runs the tests.
struct Noted(std::sync::mpsc::Sender<String>);

impl Acts for Noted {
    fn gpu_power_range(&mut self, _: &str) -> Result<Option<RangeInclusive<u32>>, ActError> {
        Ok(None)
    }

    fn set_gpu_power_limit(&mut self, _: &str, _: u32) -> Result<(), ActError> {
        Ok(())
    }

    fn set_wake_timer(&mut self, time: Duration) -> Result<(), ActError> {
        let minutes = time.as_secs().div_ceil(60);
        self.0
            .send(format!("wake in {minutes} min"))
            .expect("heard");
        Ok(())
    }

    fn power_off(&mut self) -> Result<(), ActError> {
        self.0.send("off".into()).expect("heard");
        Ok(())
    }
}

#[tokio::test]
async fn a_box_that_may_switches_itself_off_when_its_job_is_done() {
    let mut hive = Hive::new().await;
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("warden.sock");
    let listener = tokio::net::UnixListener::bind(&socket).expect("binds");
    let owner = std::fs::metadata(&socket).expect("there").uid();
    let (tell, told) = std::sync::mpsc::channel();
    let warden = tokio::spawn(async move {
        let me = Allowed::ids([owner]);
        let mut acts = Noted(tell);
        serve(&listener, &me, &mut acts, Duration::from_secs(3600)).await
    });
    hive.keys.config.power = LadderConfig {
        shut_down: true,
        gpu_watts: None,
        warden: Some(socket),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let in_an_hour = now.expect("after 1970").as_secs() + 3600;
    let power = BeePower {
        state: "critical".into(),
        shut_down: true,
        wake_at: Some(in_an_hour),
        gpu_limit_percent: 100,
        mix: PowerRecord::unknown(),
    };
    let bee = hive.start();
    hive.submit(hive.lease(1));
    hive.queen
        .until("computing", |queen| {
            queen.progress.iter().any(|(_, p)| p.stage == "prepare")
        })
        .await;
    // Energy runs out while a job is at work: it is waited for.
    hive.queen.state().power = Some(power);
    let beats = hive.queen.state().heartbeats.len();
    hive.queen
        .until("told twice", |queen| queen.heartbeats.len() > beats + 2)
        .await;
    assert!(
        told.try_recv().is_err(),
        "nothing is asked while a job is at work"
    );
    hive.gate.open();
    hive.queen
        .until("completed", |queen| queen.completed.len() == 1)
        .await;
    let off = tokio::task::spawn_blocking(move || {
        let long = Duration::from_secs(30);
        [told.recv_timeout(long), told.recv_timeout(long)]
    });
    let off = off
        .await
        .expect("no panic")
        .map(|said| said.expect("asked"));
    assert_eq!(off, ["wake in 60 min", "off"]);
    hive.stopped(bee).await;
    warden.abort();
}
