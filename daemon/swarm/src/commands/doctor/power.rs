//! The site's power: each source of queen.toml asked from here, and what the queen makes of them.

use swarm_host::doctor::Check;
use swarm_power::PowerConfig;
use swarm_power::meter::Sample;
use swarm_types::power::Quality;

use super::queen::Seen;

/// Each configured source, asked once.
pub(super) async fn sources(config: &PowerConfig) -> Vec<Check> {
    let probed = swarm_power::probe(config).await;
    let check = |source: swarm_power::Probed| {
        let name = format!("power.{}", source.name);
        let told = |sample: &Sample| format!("{} {:.0}", sample.metric, sample.value);
        let measured: Vec<_> = source.values.iter().map(told).collect();
        let measured = format!("{}: {}", source.kind, measured.join(", "));
        let next = format!(
            "look at the meter, the network to it, and the source '{}' in queen.toml",
            source.name
        );
        match (source.quality, source.reason) {
            (Quality::Good, _) => Check::ok(name, measured),
            (Quality::Unknown, why) => {
                Check::fail(name, why.unwrap_or_else(|| "nothing came".into()), next)
            }
            (_, why) => Check::warn(
                name,
                format!("{measured}; {}", why.unwrap_or_default()),
                next,
            ),
        }
    };
    probed.into_iter().map(check).collect()
}

/// Where the ladder stands, in the queen's words.
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
