//! The queen as this box sees her: whether she answers, how she is, and what time she has.

use swarm_client::{QueenClient, Tls};
use swarm_host::doctor::Check;
use swarm_types::api::{Health, Info, SitePower};

use super::Files;
use crate::session::Session;

/// Clocks that differ by more make the queen refuse signatures (5 minutes), or soon will.
pub(super) const SKEW_FAIL_SECONDS: u64 = 240;
/// Clocks that differ by more are not kept right by anybody.
pub(super) const SKEW_WARN_SECONDS: u64 = 5;

/// What she answered.
pub(super) enum Seen {
    /// No queen is configured, or there is no way to know her certificate; the reason.
    Nobody(String),
    /// She does not answer; why.
    Away { url: String, why: String },
    /// She answers.
    Here(Box<Answers>),
}

/// Her answers.
pub(super) struct Answers {
    pub url: String,
    pub info: Info,
    pub health: Option<Health>,
    pub power: Option<SitePower>,
}

/// Asks the queen that the options, a configuration of a bee, or her own configuration name.
pub(super) async fn ask(session: &Session, files: &Files) -> Seen {
    let queen = match client(session, files) {
        Ok(queen) => queen,
        Err(why) => return Seen::Nobody(why),
    };
    let url = queen.base_url().to_owned();
    match queen.info().await {
        Ok(info) => Seen::Here(Box::new(Answers {
            url,
            info,
            health: queen.health().await.ok(),
            power: queen.power().await.ok(),
        })),
        Err(error) => Seen::Away {
            url,
            why: format!("{:#}", anyhow::Error::new(error)),
        },
    }
}

/// A client of the queen of this box.
pub fn client(session: &Session, files: &Files) -> Result<QueenClient, String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    if session.has_queen() {
        return session.queen().map_err(|error| said(&error));
    }
    if let Some(queen) = &files.queen
        && !queen.queen.speaks_tls()
    {
        let port = queen.queen.listen.address.port();
        let url = format!("http://127.0.0.1:{port}");
        return QueenClient::new(&url, Tls::Plain, None).map_err(|error| said(&error));
    }
    if let Some(bee) = files.bees.first() {
        let tls = bee.tls().map_err(|error| said(&error))?;
        return QueenClient::new(&bee.queen, tls, None).map_err(|error| said(&error));
    }
    Err(
        "no queen is named: give --queen (and --fingerprint, which she logs when she starts)"
            .into(),
    )
}

/// `on_this_box`: whether she runs here, so that her silence is this box's fault.
pub(super) fn checks(seen: &Seen, on_this_box: bool, now: u64) -> Vec<Check> {
    let answers = match seen {
        Seen::Nobody(why) => {
            let next = "give --queen URL to check the way to her";
            return vec![Check::unknown("queen", why, next)];
        }
        Seen::Away { url, why } => {
            let reason = format!("{url} does not answer: {why}");
            let next = "on her box look at `systemctl status swarm-queen`; here at the network and the address";
            let check = Check::fail("queen", reason, next);
            return vec![if on_this_box { check.gating() } else { check }];
        }
        Seen::Here(answers) => answers,
    };
    let Info { name, version, .. } = &answers.info;
    let mut checks = vec![
        Check::ok(
            "queen",
            format!("{name} answers at {}, version {version}", answers.url),
        )
        .gating(),
    ];
    checks.push(skew("clock.queen", "the queen", answers.info.now, now));
    checks.push(match &answers.health {
        Some(health) if health.status == "ok" => Check::ok(
            "queen.health",
            format!("ok, {} bees online", health.bees_online),
        ),
        Some(health) => {
            let mut notes = health.notes.clone();
            if health.chain != "ok" {
                notes.insert(0, format!("chain: {}", health.chain));
            }
            Check::warn(
                "queen.health",
                notes.join("; "),
                "each note says what waits for a person",
            )
        }
        None => Check::unknown(
            "queen.health",
            "she does not say how she is",
            "look at her log",
        ),
    });
    checks
}

/// How far another clock is from this one.
pub(super) fn skew(name: &str, whose: &str, theirs: u64, now: u64) -> Check {
    let off = theirs.abs_diff(now);
    let direction = if theirs > now { "ahead of" } else { "behind" };
    let next = "set the clock and keep it right (`timedatectl set-ntp true`), on the box whose clock is wrong: compare both with a third";
    let reason = match off {
        0..=1 => format!("{whose} and this box agree"),
        _ => format!("{whose} is {off} s {direction} this box"),
    };
    match off {
        off if off > SKEW_FAIL_SECONDS => Check::fail(name, reason, next),
        off if off > SKEW_WARN_SECONDS => Check::warn(name, reason, next),
        _ => Check::ok(name, reason),
    }
    .gating()
}
