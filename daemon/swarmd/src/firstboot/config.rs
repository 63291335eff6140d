//! `swarm.toml`: what an operator tells a box. Unknown keys are refused, and all that is wrong is said at once.

use serde::Deserialize;
use swarm_bee::BeeConfig;
use swarm_queen::QueenConfig;
use toml::{Table, Value};

use super::render;

/// Longest name: one label of a host name.
const NAME_BYTES_MAX: usize = 63;
/// What the box itself says to its queen.
const QUEEN_RESERVED: [&str; 3] = ["name", "state_dir", "models_dir"];
/// What the box itself says to its bee.
const BEE_RESERVED: [&str; 5] = ["name", "key", "identity", "models", "onnxruntime"];
/// What a bee is told besides when its queen is on the same box.
const BEE_RESERVED_BESIDE_QUEEN: [&str; 3] = ["queen", "queen_fingerprint", "queen_plain_http"];

/// What a box is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The queen of a rack.
    Queen,
    /// A bee of a queen on another box.
    Bee,
    /// A queen and a bee of hers.
    AllInOne,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Queen, Self::Bee, Self::AllInOne];

    /// As it is written in swarm.toml, and as the image's profile is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queen => "queen",
            Self::Bee => "bee",
            Self::AllInOne => "all-in-one",
        }
    }
}

/// swarm.toml, read and checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoxConfig {
    /// What the box is.
    pub role: Role,
    /// Its name: of the queen, of the bee, and in the certificate.
    pub name: String,
    /// The `[queen]` of queen.toml, without what the box says itself.
    #[serde(default)]
    pub queen: Table,
    /// bee.toml, without what the box says itself.
    #[serde(default)]
    pub bee: Table,
    /// Newer versions of the image; none are fetched without it.
    #[serde(default)]
    pub update: Option<UpdateConfig>,
}

/// Where newer versions of the image are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateConfig {
    /// URL of the directory that `scripts/image` made, such as `https://updates.example/swarm`.
    pub source: String,
}

impl BoxConfig {
    /// Reads and checks.
    ///
    /// # Errors
    /// Everything that is wrong, each naming its field.
    pub fn read(text: &str) -> Result<Self, Vec<String>> {
        let config: Self = toml::from_str(text).map_err(|e| vec![e.to_string()])?;
        let problems = config.problems();
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(problems)
        }
    }

    /// The same, when the image was built for this role: a queen's image has no networks, a bee's no queen.
    pub fn for_image(self, image: Option<Role>) -> Result<Self, Vec<String>> {
        match image {
            Some(image) if image != self.role => Err(vec![format!(
                "role: '{}', but this image is '{}'",
                self.role.name(),
                image.name()
            )]),
            _ => Ok(self),
        }
    }

    /// Whether a queen runs here.
    pub fn has_queen(&self) -> bool {
        self.role != Role::Bee
    }

    /// Whether a bee runs here.
    pub fn has_bee(&self) -> bool {
        self.role != Role::Queen
    }

    fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !is_host_label(&self.name) {
            found.push(format!(
                "name: '{}' must be 1 to {NAME_BYTES_MAX} lower-case letters, digits and hyphens",
                self.name.escape_default()
            ));
        }
        if let Some(update) = &self.update
            && !is_url(&update.source)
        {
            found.push("update.source: must be an http:// or https:// URL without spaces".into());
        }
        for (has, name, table, reserved) in [
            (self.has_queen(), "queen", &self.queen, &QUEEN_RESERVED[..]),
            (self.has_bee(), "bee", &self.bee, &BEE_RESERVED[..]),
        ] {
            if !has && !table.is_empty() {
                found.push(format!(
                    "{name}: a box that is '{}' has none",
                    self.role.name()
                ));
            }
            let set = reserved.iter().filter(|key| table.contains_key(**key));
            found.extend(set.map(|key| format!("{name}.{key}: the box says this itself")));
        }
        if self.role == Role::AllInOne {
            let set = BEE_RESERVED_BESIDE_QUEEN.iter();
            let set = set.filter(|key| self.bee.contains_key(**key));
            found.extend(set.map(|key| format!("bee.{key}: the bee's queen is this box")));
        }
        if self.has_queen() {
            match checked::<QueenConfig>(render::queen_table(self), "queen") {
                Ok(queen) => {
                    let errors = queen.check().err().map(|errors| errors.0);
                    found.extend(errors.into_iter().flatten().map(|e| format!("queen.{e}")));
                }
                Err(error) => found.push(error),
            }
        }
        if self.has_bee() {
            // Any fingerprint does for the check.
            let fingerprint = "00".repeat(32);
            match checked::<BeeConfig>(render::bee_table(self, Some(&fingerprint)), "bee") {
                Ok(bee) => found.extend(bee.problems().into_iter().map(|e| format!("bee.{e}"))),
                Err(error) => found.push(error),
            }
        }
        found
    }
}

fn checked<T: serde::de::DeserializeOwned>(table: Table, name: &str) -> Result<T, String> {
    // By way of text: an error then shows the line with the field.
    let text = toml::to_string(&table).map_err(|e| format!("{name}: {e}"))?;
    toml::from_str(&text).map_err(|e| format!("{name}: {}", e.to_string().trim_end()))
}

/// One that can stand in a transfer file of systemd-sysupdate, where % begins a specifier.
fn is_url(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && c != '%';
    let url = url::Url::parse(text);
    text.chars().all(plain) && url.is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

fn is_host_label(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// A list of texts at `table.key`; empty when there is none.
pub fn texts(table: &Table, key: &str) -> Vec<String> {
    let list = table.get(key).and_then(Value::as_array);
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}
