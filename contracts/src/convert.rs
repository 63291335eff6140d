//! From the protocol's structures to those of the bindings.

use swarm_types::eip712;

use crate::SwarmEscrow::{Entry, EpochSeal, Receipt};

impl From<&eip712::EpochSeal> for EpochSeal {
    fn from(seal: &eip712::EpochSeal) -> Self {
        Self {
            epoch: seal.epoch,
            previous: seal.previous,
            receiptsRoot: seal.receiptsRoot,
            receiptCount: seal.receiptCount,
            bundle: seal.bundle,
            charged: seal.charged,
            charges: seal.charges,
            payouts: seal.payouts,
            sealedAt: seal.sealedAt,
        }
    }
}

impl From<&eip712::Entry> for Entry {
    fn from(entry: &eip712::Entry) -> Self {
        Self {
            account: entry.account,
            amount: entry.amount,
        }
    }
}

impl From<&eip712::Receipt> for Receipt {
    fn from(receipt: &eip712::Receipt) -> Self {
        Self {
            jobEpoch: receipt.jobEpoch,
            jobSeq: receipt.jobSeq,
            client: receipt.client,
            worker: receipt.worker,
            order: receipt.order,
            model: receipt.model,
            input: receipt.input,
            result: receipt.result,
            execution: receipt.execution,
            power: receipt.power,
            fee: receipt.fee,
            clientTotal: receipt.clientTotal,
            startedAt: receipt.startedAt,
            completedAt: receipt.completedAt,
            energyMillijoules: receipt.energyMillijoules,
        }
    }
}

impl From<&swarm_types::receipt::Receipt> for Receipt {
    fn from(receipt: &swarm_types::receipt::Receipt) -> Self {
        Self {
            jobEpoch: receipt.job_epoch,
            jobSeq: receipt.job_seq,
            client: receipt.client,
            worker: receipt.worker,
            order: receipt.order,
            model: receipt.model,
            input: receipt.input,
            result: receipt.result,
            execution: receipt.execution,
            power: receipt.power,
            fee: receipt.fee.0,
            clientTotal: receipt.client_total.0,
            startedAt: receipt.started_at,
            completedAt: receipt.completed_at,
            energyMillijoules: receipt.energy_millijoules,
        }
    }
}
