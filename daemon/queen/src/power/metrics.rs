//! The site's power for Prometheus.

use swarm_host::exposition::{Exposition, Kind, labels};
use swarm_types::api::{PowerSource, SitePower};

/// Flows, charge, the ladder and the meters' failures. What nobody knows has no line.
pub fn text(site: &SitePower) -> String {
    let mut out = Exposition::default();
    let flows = [
        ("solar", site.solar),
        ("battery", site.battery),
        ("load", site.load),
        ("grid", site.grid),
    ];
    let known = flows.iter().filter_map(|(flow, reading)| {
        let watts = reading.watts?;
        Some((labels(&[("flow", flow)]), watts))
    });
    out.family(
        "swarm_power_watts",
        Kind::Gauge,
        "Watts from the sun, of the battery and the grid (negative: into them), and of all that the site uses.",
        known,
    );
    let charge = site.battery_percent.percent;
    out.single(
        "swarm_battery_charge_percent",
        Kind::Gauge,
        "Charge of the battery, 0 to 100.",
        charge,
    );
    let ladder = site.ladder.since.map(|_| {
        let state = labels(&[("state", &site.ladder.state)]);
        (state, 1)
    });
    out.family(
        "swarm_power_ladder",
        Kind::Gauge,
        "1 for the state in which the power ladder stands.",
        ladder,
    );
    let sources = |count: fn(&PowerSource) -> u64| {
        let line = move |source: &PowerSource| {
            let of = [("source", &*source.name), ("kind", &*source.kind)];
            (labels(&of), count(source))
        };
        site.sources.iter().map(line).collect::<Vec<_>>()
    };
    out.family(
        "swarm_power_source_failures_total",
        Kind::Counter,
        "Questions that a meter did not answer.",
        sources(|source| source.failed),
    );
    out.family(
        "swarm_power_source_refused_total",
        Kind::Counter,
        "Readings that were not believed.",
        sources(|source| source.refused),
    );
    out.into_text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_knows_has_no_line() {
        assert_eq!(text(&SitePower::unknown()), "");
        let mut site = SitePower::unknown();
        site.grid.watts = Some(-120);
        site.battery_percent.percent = Some(0);
        let text = text(&site);
        assert!(text.contains("swarm_power_watts{flow=\"grid\"} -120\n"));
        assert!(text.contains("swarm_battery_charge_percent 0\n"));
        assert!(
            !text.contains("solar\"") && !text.contains("ladder"),
            "{text}"
        );
    }
}
