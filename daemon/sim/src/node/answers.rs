//! The JSON-RPC methods that the daemon asks a node for.

use alloy::consensus::transaction::Recovered;
use alloy::consensus::{Eip658Value, Receipt, ReceiptEnvelope, ReceiptWithBloom, Transaction as _};
use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, B256, Bloom, Bytes, TxKind, U64};
use alloy::rpc::types::{
    Block as RpcBlock, BlockTransactions, Filter, FilterBlockOption, Log as RpcLog, Transaction,
    TransactionReceipt, TransactionRequest,
};
use alloy::sol_types::SolEvent;
use alloy_json_rpc::{ErrorPayload, SerializedRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use swarm_contracts::SwarmEscrow;

use super::state::{CHAIN_ID, Message};
use super::{BASE_FEE, Block, Included, Node, Tx};
use crate::plant::Plant;

/// Wei per gas that the node suggests as a tip.
const TIP: u64 = 1_000_000;
/// JSON-RPC code of a revert with its data.
const REVERTED: i64 = 3;
/// JSON-RPC code of a refusal.
const REFUSED: i64 = -32_000;
/// JSON-RPC code of parameters that cannot be read.
const INVALID: i64 = -32_602;

type Answer = Result<Box<RawValue>, ErrorPayload>;

fn answer(value: impl Serialize) -> Answer {
    to_raw_value(&value).map_err(|error| refuse(INVALID, error.to_string()))
}

fn refuse(code: i64, message: impl Into<String>) -> ErrorPayload {
    ErrorPayload {
        code,
        message: message.into().into(),
        data: None,
    }
}

/// A parameter by its place.
fn param<T: DeserializeOwned>(params: &[Value], at: usize) -> Result<T, ErrorPayload> {
    let value = params.get(at).cloned().unwrap_or(Value::Null);
    serde_json::from_value(value).map_err(|error| refuse(INVALID, error.to_string()))
}

impl Node {
    /// Answers one request.
    ///
    /// # Errors
    /// What a node says then.
    pub fn answer(&mut self, request: &SerializedRequest) -> Answer {
        let params = request.params().map_or("[]", RawValue::get);
        let params: Vec<Value> =
            serde_json::from_str(params).map_err(|error| refuse(INVALID, error.to_string()))?;
        let p = params.as_slice();
        match request.method() {
            "eth_chainId" => answer(U64::from(CHAIN_ID)),
            "eth_maxPriorityFeePerGas" => answer(U64::from(TIP)),
            "eth_getCode" => answer(self.at(param(p, 1)?)?.state.code(param(p, 0)?)),
            "eth_getBalance" => answer(self.at(param(p, 1)?)?.state.wei(param(p, 0)?)),
            "eth_getTransactionCount" => {
                let (account, at): (Address, BlockId) = (param(p, 0)?, param(p, 1)?);
                answer(U64::from(match at {
                    BlockId::Number(BlockNumberOrTag::Pending) => self.nonce_pending(account),
                    at => self.at(at)?.state.nonce(account),
                }))
            }
            "eth_getBlockByNumber" => {
                let at: BlockNumberOrTag = param(p, 0)?;
                tell(self.at(at.into()).ok())
            }
            "eth_getBlockByHash" => tell(self.block_of(&param(p, 0)?)),
            "eth_call" => self.view(&param(p, 0)?, param(p, 1)?),
            "eth_getLogs" => self.logs(&param(p, 0)?),
            "eth_sendRawTransaction" => {
                let raw: Bytes = param(p, 0)?;
                answer(self.take(&raw).map_err(|words| refuse(REFUSED, words))?)
            }
            "eth_getTransactionByHash" => answer(self.transaction(&param(p, 0)?)),
            "eth_getTransactionReceipt" => {
                let found = self.included(&param(p, 0)?);
                answer(found.map(|(block, at)| receipt(block, at)))
            }
            other => Err(refuse(
                -32_601,
                format!("the method {other} does not exist"),
            )),
        }
    }

    /// The block that a question is about.
    fn at(&self, id: BlockId) -> Result<&Block, ErrorPayload> {
        let found = match id {
            BlockId::Hash(hash) => self.block_of(&hash.block_hash),
            BlockId::Number(tag) => match tag {
                BlockNumberOrTag::Latest | BlockNumberOrTag::Pending => Some(self.head()),
                BlockNumberOrTag::Safe => self.block(self.safe()),
                BlockNumberOrTag::Finalized => self.block(self.finalized()),
                BlockNumberOrTag::Earliest => self.block(0),
                BlockNumberOrTag::Number(number) => self.block(number),
            },
        };
        found.ok_or_else(|| refuse(REFUSED, "header not found"))
    }

    fn view(&self, request: &TransactionRequest, at: BlockId) -> Answer {
        let block = self.at(at)?;
        let message = Message {
            from: request.from.unwrap_or_default(),
            to: request.to.unwrap_or(TxKind::Create),
            input: request.input.input().cloned().unwrap_or_default(),
        };
        let outcome = block.state.call(block.header.timestamp, &message);
        if outcome.success {
            return answer(outcome.output);
        }
        Err(ErrorPayload {
            code: REVERTED,
            message: "execution reverted".into(),
            data: to_raw_value(&outcome.output).ok(),
        })
    }

    fn logs(&self, filter: &Filter) -> Answer {
        let blocks: Vec<&Block> = match filter.block_option {
            FilterBlockOption::AtBlockHash(hash) => vec![self.at(hash.into())?],
            FilterBlockOption::Range {
                from_block,
                to_block,
            } => {
                let number = |tag: Option<BlockNumberOrTag>| {
                    self.at(tag.unwrap_or_default().into())
                        .map(|block| block.header.number)
                };
                let (from, to) = (number(from_block)?, number(to_block)?);
                (from..=to)
                    .filter_map(|number| self.block(number))
                    .collect()
            }
        };
        let logs = blocks.into_iter().flat_map(|block| {
            let logs = (0..block.txs.len()).flat_map(move |at| logs(block, at));
            logs.filter(move |log| {
                filter.address.is_empty() || filter.address.matches(&log.address())
            })
        });
        let seldom = |log: &RpcLog| {
            // One deposit in some; which ones is the same for every question.
            let deposit = log.topic0() == Some(&SwarmEscrow::Deposited::SIGNATURE_HASH);
            self.plant == Plant::LostEvents
                && deposit
                && log.transaction_hash.is_some_and(|tx| tx[0] < 0x60)
        };
        answer(logs.filter(|log| !seldom(log)).collect::<Vec<_>>())
    }

    fn transaction(&self, hash: &B256) -> Option<Transaction> {
        if let Some((block, at)) = self.included(hash) {
            let mut told = unplaced(&block.txs[at].tx);
            told.block_hash = Some(block.header.hash);
            told.block_number = Some(block.header.number);
            told.transaction_index = Some(at as u64);
            told.effective_gas_price = Some(paid(&block.txs[at]));
            return Some(told);
        }
        self.waiting(hash).map(unplaced)
    }
}

fn unplaced(tx: &Tx) -> Transaction {
    Transaction {
        inner: Recovered::new_unchecked(tx.envelope.clone(), tx.sender),
        block_hash: None,
        block_number: None,
        transaction_index: None,
        effective_gas_price: None,
        block_timestamp: None,
    }
}

fn paid(included: &Included) -> u128 {
    included.tx.envelope.effective_gas_price(Some(BASE_FEE))
}

/// A block, or that there is none. What most questions are about is written once.
fn tell(block: Option<&Block>) -> Answer {
    let Some(block) = block else {
        return answer(());
    };
    if let Some(told) = block.told.get() {
        return Ok(told.clone());
    }
    let hashes = block.txs.iter().map(|included| included.tx.hash).collect();
    let told: RpcBlock = RpcBlock {
        header: block.header.clone(),
        uncles: Vec::new(),
        transactions: BlockTransactions::Hashes(hashes),
        withdrawals: None,
    };
    let told = answer(told)?;
    Ok(block.told.get_or_init(|| told).clone())
}

/// The events of a transaction in their places.
fn logs(block: &Block, at: usize) -> Vec<RpcLog> {
    let included = &block.txs[at];
    let numbered = included.outcome.logs.iter().zip(included.first_log..);
    let placed = numbered.map(|(log, number)| RpcLog {
        inner: log.clone(),
        block_hash: Some(block.header.hash),
        block_number: Some(block.header.number),
        block_timestamp: Some(block.header.timestamp),
        transaction_hash: Some(included.tx.hash),
        transaction_index: Some(at as u64),
        log_index: Some(number),
        removed: false,
    });
    placed.collect()
}

fn receipt(block: &Block, at: usize) -> TransactionReceipt {
    let included = &block.txs[at];
    let before = &block.txs[..=at];
    TransactionReceipt {
        inner: ReceiptEnvelope::Eip1559(ReceiptWithBloom {
            receipt: Receipt {
                status: Eip658Value::Eip658(included.outcome.success),
                cumulative_gas_used: before.iter().map(|tx| tx.outcome.gas_used).sum(),
                logs: logs(block, at),
            },
            logs_bloom: included.outcome.logs.iter().collect::<Bloom>(),
        }),
        transaction_hash: included.tx.hash,
        transaction_index: Some(at as u64),
        block_hash: Some(block.header.hash),
        block_number: Some(block.header.number),
        gas_used: included.outcome.gas_used,
        effective_gas_price: paid(included),
        blob_gas_used: None,
        blob_gas_price: None,
        from: included.tx.sender,
        to: included.tx.envelope.to(),
        contract_address: None,
    }
}
