//! Clocks that are ten minutes off.

use swarm_types::api::JobStatus;

use crate::rack::Rack;
use crate::rack::customer::now;
use crate::rack::signed::Request;

const TEN_MINUTES: i64 = 600;

/// Something that only a signed request may ask for.
fn private() -> String {
    format!("/api/v1/blobs/{}/status", "0".repeat(64))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_whose_clock_is_off_is_told_by_how_much_and_which_way() {
    let rack = Rack::start().await;
    for (off, way) in [(-TEN_MINUTES, "behind"), (TEN_MINUTES, "ahead of")] {
        let path = private();
        let mut request = Request::new("GET", &path, b"");
        request.timestamp = now().saturating_add_signed(off);
        let reply = rack.signed(&rack.keys.operator, &request).await;
        let (status, kind, field) = reply.problem();
        assert_eq!(
            (status, kind.as_str(), field.as_str()),
            (401, "clock-off", "swarm-timestamp")
        );
        let detail = reply.detail();
        let told = [600, 599, 601].map(|n| format!("your clock is {n} s {way} the queen's"));
        assert!(told.iter().any(|told| detail.contains(told)), "{detail}");
        assert!(detail.contains("set your clock"), "{detail}");
        // Her own is right, and she knows no reason to doubt it.
        assert!(!detail.contains("the queen's own clock"), "{detail}");
    }
    let job = rack.customer.order().await;
    assert_eq!(rack.customer.ended(job).await.status, JobStatus::Completed);
    rack.assert_sound(&[&rack.customer]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queen_whose_clock_is_off_says_so_everywhere_and_loses_nothing() {
    let mut rack = Rack::with(|plan| {
        plan.follow_chain_clock = false;
        plan.block_seconds = Some(1);
    })
    .await;
    rack.health_says("she has seen the chain", |h| h.status == "ok")
        .await;
    for (off, words) in [(-TEN_MINUTES, "behind"), (TEN_MINUTES, "ahead")] {
        let job = rack.customer.order().await;
        rack.queen.kill();
        rack.set_queens_clock(off);
        rack.queen.start();
        let health = rack
            .health_says("her clock is off", |h| {
                h.notes.iter().any(|note| note.contains("clock"))
            })
            .await;
        assert_eq!(health.status, "degraded");
        let note = health
            .notes
            .iter()
            .find(|note| note.contains("clock"))
            .expect("a note");
        assert!(note.contains(words), "{note}");
        rack.queen.says(note).await;
        // Who is right is refused, and told that it may be the queen who is wrong.
        let path = private();
        let request = Request::new("GET", &path, b"");
        let reply = rack.signed(&rack.keys.operator, &request).await;
        let (status, kind, field) = reply.problem();
        assert_eq!(
            (status, kind.as_str(), field.as_str()),
            (401, "clock-off", "swarm-timestamp")
        );
        assert!(reply.detail().contains(note.as_str()), "{}", reply.detail());
        // Nothing is dated by such a clock: no seal is made.
        let mut request = Request::new("POST", "/api/v1/epochs/seal", b"");
        request.timestamp = now().saturating_add_signed(off);
        let reply = rack.signed(&rack.keys.operator, &request).await;
        assert_eq!(reply.status, 409, "{}", reply.text());
        assert!(reply.detail().contains("clock"), "{}", reply.detail());
        rack.queen.kill();
        rack.queen.env.clear();
        rack.queen.start();
        assert_eq!(rack.customer.ended(job).await.status, JobStatus::Completed);
        rack.health_says("her clock is right again", |h| h.status == "ok")
            .await;
    }
    rack.assert_sound(&[&rack.customer]).await;
}
