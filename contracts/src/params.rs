//! The constructor's arguments, checked here with the contract's own rules before anything is sent.

use alloy::primitives::{Address, Bytes};
use alloy::sol_types::SolConstructor;
use serde::{Deserialize, Serialize};
use swarm_types::MicroUsdc;

use crate::{MAX_SETTLERS, SwarmEscrow};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The longest delay that the contract takes, seconds.
pub const DELAY_SECONDS_MAX: u64 = 365 * DAY;

/// What is fixed when the escrow is deployed. Delays are in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Params {
    /// USDC.
    pub token: Address,
    /// Rotates roles after `role_delay`; should be a multisig.
    pub owner: Address,
    /// Voids, pauses, resumes; never a settler.
    pub guardian: Address,
    /// Those who sign seals, strictly ascending.
    pub settlers: Vec<Address>,
    /// How many of them a seal needs.
    pub threshold: u64,
    /// Cap per epoch of a client that never set one.
    pub default_cap: MicroUsdc,
    /// Challenge window of an epoch.
    pub window: u64,
    /// Delay of withdrawals, lowered caps and removed order signers.
    pub exit_delay: u64,
    /// Delay of a rotation of roles.
    pub role_delay: u64,
    /// With no epoch final for this long, clients withdraw at once.
    pub settlement_timeout: u64,
    /// A seal is taken until it is this old.
    pub max_seal_age: u64,
    /// The longest pause.
    pub max_pause: u64,
}

/// A rule of the constructor that the parameters break.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParamsError {
    /// An address is missing.
    #[error("{0} is the zero address")]
    ZeroAddress(&'static str),
    /// Settlers are not ascending, or one is there twice.
    #[error("settlers must be strictly ascending by address; {0} is not")]
    SettlersNotAscending(Address),
    /// One key would both sign and judge.
    #[error("the guardian {0} must not be a settler")]
    GuardianIsSettler(Address),
    /// Not 1 ≤ k ≤ n ≤ 16.
    #[error(
        "threshold {threshold} of {settlers} settlers: must be 1 to their number, and they at most {MAX_SETTLERS}"
    )]
    Threshold {
        /// k.
        threshold: u64,
        /// n.
        settlers: usize,
    },
    /// Delays do not stand in the order that makes exits safe.
    #[error("{0}")]
    Delay(&'static str),
}

impl Params {
    /// For Base and Base Sepolia: epochs of a day, half a day to challenge, three days to leave, a week's
    /// notice of new roles, and 100 USDC an epoch for a client that never set a cap.
    pub fn production(
        token: Address,
        owner: Address,
        guardian: Address,
        settlers: Vec<Address>,
        threshold: u64,
    ) -> Self {
        Self {
            token,
            owner,
            guardian,
            settlers,
            threshold,
            default_cap: MicroUsdc(100_000_000),
            window: 12 * HOUR,
            exit_delay: 3 * DAY,
            role_delay: 7 * DAY,
            settlement_timeout: 14 * DAY,
            max_seal_age: 2 * DAY,
            max_pause: 3 * DAY,
        }
        .with_sorted_settlers()
    }

    /// For a development chain whose clock is moved forward: minutes instead of days.
    pub fn development(
        token: Address,
        owner: Address,
        guardian: Address,
        settlers: Vec<Address>,
        threshold: u64,
    ) -> Self {
        Self {
            window: 10 * MINUTE,
            exit_delay: 2 * HOUR,
            role_delay: 4 * HOUR,
            settlement_timeout: DAY,
            max_seal_age: HOUR,
            max_pause: HOUR,
            ..Self::production(token, owner, guardian, settlers, threshold)
        }
    }

    fn with_sorted_settlers(mut self) -> Self {
        self.settlers.sort_unstable();
        self
    }

    /// Checks what the constructor checks, all but the token's code.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn check(&self) -> Result<(), ParamsError> {
        for (name, address) in [
            ("token", self.token),
            ("owner", self.owner),
            ("guardian", self.guardian),
        ] {
            if address.is_zero() {
                return Err(ParamsError::ZeroAddress(name));
            }
        }
        let mut last = Address::ZERO;
        for settler in &self.settlers {
            if *settler <= last {
                return Err(ParamsError::SettlersNotAscending(*settler));
            }
            if *settler == self.guardian {
                return Err(ParamsError::GuardianIsSettler(*settler));
            }
            last = *settler;
        }
        let settlers = self.settlers.len();
        if self.threshold == 0 || self.threshold > settlers as u64 || settlers > MAX_SETTLERS {
            return Err(ParamsError::Threshold {
                threshold: self.threshold,
                settlers,
            });
        }
        for (holds, rule) in [
            (self.window > 0, "window must be more than 0"),
            (self.max_seal_age > 0, "maxSealAge must be more than 0"),
            (self.max_pause > 0, "maxPause must be more than 0"),
            (
                self.window < self.exit_delay,
                "window must be under exitDelay",
            ),
            (
                self.max_seal_age < self.exit_delay,
                "maxSealAge must be under exitDelay",
            ),
            (
                self.exit_delay < self.role_delay,
                "exitDelay must be under roleDelay",
            ),
            (
                self.role_delay < self.settlement_timeout,
                "roleDelay must be under settlementTimeout",
            ),
            (
                self.max_pause < self.settlement_timeout,
                "maxPause must be under settlementTimeout",
            ),
            (
                self.settlement_timeout <= DELAY_SECONDS_MAX,
                "settlementTimeout must be 365 days at most",
            ),
        ] {
            if !holds {
                return Err(ParamsError::Delay(rule));
            }
        }
        Ok(())
    }

    fn to_sol(&self) -> SwarmEscrow::constructorCall {
        SwarmEscrow::constructorCall {
            config: SwarmEscrow::Config {
                token: self.token,
                owner: self.owner,
                guardian: self.guardian,
                settlers: self.settlers.clone(),
                threshold: self.threshold,
                defaultCap: self.default_cap.0,
                window: self.window,
                exitDelay: self.exit_delay,
                roleDelay: self.role_delay,
                settlementTimeout: self.settlement_timeout,
                maxSealAge: self.max_seal_age,
                maxPause: self.max_pause,
            },
        }
    }

    /// The ABI-encoded constructor arguments, as block explorers ask for them.
    pub fn constructor_arguments(&self) -> Bytes {
        self.to_sol().abi_encode().into()
    }

    /// What is sent to create the contract.
    pub fn init_code(&self) -> Bytes {
        [
            SwarmEscrow::BYTECODE.as_ref(),
            self.constructor_arguments().as_ref(),
        ]
        .concat()
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> Params {
        let [token, owner, guardian, a, b] = [1, 2, 3, 5, 4].map(Address::repeat_byte);
        Params::production(token, owner, guardian, vec![a, b], 2)
    }

    #[test]
    fn presets_hold_their_own_rules() {
        assert_eq!(params().check(), Ok(()));
        let p = params();
        let dev = Params::development(p.token, p.owner, p.guardian, p.settlers, p.threshold);
        assert_eq!(dev.check(), Ok(()));
    }

    #[test]
    fn each_rule_is_checked_at_its_edge() {
        let refused = |change: fn(&mut Params)| {
            let mut p = params();
            change(&mut p);
            p.check().expect_err("must be refused").to_string()
        };
        assert!(refused(|p| p.token = Address::ZERO).contains("token"));
        assert!(refused(|p| p.owner = Address::ZERO).contains("owner"));
        assert!(refused(|p| p.guardian = Address::ZERO).contains("guardian"));
        assert!(refused(|p| p.settlers.reverse()).contains("ascending"));
        assert!(refused(|p| p.settlers[1] = p.settlers[0]).contains("ascending"));
        assert!(refused(|p| p.guardian = p.settlers[1]).contains("must not be a settler"));
        assert!(refused(|p| p.threshold = 0).contains("threshold"));
        assert!(refused(|p| p.threshold = 3).contains("threshold"));
        assert!(refused(|p| p.window = 0).contains("window"));
        assert!(refused(|p| p.max_seal_age = 0).contains("maxSealAge"));
        assert!(refused(|p| p.max_pause = 0).contains("maxPause"));
        assert!(refused(|p| p.window = p.exit_delay).contains("window"));
        assert!(refused(|p| p.max_seal_age = p.exit_delay).contains("maxSealAge"));
        assert!(refused(|p| p.exit_delay = p.role_delay).contains("exitDelay"));
        assert!(refused(|p| p.role_delay = p.settlement_timeout).contains("roleDelay"));
        assert!(refused(|p| p.max_pause = p.settlement_timeout).contains("maxPause"));
        assert!(refused(|p| p.settlement_timeout = DELAY_SECONDS_MAX + 1).contains("365"));
        let many: fn(&mut Params) =
            |p| p.settlers = (0x10..0x21).map(Address::repeat_byte).collect();
        assert!(refused(many).contains("16"));
    }
}
