//! The site's power as bees, clients and operators meet it: what the ladder allows, what `why` says, what a
//! heartbeat tells.

use std::time::Duration;

use serde_json::json;
use swarm_queen::QueenConfig;
use swarm_types::power::{Quality, Reading};

use crate::rig::Rig;

/// A meter that says the same for ever: 600 W of sun, 200 W from the battery, 1 000 W of load.
fn site(config: &mut QueenConfig, charge: &str, rung: Option<&str>) {
    let dir = config.state_dir.parent().expect("a parent").to_owned();
    let day = dir.join("day.csv");
    let rows = format!("seconds,solar,battery,load,charge\n0,600,200,1000,{charge}\n");
    std::fs::write(&day, rows).expect("writes");
    if let Some(rung) = rung {
        std::fs::create_dir_all(&config.state_dir).expect("makes");
        std::fs::write(config.state_dir.join("power-rung"), rung).expect("writes");
    }
    config.power = serde_json::from_value(json!({
        "source": [{ "name": "day", "kind": "replay", "file": day, "interval": "1s",
            "measures": ["solar", "battery", "load", "charge"] }],
        "policy": { "defer_until": "30m" },
    }))
    .expect("a site");
}

/// Waits until the meter was read.
async fn read(rig: &Rig) -> serde_json::Value {
    for _ in 0..300 {
        let power = rig.get("/api/v1/power").await.json();
        if power["load"]["quality"] == "good" {
            return power;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the meter was never read");
}

#[tokio::test]
async fn short_energy_holds_back_what_can_wait_and_why_says_so() {
    let rig = Rig::with(|config| site(config, "30", None)).await;
    let bee = rig.bee("bee-01").await;
    let power = read(&rig).await;
    assert_eq!(power["ladder"]["state"], "conserve");
    let reason = "the battery is at 30 %, energy is short at 38 % and less";
    for _ in 0..300 {
        if rig.get("/api/v1/power").await.json()["ladder"]["reason"] == reason {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let power = rig.get("/api/v1/power").await.json();
    assert_eq!(power["ladder"]["reason"], reason);
    assert_eq!(power["battery_percent"]["percent"], 30);
    assert_eq!(power["grid"]["watts"], 200, "derived");
    assert_eq!(power["grid"]["quality"], "estimated");
    assert_eq!(power["sources"][0]["kind"], "replay");
    assert_eq!(power["sources"][0]["quality"], "good");
    let metrics = String::from_utf8(rig.get("/metrics").await.body).expect("text");
    for line in [
        "swarm_power_watts{flow=\"grid\"} 200",
        "swarm_battery_charge_percent 30",
        "swarm_power_ladder{state=\"conserve\"} 1",
        "swarm_power_source_failures_total{source=\"day\",kind=\"replay\"} 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }

    let client = rig.as_client(&rig.client);
    let patient = rig.order(b"it can wait").await;
    let job = client.submit(&patient).await.expect("accepted");
    assert_eq!(bee.poll(1).await, None, "its deadline is an hour away");
    let why = client.why(job.job_id).await.expect("reasons");
    assert_eq!(why.bees[0].code, "power");
    assert!(
        why.bees[0]
            .reason
            .starts_with("power is conserve, and the job can wait until")
    );
    assert!(
        why.bees[0].reason.ends_with(reason),
        "{}",
        why.bees[0].reason
    );
    assert!(why.summary.contains("power is conserve"), "{}", why.summary);
    // A job that cannot wait goes before it.
    let mut urgent = rig.order(b"it cannot").await;
    urgent.order.deadline -= 2_400;
    urgent.signature = rig.sign(&urgent.order, &rig.client);
    let (lease, job) = tokio::join!(bee.poll(30), client.submit(&urgent));
    let lease = lease.expect("work");
    assert_eq!(lease.job_id, job.expect("accepted").job_id);
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn a_critical_site_begins_nothing_and_tells_its_bees() {
    let rig = Rig::with(|config| site(config, "24", Some("critical"))).await;
    let bee = rig.bee("bee-01").await;
    let power = read(&rig).await;
    assert_eq!(
        power["ladder"]["state"], "critical",
        "where it stood before the restart"
    );
    let client = rig.as_client(&rig.client);
    let job = client
        .submit(&rig.order(b"a scan").await)
        .await
        .expect("accepted");
    assert_eq!(bee.poll(1).await, None);
    let why = client.why(job.job_id).await.expect("reasons");
    assert!(
        why.bees[0]
            .reason
            .contains("the battery is at 24 %; the rack comes back at 40 %")
    );
    let claim = bee.queen.claim(job.job_id).await.expect_err("refused");
    assert_eq!(claim.kind(), Some("power"));
    let told = bee
        .beat(true, false, Vec::new())
        .await
        .power
        .expect("the site's power");
    assert_eq!(
        (told.state.as_str(), told.shut_down),
        ("critical", true),
        "nobody works"
    );
    assert!(told.wake_at.is_some());
    let mix = told.mix;
    let shares = (mix.solar, mix.battery, mix.grid);
    let bps = Reading::Bps;
    assert_eq!(shares, (bps(6_000), bps(2_000), bps(2_000)));
    assert_eq!(
        (mix.quality, mix.meter.as_str()),
        (Quality::Estimated, "site:replay")
    );
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn a_rack_without_a_meter_holds_nothing_back() {
    let rig = Rig::start().await;
    let bee = rig.bee("bee-01").await;
    assert_eq!(bee.beat(true, false, Vec::new()).await.power, None);
    let power = rig.get("/api/v1/power").await.json();
    assert_eq!(power["ladder"]["state"], "unknown");
    let client = rig.as_client(&rig.client);
    client
        .submit(&rig.order(b"a scan").await)
        .await
        .expect("accepted");
    assert!(bee.poll(5).await.is_some());
    rig.handle.shutdown().await;
}
