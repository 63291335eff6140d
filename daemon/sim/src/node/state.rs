//! The state of a chain at one block: nonces, USDC, the escrow; and how a call changes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy::primitives::{Address, Bytes, IntoLogData, Log, TxKind, U256};
use alloy::sol_types::{SolCall, SolError, SolEvent, SolInterface, SolValue};
use swarm_contracts::SwarmEscrow::{self, SwarmEscrowCalls as C, SwarmEscrowEvents as V};
use swarm_contracts::Usdc::{self, UsdcCalls as T};
use swarm_contracts::{MAX_ENTRIES, Network, Params};

use swarm_types::eip712;

use super::escrow::{Caller, Effects, Escrow};
use crate::plant::Plant;

/// The chain id of Base Sepolia, whose USDC address the token is at.
pub const CHAIN_ID: u64 = 84_532;
/// Gas of every transaction; nobody here runs out of it.
const GAS_USED: u64 = 100_000;
/// What everybody has, in wei.
const WEI: u128 = 1_000_000_000_000_000_000;

/// Everything. Every block has one, and every question is asked of a copy: copies share what did not change.
#[derive(Clone, Debug)]
pub struct State {
    nonces: Arc<BTreeMap<Address, u64>>,
    token: Arc<Token>,
    escrow: Arc<Escrow>,
}

/// USDC, as far as the escrow and its users need it.
#[derive(Clone, Debug, Default)]
struct Token {
    address: Address,
    balances: BTreeMap<Address, u64>,
    allowances: BTreeMap<(Address, Address), U256>,
}

/// What a transaction asks for.
#[derive(Clone, Debug)]
pub struct Message {
    /// Who.
    pub from: Address,
    /// Whom.
    pub to: TxKind,
    /// With what.
    pub input: Bytes,
}

/// What became of a message.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whether it ran to its end.
    pub success: bool,
    /// What it answered, or the data of its revert.
    pub output: Bytes,
    /// Its events.
    pub logs: Vec<Log>,
    /// Gas it used.
    pub gas_used: u64,
}

/// An answer, or the data of a revert.
type Ran = Result<Vec<u8>, Vec<u8>>;

impl State {
    /// A chain on which `holders` have `amount` of USDC each and the escrow, made with `params`, stands at
    /// `escrow`.
    pub fn new(
        params: Params,
        escrow: Address,
        holders: &[Address],
        amount: u64,
        now: u64,
    ) -> Self {
        let domain = eip712::Domain::new(CHAIN_ID, escrow);
        let token = Token {
            address: params.token,
            balances: holders.iter().map(|holder| (*holder, amount)).collect(),
            allowances: BTreeMap::new(),
        };
        Self {
            nonces: Arc::default(),
            token: Arc::new(token),
            escrow: Arc::new(Escrow::new(params, domain, now)),
        }
    }

    /// The same with something wrong.
    pub fn with(mut self, plant: Plant) -> Self {
        Arc::make_mut(&mut self.escrow).plant = plant;
        self
    }

    /// How many transactions `account` has sent.
    pub fn nonce(&self, account: Address) -> u64 {
        self.nonces.get(&account).copied().unwrap_or_default()
    }

    /// What `account` has, in wei. Gas is not counted off.
    pub fn wei(&self, _: Address) -> U256 {
        U256::from(WEI)
    }

    /// The code at `account`: something where there is a contract.
    pub fn code(&self, account: Address) -> Bytes {
        match account == self.token.address || account == self.escrow.domain().escrow {
            true => Bytes::from_static(&[0xfe]),
            false => Bytes::new(),
        }
    }

    /// Runs `message` at `now` (the block's Unix seconds) and keeps nothing of it.
    pub fn call(&self, now: u64, message: &Message) -> Outcome {
        self.clone().run(now, message)
    }

    /// Runs a transaction of a block at `now`.
    pub fn transact(&mut self, now: u64, message: &Message) -> Outcome {
        let mut after = self.clone();
        let outcome = after.run(now, message);
        if outcome.success {
            *self = after;
        }
        let nonces = Arc::make_mut(&mut self.nonces);
        *nonces.entry(message.from).or_default() += 1;
        outcome
    }

    fn run(&mut self, now: u64, message: &Message) -> Outcome {
        let by = Caller {
            from: message.from,
            now,
        };
        let mut logs = Vec::new();
        let ran = match message.to {
            TxKind::Call(to) if to == self.token.address => {
                Token::run(&mut self.token, by, &message.input, &mut logs)
            }
            TxKind::Call(to) if to == self.escrow.domain().escrow => {
                self.run_escrow(by, &message.input, &mut logs)
            }
            _ => Ok(Vec::new()),
        };
        let success = ran.is_ok();
        if !success {
            logs.clear();
        }
        Outcome {
            success,
            output: ran.unwrap_or_else(|data| data).into(),
            logs,
            gas_used: GAS_USED,
        }
    }

    fn run_escrow(&mut self, by: Caller, input: &[u8], logs: &mut Vec<Log>) -> Ran {
        let Ok(call) = C::abi_decode(input) else {
            return Err(Vec::new());
        };
        let e = &*self.escrow;
        let now = by.now;
        let view = match &call {
            C::token(_) => e.params().token.abi_encode(),
            C::domainSeparator(_) => eip712::domain(CHAIN_ID, e.domain().escrow)
                .separator()
                .abi_encode(),
            C::window(_) => e.params().window.abi_encode(),
            C::exitDelay(_) => e.params().exit_delay.abi_encode(),
            C::maxSealAge(_) => e.params().max_seal_age.abi_encode(),
            C::settlementTimeout(_) => e.params().settlement_timeout.abi_encode(),
            C::defaultCap(_) => e.params().default_cap.0.abi_encode(),
            C::MAX_ENTRIES(_) => U256::from(MAX_ENTRIES).abi_encode(),
            C::threshold(_) => U256::from(e.params().threshold).abi_encode(),
            C::settlers(_) => SwarmEscrow::settlersCall::abi_encode_returns(&e.params().settlers),
            C::liabilities(_) => e.liabilities().abi_encode(),
            C::lastEpoch(_) => e.last_epoch().abi_encode(),
            C::stopped(_) => e.stopped().abi_encode(),
            C::pausedUntil(_) => e.paused_until().abi_encode(),
            C::escapeAt(_) => e.escape_at(now).abi_encode(),
            C::epochs(c) => e.epoch(c.epoch, now).abi_encode(),
            C::account(c) => e.account(c.client, now).abi_encode(),
            C::owed(c) => e.owed(c.payee, now).abi_encode(),
            C::orderSigner(c) => e.order_signer(c.client, c.signer).abi_encode(),
            _ => Vec::new(),
        };
        if !view.is_empty() {
            return Ok(view);
        }
        let e = Arc::make_mut(&mut self.escrow);
        let effects = match &call {
            C::deposit(c) => e.deposit(by, by.from, c.amount),
            C::depositFor(c) => e.deposit(by, c.client, c.amount),
            C::requestWithdrawal(c) => e.request_withdrawal(by, c.amount),
            C::withdraw(c) => e.withdraw(by, c.to),
            C::setCap(c) => e.set_cap(by, c.cap),
            C::addOrderSigner(c) => e.add_order_signer(by, c.signer),
            C::removeOrderSigner(c) => e.remove_order_signer(by, c.signer),
            C::claim(c) => e.claim(by, by.from, c.to),
            C::claimFor(c) => e.claim(by, c.payee, c.payee),
            C::settle(c) => e.settle(by, c),
            C::voidEpoch(c) => e.void_epoch(by, c.epoch),
            C::resume(_) => e.resume(by),
            C::pause(_) => e.pause(by),
            C::unpause(_) => e.unpause(by),
            // Not simulated: as a contract without that function.
            _ => return Err(Vec::new()),
        };
        let Effects { transfers, events } = effects.map_err(|error| error.abi_encode())?;
        let escrow = self.escrow.domain().escrow;
        logs.extend(events.iter().map(|event| log(escrow, event)));
        let mut paid = 0;
        for (from, to, amount) in transfers {
            Arc::make_mut(&mut self.token).moved(escrow, from, to, amount, logs)?;
            paid = amount;
        }
        Ok(match call {
            C::withdraw(_) | C::claim(_) | C::claimFor(_) => paid.abi_encode(),
            _ => Vec::new(),
        })
    }
}

impl Token {
    fn balance(&self, of: &Address) -> u64 {
        self.balances.get(of).copied().unwrap_or_default()
    }

    fn run(this: &mut Arc<Self>, by: Caller, input: &[u8], logs: &mut Vec<Log>) -> Ran {
        let network = Network::base_sepolia();
        Ok(match T::abi_decode(input).map_err(|_| Vec::new())? {
            T::name(_) => network.token_name.abi_encode(),
            T::decimals(_) => U256::from(swarm_contracts::network::USDC_DECIMALS).abi_encode(),
            T::DOMAIN_SEPARATOR(_) => network.token_domain_separator().abi_encode(),
            T::balanceOf(c) => U256::from(this.balance(&c.account)).abi_encode(),
            T::approve(c) => {
                let token = Arc::make_mut(this);
                token.allowances.insert((by.from, c.spender), c.value);
                logs.push(Log {
                    address: token.address,
                    data: Usdc::Approval {
                        owner: by.from,
                        spender: c.spender,
                        value: c.value,
                    }
                    .encode_log_data(),
                });
                true.abi_encode()
            }
            // Not simulated: as a contract without that function.
            _ => return Err(Vec::new()),
        })
    }

    /// Moves `amount`; out of somebody else's pocket only what that one allowed.
    fn moved(
        &mut self,
        by: Address,
        from: Address,
        to: Address,
        amount: u64,
        logs: &mut Vec<Log>,
    ) -> Result<(), Vec<u8>> {
        let refuse = |text: &str| Err(alloy::sol_types::Revert::from(text).abi_encode());
        if from != by {
            let allowed = self.allowances.entry((from, by)).or_default();
            let Some(left) = allowed.checked_sub(U256::from(amount)) else {
                return refuse("ERC20: transfer amount exceeds allowance");
            };
            *allowed = left;
        }
        let Some(left) = self.balance(&from).checked_sub(amount) else {
            return refuse("ERC20: transfer amount exceeds balance");
        };
        self.balances.insert(from, left);
        *self.balances.entry(to).or_default() += amount;
        logs.push(Log {
            address: self.address,
            data: Usdc::Transfer {
                from,
                to,
                value: U256::from(amount),
            }
            .encode_log_data(),
        });
        Ok(())
    }
}

fn log(address: Address, event: &V) -> Log {
    Log {
        address,
        data: event.to_log_data(),
    }
}
