//! Who plays: every role with a key of its own, made by `swarm key new` in a directory of its own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use swarm_types::Address;

use super::process::Swarm;

/// Somebody with a key.
#[derive(Clone, Debug)]
pub struct Player {
    /// The directory with key and identity.
    pub home: PathBuf,
    /// The key's address.
    pub address: Address,
}

/// Everybody.
pub struct Cast {
    /// Pays for jobs.
    pub client: Player,
    /// Approves bees and seals.
    pub operator: Player,
    /// Signs quotes.
    pub queen: Player,
    /// Signs seals.
    pub settler: Player,
    /// Pays gas for settlements.
    pub gas: Player,
    /// Could void an epoch.
    pub guardian: Player,
    /// Could rotate roles.
    pub owner: Player,
    /// Gets the protocol fee.
    pub protocol_payee: Player,
    /// Gets the operator fee.
    pub operator_payee: Player,
    /// The two bees.
    pub bees: [Player; 2],
    /// Where each bee's earnings go.
    pub bee_payees: [Player; 2],
}

impl Cast {
    /// Makes everybody's key below `dir`. The client's directory is `client`; what is in it never
    /// leaves the client's machine.
    pub async fn gather(swarm: &Swarm, dir: &Path) -> Result<Self> {
        let new = async |name: &str| Player::new(swarm, dir.join(name)).await;
        Ok(Self {
            client: new("client").await?,
            operator: new("operator").await?,
            queen: new("keys/queen").await?,
            settler: new("keys/settler").await?,
            gas: new("keys/gas").await?,
            guardian: new("keys/guardian").await?,
            owner: new("keys/owner").await?,
            protocol_payee: new("keys/protocol-payee").await?,
            operator_payee: new("keys/operator-payee").await?,
            bees: [new("keys/bee-01").await?, new("keys/bee-02").await?],
            bee_payees: [
                new("keys/bee-01-payee").await?,
                new("keys/bee-02-payee").await?,
            ],
        })
    }

    /// Everybody who is paid, with the role's name.
    pub fn payees(&self) -> [(&'static str, &Player); 4] {
        [
            ("protocol", &self.protocol_payee),
            ("operator", &self.operator_payee),
            ("bee-01", &self.bee_payees[0]),
            ("bee-02", &self.bee_payees[1]),
        ]
    }

    /// The name of an address, for people.
    pub fn name_of(&self, address: &Address) -> String {
        let named = [
            ("client", &self.client),
            ("bee-01's key", &self.bees[0]),
            ("bee-02's key", &self.bees[1]),
        ];
        let all = self.payees().into_iter().chain(named);
        let found = all
            .into_iter()
            .find(|(_, player)| player.address == *address);
        found.map_or_else(|| address.to_string(), |(name, _)| name.into())
    }
}

impl Player {
    async fn new(swarm: &Swarm, home: PathBuf) -> Result<Self> {
        let made = swarm.json(&home, &["key", "new"]).await?;
        let address = made["address"]
            .as_str()
            .context("swarm key new names no address")?;
        Ok(Self {
            address: address.parse().context("an address")?,
            home,
        })
    }

    /// The key file.
    pub fn key(&self) -> PathBuf {
        self.home.join("key")
    }

    /// The age identity file.
    pub fn identity(&self) -> PathBuf {
        self.home.join("identity")
    }
}
