//! The daemons' configuration files, from swarm.toml and what the box knows itself.

use anyhow::Result;
use toml::{Table, Value};

use super::config::{BoxConfig, texts};
use super::keys::{self, PublicHalves};

/// Where a queen listens unless she is told: every address, TLS.
const LISTEN: &str = "0.0.0.0:8000";
/// Where the queen's certificate is.
pub const CERTIFICATE: &str = "etc/swarm/queen.crt";
/// Where systemd puts the certificate's key for the queen's unit.
const CERTIFICATE_KEY: &str = "/run/credentials/swarm-queen.service/tls.key";
const HEADER: &str =
    "# Written by `swarmd first-boot` from swarm.toml: changes here are lost at the next boot.\n";

/// queen.toml.
pub fn queen(config: &BoxConfig) -> Result<String> {
    let mut file = Table::new();
    file.insert("queen".into(), Value::Table(queen_table(config)));
    let mut of = Table::new();
    of.insert("queen".into(), credential(keys::QUEEN));
    of.insert(
        "settlers".into(),
        Value::Array(vec![credential(keys::SETTLER)]),
    );
    of.insert("gas".into(), credential(keys::GAS));
    file.insert("keys".into(), Value::Table(of));
    Ok(format!("{HEADER}{}", toml::to_string(&file)?))
}

/// Its `[queen]`.
pub fn queen_table(config: &BoxConfig) -> Table {
    let mut queen = config.queen.clone();
    queen.insert("name".into(), config.name.clone().into());
    queen.insert("state_dir".into(), "/var/lib/swarm/queen".into());
    queen.insert("models_dir".into(), "/var/lib/swarm/models".into());
    let listen = queen
        .entry("listen")
        .or_insert_with(|| Value::Table(Table::new()));
    if let Some(listen) = listen.as_table_mut() {
        listen.entry("address").or_insert_with(|| LISTEN.into());
        let own = !listen.contains_key("certificate_file") && !listen.contains_key("key_file");
        let proxied = listen.get("behind_proxy").and_then(Value::as_bool) == Some(true);
        if own && !proxied {
            listen.insert("names".into(), names(&config.name, listen).into());
            listen.insert("certificate_file".into(), format!("/{CERTIFICATE}").into());
            listen.insert("key_file".into(), CERTIFICATE_KEY.into());
        }
    }
    queen
}

/// Names in the box's certificate: what the operator named, and the box's own.
pub fn certificate_names(config: &BoxConfig) -> Vec<String> {
    let listen = config.queen.get("listen").and_then(Value::as_table);
    names(&config.name, listen.unwrap_or(&Table::new()))
}

fn names(name: &str, listen: &Table) -> Vec<String> {
    let mut names = texts(listen, "names");
    for own in [name, &format!("{name}.local"), "localhost", "127.0.0.1"] {
        if !names.iter().any(|known| known == own) {
            names.push(own.to_owned());
        }
    }
    names
}

/// bee.toml.
pub fn bee(config: &BoxConfig, made: &PublicHalves) -> Result<String> {
    let table = bee_table(config, made.fingerprint.as_deref());
    Ok(format!("{HEADER}{}", toml::to_string(&table)?))
}

/// The same as a table. `fingerprint` is of the queen on this box.
pub fn bee_table(config: &BoxConfig, fingerprint: Option<&str>) -> Table {
    let mut bee = config.bee.clone();
    bee.insert("name".into(), config.name.clone().into());
    bee.insert("key".into(), credential(keys::BEE));
    bee.insert("identity".into(), credential(keys::BEE_IDENTITY));
    bee.insert("models".into(), "/var/lib/swarm/models".into());
    bee.insert(
        "onnxruntime".into(),
        "/usr/lib/swarm/libonnxruntime.so".into(),
    );
    if config.has_queen() {
        let port = queen_port(config);
        bee.insert("queen".into(), format!("https://127.0.0.1:{port}").into());
        if let Some(fingerprint) = fingerprint {
            bee.insert("queen_fingerprint".into(), fingerprint.into());
        }
    }
    bee
}

/// The port of this box's queen.
pub fn queen_port(config: &BoxConfig) -> u16 {
    let listen = config.queen.get("listen").and_then(Value::as_table);
    let address = listen.and_then(|listen| listen.get("address"));
    let address = address.and_then(Value::as_str).unwrap_or(LISTEN);
    let parsed: Option<std::net::SocketAddr> = address.parse().ok();
    parsed.map_or(8000, |address| address.port())
}

fn credential(name: &str) -> Value {
    let mut table = Table::new();
    table.insert("credential".into(), name.into());
    Value::Table(table)
}
