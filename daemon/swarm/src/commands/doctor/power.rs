//! The site's power, as the queen knows it. Sources that this box reads by itself register their checks here.

use swarm_host::doctor::Check;
use swarm_types::power::Quality;

use super::queen::Seen;

/// The power sources and where the ladder stands.
pub(super) fn checks(seen: &Seen) -> Vec<Check> {
    let name = "power";
    let next = "connect a meter in queen.toml; until then nothing is held back and every receipt says unknown";
    let Seen::Here(answers) = seen else {
        return Vec::new();
    };
    let Some(power) = &answers.power else {
        return vec![Check::unknown(
            name,
            "the queen says nothing about power",
            next,
        )];
    };
    let ladder = &power.ladder;
    let reason = format!("{}: {}", ladder.state, ladder.reason);
    let readings =
        [power.solar, power.battery, power.load, power.grid].map(|reading| reading.quality);
    let charge = power.battery_percent.quality;
    let qualities = readings.iter().chain([&charge]);
    vec![
        if qualities.clone().any(|quality| *quality == Quality::Stale) {
            let next = "look at the meter that stopped: its last value is not used";
            Check::warn(
                name,
                format!("{reason}; a reading is older than it should be"),
                next,
            )
        } else if qualities
            .clone()
            .all(|quality| *quality == Quality::Unknown)
        {
            Check::unknown(name, reason, next)
        } else if ladder.state == "critical" {
            Check::warn(
                name,
                reason,
                "the box shuts down when the reserve is reached",
            )
        } else {
            Check::ok(name, reason)
        },
    ]
}
