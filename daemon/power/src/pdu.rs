//! Switched PDUs by SNMP 2c: sets an outlet, and reads back whether it was set.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::lookup_host;

mod snmp;

use crate::config::PduConfig;
use snmp::{Agent, Reply};

/// Time in which a PDU must answer one request.
const ANSWER_TIME: Duration = Duration::from_secs(3);
/// Requests before a PDU counts as silent: SNMP is UDP.
const TRIES: u32 = 3;
/// Numbers of an object's id.
const OID_PARTS_MAX: usize = 64;
/// Bytes of a community.
const COMMUNITY_BYTES_MAX: usize = 255;

/// Why an outlet was not switched.
#[derive(Debug, thiserror::Error)]
pub enum PduError {
    /// The community cannot be read.
    #[error("cannot read the community in {}", path.display())]
    Community {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds no community.
    #[error("{} holds no community of 1 to {COMMUNITY_BYTES_MAX} bytes", .0.display())]
    NoCommunity(PathBuf),
    /// The outlet's object id.
    #[error("'{0}' is no object id")]
    Oid(String),
    /// The address does not resolve.
    #[error("cannot reach {address}")]
    Address {
        /// As configured.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// No answer, or none that is SNMP.
    #[error("no answer from {0} in {TRIES} tries")]
    Silent(String),
    /// It answered with an error.
    #[error("{address} refused with SNMP error {status}")]
    Refused {
        /// Who.
        address: String,
        /// RFC 3416, 3: 2 is noSuchName, 17 notWritable.
        status: i64,
    },
    /// It said yes and did not do it.
    #[error("outlet {outlet} of {address} is {value} after it was set to {wanted}")]
    NotSet {
        /// Who.
        address: String,
        /// Which.
        outlet: u32,
        /// What it says.
        value: String,
        /// What was set.
        wanted: u32,
    },
}

/// Numbers of an object id such as `1.3.6.1`.
pub fn parse_oid(text: &str) -> Option<Vec<u32>> {
    let numbers: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
    // The first two share one number of the encoding.
    let fits = |numbers: &Vec<u32>| numbers[0] <= 2 && numbers[1] < 40;
    let length = 2..=OID_PARTS_MAX;
    numbers.filter(|numbers| length.contains(&numbers.len()) && fits(numbers))
}

/// Switches an outlet and reads back whether it was.
///
/// # Errors
/// When the PDU does not answer, refuses, or has not done it.
pub async fn switch(pdu: &PduConfig, outlet: u32, on: bool) -> Result<(), PduError> {
    let wanted = if on { pdu.on } else { pdu.off };
    let mut agent = open(pdu).await?;
    let oid = outlet_oid(pdu, outlet)?;
    request(pdu, &mut agent, &oid, Some(i64::from(wanted))).await?;
    let is = request(pdu, &mut agent, &oid, None).await?;
    if is == Some(i64::from(wanted)) {
        return Ok(());
    }
    Err(PduError::NotSet {
        address: pdu.address.clone(),
        outlet,
        value: is.map_or("no number".into(), |is| is.to_string()),
        wanted,
    })
}

/// Reads an outlet: `None` when its value is neither on nor off.
///
/// # Errors
/// When the PDU does not answer or refuses.
pub async fn is_on(pdu: &PduConfig, outlet: u32) -> Result<Option<bool>, PduError> {
    let mut agent = open(pdu).await?;
    let oid = outlet_oid(pdu, outlet)?;
    let is = request(pdu, &mut agent, &oid, None).await?;
    Ok(match is {
        Some(is) if is == i64::from(pdu.on) => Some(true),
        Some(is) if is == i64::from(pdu.off) => Some(false),
        _ => None,
    })
}

async fn open(pdu: &PduConfig) -> Result<Agent, PduError> {
    let path = &pdu.community_file;
    let community = tokio::fs::read(path)
        .await
        .map_err(|source| PduError::Community {
            path: path.clone(),
            source,
        })?;
    let community = community.trim_ascii();
    if !(1..=COMMUNITY_BYTES_MAX).contains(&community.len()) {
        return Err(PduError::NoCommunity(path.clone()));
    }
    let unreachable = |source| PduError::Address {
        address: pdu.address.clone(),
        source,
    };
    let address = match pdu.address.rsplit_once(':') {
        Some(_) => pdu.address.clone(),
        None => format!("{}:161", pdu.address),
    };
    let mut found = lookup_host(&address).await.map_err(unreachable)?;
    let to = found
        .next()
        .ok_or_else(|| unreachable(io::Error::other("it has no address")))?;
    Agent::open(to, community).await.map_err(unreachable)
}

fn outlet_oid(pdu: &PduConfig, outlet: u32) -> Result<Vec<u32>, PduError> {
    let numbers = parse_oid(&pdu.outlet_oid);
    let mut numbers = numbers.ok_or_else(|| PduError::Oid(pdu.outlet_oid.clone()))?;
    numbers.push(outlet);
    Ok(numbers)
}

/// One request, repeated when nothing comes; gives the number in the answer, if it holds one.
async fn request(
    pdu: &PduConfig,
    agent: &mut Agent,
    oid: &[u32],
    set: Option<i64>,
) -> Result<Option<i64>, PduError> {
    for _ in 0..TRIES {
        // Nobody who listens there is as good as nobody who answers.
        match agent.ask(oid, set, ANSWER_TIME).await {
            Ok(Some(Reply::Value(value))) => return Ok(value),
            Ok(Some(Reply::Error(status))) => {
                let address = pdu.address.clone();
                return Err(PduError::Refused { address, status });
            }
            Ok(None) | Err(_) => {}
        }
    }
    Err(PduError::Silent(pdu.address.clone()))
}
