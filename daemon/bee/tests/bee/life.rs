//! From the start of a bee to its end, whatever its queen does meanwhile.

use std::sync::atomic::Ordering;
use std::time::Duration;

use swarm_bee::{Bee, BeeError};
use swarm_store::{age, archive};
use swarm_types::{digest, sha256};

use crate::common::domain;
use crate::hive::{ENGINE, Hive, MODEL, id};

#[tokio::test]
async fn a_job_goes_all_the_way() {
    let hive = Hive::open().await;
    let bee = hive.start();
    let lease = hive.lease(1);
    hive.submit(lease.clone());
    hive.queen
        .until("completed", |queen| queen.completed.len() == 1)
        .await;
    hive.stopped(bee).await;

    let queen = hive.queen.state();
    let (job, done) = &queen.completed[0];
    assert_eq!((*job, &done.token), (id(1), &lease.token));
    let execution = &done.execution;
    assert_eq!(
        execution.signer(&domain(), &done.worker_signature),
        Ok(hive.keys.worker)
    );
    assert_eq!(execution.job(), id(1));
    assert_eq!(execution.order, lease.order.commitment());
    assert_eq!(execution.input, lease.order.order.input);
    assert_eq!(execution.engine, sha256(ENGINE));
    assert_eq!(execution.power, done.power.digest());
    assert!(execution.started_at <= execution.completed_at);
    assert_eq!(execution.energy_millijoules, u64::MAX);
    assert_eq!(
        execution.result,
        digest::salted(&lease.salt, &done.manifest)
    );
    let poe = digest::poe_hash(
        id(1),
        &execution.result,
        &format!("{:#x}", hive.keys.worker),
    );
    assert_eq!(done.poe_hash, poe);

    // Only the client opens the result, and it is what the manifest says.
    let ciphertext = &queen.blobs[&done.result.sha256];
    assert!(age::decrypt(ciphertext, &hive.keys.identity, 1 << 20).is_err());
    let tar = age::decrypt(ciphertext, &hive.client.identity, 1 << 20).expect("decrypts");
    let files = archive::unpack(&tar, &archive::ArchiveLimits::default()).expect("unpacks");
    assert_eq!(digest::manifest_digest(&files), done.manifest);
    assert_eq!(
        files[0],
        ("report.json".into(), b"{\"bright\":120}".to_vec())
    );

    let registration = &queen.registrations[0];
    assert_eq!(registration.models, [MODEL]);
    assert_eq!(
        registration.recipient,
        hive.keys.identity.recipient().to_string()
    );
    assert_eq!(
        queen.signers.iter().collect::<Vec<_>>(),
        [&hive.keys.worker]
    );
    assert!(
        queen
            .progress
            .iter()
            .map(|(_, p)| p.progress_bps)
            .is_sorted()
    );
    assert!(
        queen
            .heartbeats
            .iter()
            .any(|beat| beat.ready && beat.leases.contains(&lease.token))
    );
    assert!(
        queen
            .heartbeats
            .last()
            .is_some_and(|beat| beat.draining && beat.leases.is_empty())
    );
    assert!(queen.failed.is_empty());
}

#[tokio::test]
async fn the_next_input_comes_while_the_engine_computes_and_no_more() {
    let hive = Hive::new().await;
    let bee = hive.start();
    let leases: Vec<_> = (1..=4).map(|seq| hive.lease(seq)).collect();
    let inputs: Vec<_> = leases.iter().map(|lease| lease.input.sha256).collect();
    for lease in leases {
        hive.submit(lease);
    }
    hive.queen
        .until("the second input", |queen| {
            queen.fetched.contains(&inputs[1])
        })
        .await;
    // Two places: one computes, one waits with its input. The others stay with the queen.
    hive.queen
        .until("two heartbeats later", |queen| {
            let both = |beat: &&swarm_types::api::Heartbeat| beat.leases.len() == 2;
            queen.heartbeats.iter().filter(both).count() >= 2
        })
        .await;
    assert_eq!(hive.queen.state().leased, [id(1), id(2)]);
    hive.gate.open();
    hive.queen
        .until("all four", |queen| queen.completed.len() == 4)
        .await;
    assert_eq!(hive.gate.most_inside.load(Ordering::SeqCst), 1);
    hive.stopped(bee).await;
}

#[tokio::test]
async fn a_lost_lease_is_dropped_and_the_next_job_taken() {
    let hive = Hive::new().await;
    let bee = hive.start();
    let lease = hive.lease(1);
    hive.submit(lease.clone());
    hive.queen
        .until("computing", |queen| {
            queen.progress.iter().any(|(_, p)| p.stage == "prepare")
        })
        .await;
    hive.queen.state().lost.push(lease.token.clone());
    hive.queen
        .until("dropped", |queen| {
            queen.lost.is_empty()
                && queen
                    .heartbeats
                    .last()
                    .is_some_and(|beat| beat.leases.is_empty())
        })
        .await;
    hive.gate.open();
    hive.submit(hive.lease(2));
    hive.queen
        .until("the next", |queen| queen.completed.len() == 1)
        .await;
    hive.stopped(bee).await;
    let queen = hive.queen.state();
    assert_eq!(queen.completed[0].0, id(2));
    assert!(queen.failed.is_empty());
}

#[tokio::test]
async fn a_queen_who_is_away_or_loses_answers_costs_nothing() {
    let hive = Hive::open().await;
    hive.queen.state().away = true;
    hive.queen.state().lose_completions = 6;
    let bee = hive.start();
    hive.submit(hive.lease(1));
    hive.queen.until("tries", |queen| queen.refused >= 2).await;
    assert!(hive.queen.state().registrations.is_empty());
    hive.queen.state().away = false;
    hive.queen
        .until("answered", |queen| queen.lose_completions == 0)
        .await;
    hive.stopped(bee).await;
    let queen = hive.queen.state();
    assert_eq!(queen.completed.len(), 1);
    assert!(queen.failed.is_empty());
}

#[tokio::test]
async fn a_restarted_bee_goes_on_with_its_leases() {
    let hive = Hive::open().await;
    let adopt: Vec<_> = (1..=3).map(|seq| hive.lease(seq)).collect();
    let tokens: Vec<_> = adopt.iter().map(|lease| lease.token.clone()).collect();
    hive.queen.state().adopt = adopt;
    let bee = hive.start();
    hive.queen
        .until("all three", |queen| queen.completed.len() == 3)
        .await;
    hive.stopped(bee).await;
    let queen = hive.queen.state();
    assert!(queen.leased.is_empty());
    // The first heartbeat renews all of them, also those that still wait for a place.
    let first = &queen.heartbeats[0];
    assert!(tokens.iter().all(|token| first.leases.contains(token)));
}

#[tokio::test]
async fn a_bee_works_when_it_is_approved_and_rests_when_the_operator_says() {
    let hive = Hive::open().await;
    hive.queen.state().approved = false;
    let bee = hive.start();
    hive.submit(hive.lease(1));
    hive.queen
        .until("heard", |queen| queen.heartbeats.len() >= 2)
        .await;
    assert!(hive.queen.state().leased.is_empty());
    hive.queen.state().approved = true;
    hive.queen
        .until("completed", |queen| queen.completed.len() == 1)
        .await;

    hive.queen.state().drain = true;
    // A poll that was open when the operator spoke may still bring a job; none follows it.
    hive.queen
        .until("drains", |queen| {
            queen.polling == 0 && queen.heartbeats.last().is_some_and(|beat| beat.draining)
        })
        .await;
    hive.submit(hive.lease(2));
    let beats = hive.queen.state().heartbeats.len();
    hive.queen
        .until("two beats later", |queen| {
            queen.heartbeats.len() >= beats + 2
        })
        .await;
    assert_eq!(hive.queen.state().leased, [id(1)]);
    hive.queen.state().drain = false;
    hive.queen
        .until("again", |queen| queen.completed.len() == 2)
        .await;
    hive.stopped(bee).await;
}

#[tokio::test]
async fn a_drain_finishes_what_the_bee_has_and_takes_nothing_new() {
    let hive = Hive::new().await;
    let bee = hive.start();
    hive.submit(hive.lease(1));
    hive.queen
        .until("computing", |queen| {
            queen.progress.iter().any(|(_, p)| p.stage == "prepare")
        })
        .await;
    hive.stop.cancel();
    hive.queen
        .until("says so", |queen| {
            queen.heartbeats.last().is_some_and(|beat| beat.draining)
        })
        .await;
    hive.submit(hive.lease(2));
    hive.gate.open();
    hive.stopped(bee).await;
    let queen = hive.queen.state();
    assert_eq!(
        queen
            .completed
            .iter()
            .map(|(job, _)| *job)
            .collect::<Vec<_>>(),
        [id(1)]
    );
    assert_eq!(queen.leased, [id(1)]);
    assert!(queen.failed.is_empty());
}

#[tokio::test]
async fn what_is_not_done_by_the_deadline_is_given_back() {
    let mut hive = Hive::new().await;
    hive.keys.config.drain_deadline = Duration::from_millis(100);
    let bee = hive.start();
    hive.submit(hive.lease(1));
    hive.queen
        .until("computing", |queen| {
            queen.progress.iter().any(|(_, p)| p.stage == "prepare")
        })
        .await;
    hive.stopped(bee).await;
    let queen = hive.queen.state();
    let (job, failed) = &queen.failed[0];
    assert_eq!((*job, failed.retryable), (id(1), true));
    assert!(queen.completed.is_empty());
    // Lets the thread end, which nothing waits for.
    hive.gate.open();
}

#[tokio::test]
async fn a_queen_with_another_memory_hears_of_the_bee_again() {
    let hive = Hive::open().await;
    let bee = hive.start();
    hive.queen
        .until("heard", |queen| !queen.heartbeats.is_empty())
        .await;
    {
        let mut queen = hive.queen.state();
        queen.registrations.clear();
        queen.heartbeats.clear();
    }
    hive.queen
        .until("heard again", |queen| !queen.heartbeats.is_empty())
        .await;
    assert_eq!(hive.queen.state().registrations.len(), 1);
    hive.stopped(bee).await;
}

#[tokio::test]
async fn a_wrong_configuration_names_every_field() {
    let mut hive = Hive::new().await;
    hive.keys.config.concurrency = 0;
    hive.keys.config.name.clear();
    let refused = Bee::with_runners(hive.keys.config.clone(), Vec::new());
    assert!(matches!(refused, Err(BeeError::Config(problems)) if problems.len() == 2));
}
