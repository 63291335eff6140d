//! Several jobs in one request: leased together, completed together, each judged by itself.

use swarm_types::api::*;

use crate::rig::Rig;

#[tokio::test]
async fn several_jobs_are_leased_and_completed_at_once_and_each_is_judged_by_itself() {
    let rig = Rig::start().await;
    let bee = rig.bee("bee-01").await;
    rig.register_with(&bee, "bee-01", 4).await;
    bee.beat(true, false, Vec::new()).await;
    let client = rig.as_client(&rig.client);
    let mut submitted = Vec::new();
    for content in [b"one", b"two", b"six"] {
        let order = rig.order(content).await;
        submitted.push(client.submit(&order).await.expect("accepted").job_id);
    }
    let leases = bee.poll_many(5, 8).await;
    let leased: Vec<_> = leases.iter().map(|lease| lease.job_id).collect();
    assert_eq!(leased, submitted, "all of them, the oldest first");
    assert!(bee.poll_many(0, 8).await.is_empty());

    let mut done = Vec::new();
    for lease in &leases {
        done.push(bee.work(lease).await);
    }
    let mut wrong = done.clone();
    wrong[1].token = "7".into();
    wrong[2].engine = "another".into();
    let request = CompleteJobs { jobs: wrong };
    let answers = bee.queen.complete_all(&request).await.expect("judged").jobs;
    let named: Vec<_> = answers.iter().map(|one| one.job_id).collect();
    assert_eq!(named, submitted, "in the order of the request");
    let first = answers[0].job.clone().expect("completed");
    assert_eq!(first.status, JobStatus::Completed);
    assert_eq!(first, client.job(submitted[0]).await.expect("shown"));
    let problem = |one: &Completion| {
        let problem = one.problem.clone().expect("a problem");
        (problem.status, problem.field.unwrap_or_default())
    };
    assert_eq!(problem(&answers[1]), (409, "token".into()));
    assert_eq!(problem(&answers[2]), (422, "engine".into()));

    // All of them again: the one that was completed gets its first answer, the others are done now.
    let request = CompleteJobs { jobs: done.clone() };
    let answers = bee.queen.complete_all(&request).await.expect("judged").jobs;
    assert_eq!(answers[0].job.as_ref(), Some(&first));
    for one in &answers {
        let job = one.job.as_ref().expect("completed");
        assert_eq!((job.status, &one.problem), (JobStatus::Completed, &None));
        assert_eq!(*job, client.job(one.job_id).await.expect("shown"));
    }
    // One twice in a request is charged once.
    let twice = vec![done[1].clone(), done[1].clone()];
    let request = CompleteJobs { jobs: twice };
    let answers = bee.queen.complete_all(&request).await.expect("judged").jobs;
    assert_eq!(answers[0], answers[1]);
    let balance = client.balance(&rig.client.address().to_string()).await;
    let balance = balance.expect("a balance");
    assert_eq!((balance.unsettled.0, balance.reserved.0), (300_000, 0));
    assert_eq!(rig.handle.ledger.check().await.expect("checked"), []);
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn bees_without_work_share_what_is_pending() {
    let rig = Rig::start().await;
    let bees = [rig.bee("bee-01").await, rig.bee("bee-02").await];
    for (bee, name) in bees.iter().zip(["bee-01", "bee-02"]) {
        rig.register_with(bee, name, 8).await;
        bee.beat(true, false, Vec::new()).await;
    }
    let client = rig.as_client(&rig.client);
    for content in [b"one", b"two", b"six", b"ten"] {
        let order = rig.order(content).await;
        client.submit(&order).await.expect("accepted");
    }
    assert_eq!(bees[0].poll_many(5, 8).await.len(), 2);
    assert_eq!(bees[1].poll_many(5, 8).await.len(), 2);
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn a_number_of_jobs_out_of_range_is_refused() {
    let rig = Rig::start().await;
    let bee = rig.bee("bee-01").await;
    for jobs_max in [0, JOBS_AT_ONCE_MAX + 1] {
        let body = format!(r#"{{"wait_seconds":0,"jobs_max":{jobs_max}}}"#);
        let path = "/api/v1/workers/lease";
        let refused = rig.signed(&bee.key, "POST", path, body.as_bytes()).await;
        let (status, kind, field) = refused.problem();
        assert_eq!(
            (status, kind.as_str(), field.as_str()),
            (422, "out-of-range", "jobs_max")
        );
    }
    let path = "/api/v1/workers/complete";
    let refused = rig.signed(&bee.key, "POST", path, br#"{"jobs":[]}"#).await;
    assert_eq!(
        refused.problem(),
        (422, "out-of-range".into(), "jobs".into())
    );
    rig.handle.shutdown().await;
}
