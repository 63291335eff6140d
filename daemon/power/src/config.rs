//! The `[power]` section: unknown keys are refused, durations carry a unit, every error is reported at once and
//! names its key.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use swarm_types::Address;

use crate::Span;
use crate::meter::{Metric, Rules};
use crate::policy::PolicyConfig;
use crate::wol::Mac;

/// Sources of one site.
const SOURCES_MAX: usize = 32;
/// Nodes, and outlets for them.
const NODES_MAX: usize = 256;
/// Bytes of a name.
const NAME_BYTES_MAX: usize = 64;
/// Shortest time between reads.
const INTERVAL_MIN: Duration = Duration::from_secs(1);
/// Longest time between reads.
const INTERVAL_MAX: Duration = Duration::from_secs(600);
/// Most intervals after which a reading is gone.
const INTERVALS_MAX: u32 = 1_000;
/// Largest power that may be believed: a gigawatt is a power station.
const WATTS_MAX: u32 = 1_000_000_000;

/// Where the rack's energy comes from, and what is done about it. Without a source nothing is known and nothing
/// is held back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PowerConfig {
    /// There is no grid: its power is 0 by construction, not by measurement.
    pub off_grid: bool,
    /// Meters. Solar power of several is added up; of everything else the first that knows it counts.
    #[serde(rename = "source")]
    pub sources: Vec<SourceConfig>,
    /// The ladder.
    pub policy: PolicyConfig,
    /// Switched outlets.
    #[serde(rename = "pdu")]
    pub pdus: Vec<PduConfig>,
    /// Machines with their bees.
    #[serde(rename = "node")]
    pub nodes: Vec<NodeConfig>,
}

/// How a source is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// SunSpec models over Modbus TCP.
    Sunspec,
    /// A Victron GX over Modbus TCP.
    VictronModbus,
    /// A Victron GX over MQTT.
    VictronMqtt,
    /// A UPS behind a NUT server.
    Nut,
    /// A recorded day in a CSV file, for simulation.
    Replay,
}

impl Kind {
    /// As it stands in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sunspec => "sunspec",
            Self::VictronModbus => "victron_modbus",
            Self::VictronMqtt => "victron_mqtt",
            Self::Nut => "nut",
            Self::Replay => "replay",
        }
    }

    fn port(self) -> Option<u16> {
        match self {
            Self::Sunspec | Self::VictronModbus => Some(502),
            Self::VictronMqtt => Some(1_883),
            Self::Nut => Some(3_493),
            Self::Replay => None,
        }
    }

    fn measures(self) -> &'static [Metric] {
        use Metric::*;
        match self {
            Self::Sunspec => &[Solar],
            Self::VictronModbus | Self::VictronMqtt => &[Solar, Battery, Load, Grid, Charge],
            Self::Nut => &[Charge, OnBattery, LowBattery],
            Self::Replay => &[Solar, Battery, Load, Grid, Charge],
        }
    }
}

fn interval() -> Span {
    Span::seconds(10)
}

fn timeout() -> Span {
    Span::seconds(5)
}

fn stale_intervals() -> u32 {
    3
}

fn unknown_intervals() -> u32 {
    12
}

fn watts_max() -> u32 {
    1_000_000
}

/// One meter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// Name for people.
    pub name: String,
    /// How it is spoken to.
    pub kind: Kind,
    /// `host` or `host:port`; of every kind but `replay`.
    #[serde(default)]
    pub address: Option<String>,
    /// Modbus unit; 1 for `sunspec` and 100 for `victron_modbus` when absent.
    #[serde(default)]
    pub unit: Option<u8>,
    /// Portal id of a GX, of `victron_mqtt`.
    #[serde(default)]
    pub portal_id: Option<String>,
    /// Name of the UPS at its server, of `nut`.
    #[serde(default)]
    pub ups: Option<String>,
    /// The CSV file, of `replay`.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// What it measures. By itself: a SunSpec device its sun, a GX everything, a UPS its battery.
    #[serde(default)]
    pub measures: Option<BTreeSet<Metric>>,
    /// Values whose sign is the other way round on this device.
    #[serde(default)]
    pub invert: BTreeSet<Metric>,
    /// Time between reads.
    #[serde(default = "interval")]
    pub interval: Span,
    /// Time in which an answer must be there.
    #[serde(default = "timeout")]
    pub timeout: Span,
    /// A reading is stale after so many intervals.
    #[serde(default = "stale_intervals")]
    pub stale_intervals: u32,
    /// A reading is gone after so many intervals.
    #[serde(default = "unknown_intervals")]
    pub unknown_intervals: u32,
    /// Largest power that is believed, watts.
    #[serde(default = "watts_max")]
    pub watts_max: u32,
    /// A reading other than 0 that did not change for so long is no reading any more.
    #[serde(default)]
    pub frozen_after: Option<Span>,
}

impl SourceConfig {
    /// What it measures.
    pub fn measures(&self) -> BTreeSet<Metric> {
        let by_kind = || self.kind.measures().iter().copied().collect();
        self.measures.clone().unwrap_or_else(by_kind)
    }

    /// How its readings grow old.
    pub fn rules(&self) -> Rules {
        Rules {
            interval: self.interval.0,
            stale_intervals: self.stale_intervals,
            unknown_intervals: self.unknown_intervals,
            watts_max: f64::from(self.watts_max),
            frozen_after: self.frozen_after.map(|span| span.0),
        }
    }

    /// Host and port; `None` for a recorded day.
    pub fn endpoint(&self) -> Option<(String, u16)> {
        let address = self.address.as_ref()?;
        let split = address.rsplit_once(':').filter(|(host, _)| {
            // A bare IPv6 address has colons of its own.
            !host.contains(':') || host.ends_with(']')
        });
        let with_port = split.and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port) = with_port.or(Some((address.as_str(), self.kind.port()?)))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        (!host.is_empty()).then(|| (host.to_owned(), port))
    }

    fn check(&self, at: &str, refuse: &mut dyn FnMut(bool, String)) {
        let kind = self.kind.name();
        let mut needs = |key: &str, given: bool, wanted: bool| {
            let text = match wanted {
                true => format!("{at}.{key}: a source of kind {kind} needs it"),
                false => format!("{at}.{key}: a source of kind {kind} has none"),
            };
            refuse(given != wanted, text);
        };
        let replay = self.kind == Kind::Replay;
        needs("address", self.address.is_some(), !replay);
        needs("file", self.file.is_some(), replay);
        needs("ups", self.ups.is_some(), self.kind == Kind::Nut);
        let mqtt = self.kind == Kind::VictronMqtt;
        needs("portal_id", self.portal_id.is_some(), mqtt);
        let modbus = matches!(self.kind, Kind::Sunspec | Kind::VictronModbus);
        refuse(
            self.unit.is_some() && !modbus,
            format!("{at}.unit: a source of kind {kind} has none"),
        );
        refuse(
            !replay && self.address.is_some() && self.endpoint().is_none(),
            format!("{at}.address: must be a host or host:port"),
        );
        let word = |text: &Option<String>| {
            text.as_ref().is_none_or(|text| {
                let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
                (1..=NAME_BYTES_MAX).contains(&text.len()) && text.chars().all(plain)
            })
        };
        refuse(
            !word(&self.ups),
            format!("{at}.ups: must be 1 to 64 letters, digits, '-', '_' or '.'"),
        );
        refuse(
            !word(&self.portal_id),
            format!("{at}.portal_id: must be 1 to 64 letters, digits, '-', '_' or '.'"),
        );
        refuse(
            self.measures.as_ref().is_some_and(BTreeSet::is_empty),
            format!("{at}.measures: name at least one"),
        );
        refuse(
            !(INTERVAL_MIN..=INTERVAL_MAX).contains(&self.interval.0),
            format!("{at}.interval: must be 1s to 10m"),
        );
        refuse(
            self.timeout.0.is_zero() || self.timeout.0 > INTERVAL_MAX,
            format!("{at}.timeout: must be at most 10m and not 0"),
        );
        refuse(
            self.stale_intervals == 0
                || self.unknown_intervals <= self.stale_intervals
                || self.unknown_intervals > INTERVALS_MAX,
            format!(
                "{at}.stale_intervals and unknown_intervals: must be above 0, the second above the first and at most {INTERVALS_MAX}"
            ),
        );
        refuse(
            !(1..=WATTS_MAX).contains(&self.watts_max),
            format!("{at}.watts_max: must be 1 to {WATTS_MAX}"),
        );
        refuse(
            self.frozen_after
                .is_some_and(|span| span.0 <= self.interval.0),
            format!("{at}.frozen_after: must be above interval"),
        );
    }
}

fn outlet_oid() -> String {
    "1.3.6.1.4.1.318.1.1.4.4.2.1.3".into()
}

fn one() -> u32 {
    1
}

fn two() -> u32 {
    2
}

/// A switched PDU that speaks SNMP 2c.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PduConfig {
    /// Name for nodes.
    pub name: String,
    /// `host:port`; the port is 161 when absent.
    pub address: String,
    /// File with the community that may write.
    pub community_file: PathBuf,
    /// Column of the outlets' switches; the outlet's number follows. By itself APC's `sPDUOutletCtl`.
    #[serde(default = "outlet_oid")]
    pub outlet_oid: String,
    /// The value that switches on.
    #[serde(default = "one")]
    pub on: u32,
    /// The value that switches off.
    #[serde(default = "two")]
    pub off: u32,
}

/// An outlet of a PDU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outlet {
    /// Which PDU.
    pub pdu: String,
    /// Number of the outlet on it.
    pub number: u32,
}

/// A machine of the rack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// Name for people.
    pub name: String,
    /// Keys of the bees on it.
    pub bees: Vec<Address>,
    /// Its bees take work only on surplus.
    #[serde(default)]
    pub surplus_only: bool,
    /// Network card that a magic packet wakes.
    #[serde(default)]
    pub mac: Option<Mac>,
    /// Its outlet.
    #[serde(default)]
    pub outlet: Option<Outlet>,
}

impl PowerConfig {
    /// Whether anything is to be read.
    pub fn is_on(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Every error, each naming its key below `power`.
    pub fn problems(&self) -> Vec<String> {
        let mut errors = Vec::new();
        let mut refuse = |wrong: bool, text: String| {
            if wrong {
                errors.push(text);
            }
        };
        refuse(
            self.sources.len() > SOURCES_MAX,
            format!("power.source: at most {SOURCES_MAX}"),
        );
        refuse(
            self.nodes.len() > NODES_MAX || self.pdus.len() > NODES_MAX,
            format!("power.node and power.pdu: at most {NODES_MAX} each"),
        );
        names(
            "source",
            self.sources.iter().map(|s| s.name.as_str()),
            &mut refuse,
        );
        names(
            "pdu",
            self.pdus.iter().map(|p| p.name.as_str()),
            &mut refuse,
        );
        names(
            "node",
            self.nodes.iter().map(|n| n.name.as_str()),
            &mut refuse,
        );
        for source in &self.sources {
            source.check(&format!("power.source '{}'", source.name), &mut refuse);
        }
        for pdu in &self.pdus {
            let at = format!("power.pdu '{}'", pdu.name);
            refuse(
                crate::pdu::parse_oid(&pdu.outlet_oid).is_none(),
                format!("{at}.outlet_oid: must be numbers with dots between them"),
            );
            refuse(
                pdu.on == pdu.off,
                format!("{at}.on and off: must be different"),
            );
        }
        let mut bees = BTreeSet::new();
        for node in &self.nodes {
            let at = format!("power.node '{}'", node.name);
            for bee in &node.bees {
                refuse(
                    !bees.insert(*bee),
                    format!("{at}.bees: {bee} stands there twice or on another node too"),
                );
            }
            if let Some(outlet) = &node.outlet {
                refuse(
                    !self.pdus.iter().any(|pdu| pdu.name == outlet.pdu),
                    format!("{at}.outlet.pdu: there is no power.pdu '{}'", outlet.pdu),
                );
            }
        }
        refuse(
            !self.is_on() && !self.nodes.is_empty(),
            "power.node: nodes follow the ladder, which needs a power.source".into(),
        );
        self.policy.check(&mut refuse);
        errors
    }
}

fn names<'a>(
    what: &str,
    names: impl Iterator<Item = &'a str>,
    refuse: &mut dyn FnMut(bool, String),
) {
    let mut seen = BTreeSet::new();
    for name in names {
        let bad = name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(char::is_control);
        refuse(
            bad,
            format!("power.{what} '{name}'.name: must be 1 to 64 bytes without control characters"),
        );
        refuse(
            !seen.insert(name),
            format!("power.{what} '{name}'.name: stands there twice"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = r#"
        [[source]]
        name = "gx"
        kind = "victron_mqtt"
        address = "192.0.2.7"
        portal_id = "c0619ab1"

        [[source]]
        name = "roof"
        kind = "sunspec"
        address = "192.0.2.8:1502"
        interval = "5s"

        [policy]
        reserve_percent = 20
        quiet_hours = [{ from = "22:00", to = "06:30" }]
        utc_offset = "+02:00"

        [[pdu]]
        name = "left"
        address = "192.0.2.9"
        community_file = "community"

        [[node]]
        name = "rack-1"
        bees = ["0x00000000000000000000000000000000000000aa"]
        mac = "52:54:00:12:34:56"
        outlet = { pdu = "left", number = 3 }
    "#;

    fn problems(change: impl Fn(&mut PowerConfig)) -> Vec<String> {
        let mut config: PowerConfig = toml::from_str(SITE).expect("parses");
        change(&mut config);
        config.problems()
    }

    #[test]
    fn a_whole_site_is_sound() {
        assert_eq!(problems(|_| {}), Vec::<String>::new());
        assert_eq!(PowerConfig::default().problems(), Vec::<String>::new());
        let config: PowerConfig = toml::from_str(SITE).expect("parses");
        assert_eq!(
            config.sources[0].endpoint(),
            Some(("192.0.2.7".into(), 1_883))
        );
        assert_eq!(
            config.sources[1].endpoint(),
            Some(("192.0.2.8".into(), 1_502))
        );
    }

    type Change = fn(&mut PowerConfig);

    #[test]
    fn every_error_names_its_key() {
        let cases: [(&str, Change); 11] = [
            ("power.policy.reserve_percent: 120 is not 0 to 100", |c| {
                c.policy.reserve_percent = 120
            }),
            ("power.source 'gx'.portal_id: a source", |c| {
                c.sources[0].portal_id = None
            }),
            ("power.source 'gx'.unit: a source", |c| {
                c.sources[0].unit = Some(3)
            }),
            ("power.source 'roof'.name: stands there twice", |c| {
                c.sources[0].name = "roof".into()
            }),
            ("power.source 'roof'.interval: must be 1s to 10m", |c| {
                c.sources[1].interval = Span::seconds(0)
            }),
            ("power.source 'roof'.watts_max", |c| {
                c.sources[1].watts_max = 0
            }),
            ("power.source 'roof'.stale_intervals", |c| {
                c.sources[1].unknown_intervals = 2
            }),
            ("power.source 'gx'.portal_id: must be", |c| {
                c.sources[0].portal_id = Some("a/#".into())
            }),
            ("power.node 'rack-1'.outlet.pdu: there is no", |c| {
                c.pdus.clear()
            }),
            ("power.pdu 'left'.outlet_oid", |c| {
                c.pdus[0].outlet_oid = "1..3".into()
            }),
            ("power.node: nodes follow the ladder", |c| c.sources.clear()),
        ];
        for (expected, change) in cases {
            let found = problems(change);
            assert!(
                found.len() == 1 && found[0].starts_with(expected),
                "{expected}: {found:?}"
            );
        }
    }

    #[test]
    fn a_typo_and_a_duration_without_a_unit_are_refused() {
        for (right, wrong, named) in [
            ("interval = \"5s\"", "interval = \"5\"", "with a unit"),
            ("interval = \"5s\"", "intervall = \"5s\"", "intervall"),
            ("reserve_percent", "reserve_per_cent", "reserve_per_cent"),
            ("reserve_percent = 20", "reserve_percent = 300", "300"),
            ("22:00", "25:00", "25:00"),
            ("+02:00", "two", "two"),
            ("52:54:00:12:34:56", "52:54", "52:54"),
        ] {
            let text = SITE.replace(right, wrong);
            let error = toml::from_str::<PowerConfig>(&text).expect_err(wrong);
            assert!(error.to_string().contains(named), "{error}");
        }
    }
}
