//! Leases: long-polls, strategies, `why`, drain, and what a bee gets back after its restart.

use swarm_queen::Strategy;
use swarm_types::api::*;

use crate::rig::Rig;

#[tokio::test]
async fn a_waiting_poll_gets_the_job_that_comes() {
    let rig = Rig::start().await;
    let bee = rig.bee("bee-01").await;
    assert!(bee.poll(0).await.is_none());
    let client = rig.as_client(&rig.client);
    let request = rig.order(b"a scan").await;
    // Whether the poll waits already or comes after, it gets the job.
    let (lease, job) = tokio::join!(bee.poll(30), client.submit(&request));
    let (lease, job) = (lease.expect("work"), job.expect("accepted"));
    assert_eq!(lease.job_id, job.job_id);
    assert_eq!((lease.attempt, lease.salt), (1, request.salt));
    assert!(bee.poll(0).await.is_none(), "it is busy");

    let answer = bee
        .beat(true, false, vec![lease.token.clone(), "77".into()])
        .await;
    assert_eq!(answer.lost, ["77"]);
    let failed = FailJob {
        token: lease.token.clone(),
        reason: "the engine broke".into(),
        retryable: true,
    };
    bee.queen
        .fail(lease.job_id, &failed)
        .await
        .expect("given back");
    let again = bee.poll(5).await.expect("the job again");
    assert_eq!((again.job_id, again.attempt), (lease.job_id, 2));
    let answer = bee.beat(true, false, vec![lease.token]).await;
    assert_eq!(answer.lost.len(), 1, "the first lease is no more");
    rig.handle.shutdown().await;
}

/// Two bees with places for two jobs each, both without work; two jobs at once.
async fn two_jobs_go_to_two_bees(strategy: Strategy) {
    let rig = Rig::with(|config| config.rails.strategy = strategy).await;
    let bees = [rig.bee("bee-01").await, rig.bee("bee-02").await];
    for (bee, name) in bees.iter().zip(["bee-01", "bee-02"]) {
        rig.register_with(bee, name, 2).await;
        bee.beat(true, false, Vec::new()).await;
    }
    let client = rig.as_client(&rig.client);
    let [first, second] = [rig.order(b"one").await, rig.order(b"two").await];
    client.submit(&first).await.expect("accepted");
    let held = bees[0].poll(5).await.expect("work");
    // The first bee, which has a job, asks for the next one too, while the other one waits.
    let (other, ahead) = tokio::join!(bees[1].poll(5), async {
        client.submit(&second).await.expect("accepted");
        bees[0].poll(0).await
    });
    assert_eq!(ahead, None, "{strategy:?}: it has work, the other has none");
    let other = other.expect("the job for the bee without work");
    assert_ne!(held.job_id, other.job_id);

    // When no bee is without work, a bee may fetch ahead.
    let third = rig.order(b"three").await;
    client.submit(&third).await.expect("accepted");
    assert!(bees[0].poll(5).await.is_some(), "{strategy:?}");
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn a_bee_without_work_goes_first_by_every_strategy() {
    two_jobs_go_to_two_bees(Strategy::RoundRobin).await;
    two_jobs_go_to_two_bees(Strategy::LeastBusy).await;
    two_jobs_go_to_two_bees(Strategy::Weighted).await;
    two_jobs_go_to_two_bees(Strategy::Random).await;
}

#[tokio::test]
async fn a_bee_with_work_gets_the_job_when_the_one_without_does_not_ask() {
    let rig = Rig::start().await;
    let busy = rig.bee("busy").await;
    let _silent = rig.bee("silent").await;
    rig.register_with(&busy, "busy", 2).await;
    busy.beat(true, false, Vec::new()).await;
    let client = rig.as_client(&rig.client);
    for content in [b"one", b"two"] {
        client
            .submit(&rig.order(content).await)
            .await
            .expect("accepted");
        assert!(busy.poll(5).await.is_some());
    }
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn why_names_each_bees_reason() {
    let rig = Rig::start().await;
    let able = rig.bee("able").await;
    let draining = rig.bee("draining").await;
    let unready = rig.bee("unready").await;
    let client = rig.as_client(&rig.client);
    let request = rig.order(b"a scan").await;
    let late = rig.bee("late").await;
    let stranger = rig.stranger("stranger").await;
    draining.beat(true, true, Vec::new()).await;
    unready.beat(false, false, Vec::new()).await;
    let job = client.submit(&request).await.expect("accepted");
    let why = client.why(job.job_id).await.expect("reasons");
    let code = |worker| {
        let bee = why.bees.iter().find(|bee| bee.worker == worker);
        bee.map(|bee| bee.code.as_str())
    };
    assert_eq!(code(able.key.address()), Some("eligible"));
    assert_eq!(code(draining.key.address()), Some("draining"));
    assert_eq!(code(unready.key.address()), Some("not-ready"));
    assert_eq!(code(stranger.key.address()), Some("not-approved"));
    assert!(code(late.key.address()).is_some());
    assert_eq!(why.moves_on_at, Some(request.order.deadline));

    assert!(draining.poll(0).await.is_none());
    assert!(unready.poll(0).await.is_none());
    let body = br#"{"wait_seconds":0}"#;
    let refused = rig
        .signed(&stranger.key, "POST", "/api/v1/workers/lease", body)
        .await;
    assert_eq!(refused.problem().1, "not-approved");
    let unknown = rig
        .signed(&rig.client, "POST", "/api/v1/workers/lease", body)
        .await;
    assert_eq!(unknown.problem().1, "not-registered");
    let long = rig
        .signed(
            &able.key,
            "POST",
            "/api/v1/workers/lease",
            br#"{"wait_seconds":31}"#,
        )
        .await;
    assert_eq!(
        long.problem(),
        (422, "out-of-range".into(), "wait_seconds".into())
    );

    unready.beat(true, false, Vec::new()).await;
    let lease = unready.poll(5).await.expect("ready again");
    assert_eq!(lease.job_id, job.job_id);
    let claimed = client.why(job.job_id).await.expect("reasons");
    assert_eq!(claimed.status, JobStatus::Claimed);
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn an_operator_drains_a_bee_and_a_code_lets_one_join() {
    let rig = Rig::start().await;
    let bee = rig.bee("bee-01").await;
    let operator = rig.as_client(&rig.operator);
    let shown = operator
        .drain(bee.key.address(), true)
        .await
        .expect("drained");
    assert_eq!(shown.status, "draining");
    assert!(bee.beat(true, false, Vec::new()).await.drain);
    operator
        .drain(bee.key.address(), false)
        .await
        .expect("works again");
    assert!(!bee.beat(true, false, Vec::new()).await.drain);

    let code = operator.join_code().await.expect("a code");
    let joiner = rig.stranger("joiner").await;
    let workers = operator.workers().await.expect("workers");
    let known = workers
        .iter()
        .find(|w| w.worker == joiner.key.address())
        .expect("registered");
    assert_eq!(known.approval, Approval::Waiting);
    let recipient = joiner.identity.recipient().to_string();
    use alloy::signers::SignerSync;
    let signature = joiner
        .key
        .sign_message_sync(recipient_message(&recipient).as_bytes());
    let payee = swarm_types::Address::repeat_byte(0xcc);
    let registration = RegisterWorker {
        name: "joiner".into(),
        recipient,
        recipient_signature: signature.expect("signs").into(),
        device: known.device.clone(),
        models: known.models.clone(),
        engines: known.engines.clone(),
        concurrency: 1,
        version: "0.1.0".into(),
        join_code: Some(code.code.clone()),
        payee: Some(payee),
    };
    let joined = joiner.queen.register(&registration).await.expect("joined");
    assert_eq!(
        (joined.approval, joined.payee),
        (Approval::Approved, Some(payee))
    );
    let again = joiner
        .queen
        .register(&registration)
        .await
        .expect("a restart brings the code again");
    assert_eq!(again.payee, Some(payee));
    let thief = rig.stranger("thief").await;
    let mut stolen = registration.clone();
    stolen.recipient = thief.identity.recipient().to_string();
    let signature = thief
        .key
        .sign_message_sync(recipient_message(&stolen.recipient).as_bytes());
    stolen.recipient_signature = signature.expect("signs").into();
    let error = thief
        .queen
        .register(&stolen)
        .await
        .expect_err("a code counts once");
    assert_eq!(error.status(), Some(403));
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn a_restarted_queen_and_a_restarted_bee_go_on_where_they_were() {
    let rig = Rig::start().await;
    let bee = rig.bee("bee-01").await;
    let client = rig.as_client(&rig.client);
    client
        .submit(&rig.order(b"a scan").await)
        .await
        .expect("accepted");
    let lease = bee.poll(5).await.expect("work");
    let rig = rig.restart().await;
    let bee = rig.meet_again(bee);
    let registered = rig.register(&bee, "bee-01").await;
    assert_eq!(registered.approval, Approval::Approved);
    assert_eq!(registered.leases.len(), 1);
    assert_eq!(registered.leases[0].token, lease.token);
    let done = bee.work(&lease).await;
    let job = bee
        .queen
        .complete(lease.job_id, &done)
        .await
        .expect("completed");
    assert_eq!(job.status, JobStatus::Completed);
    rig.handle.shutdown().await;
}
