/** What must hold between a receipt, its order and its execution, from bytes alone. */
import { hex } from "./bytes";
import { type Domain, orderCommitment } from "./eip712";
import { eip191, recover } from "./signature";
import type { Execution, Hex, Order, Receipt } from "./types";

/** A receipt with what it was made of. */
export interface Settled {
    receipt: Receipt;
    order: { order: Order; signature: Hex };
    execution: Execution;
    executionSignature: Hex;
}

/** One thing that must hold. */
export interface Finding {
    holds: boolean;
    computed: string;
    expected: string;
}

const ORDER_FIELDS = ["client", "model", "input"] as const;
const EXECUTION_FIELDS = [
    "jobEpoch", "jobSeq", "order", "model", "input", "result", "power", "startedAt", "completedAt", "energyMillijoules",
] as const;

function same(computed: string, expected: string): Finding {
    return { holds: computed === expected, computed, expected };
}

/** The fields in which two structures differ. */
function fieldsAgree<Name extends string>(names: readonly Name[], left: Record<Name, unknown>, right: Record<Name, unknown>): Finding {
    const differ = names.filter((name) => left[name] !== right[name]);
    if (differ.length === 0) return { holds: true, computed: names.join(", "), expected: "the same" };
    const list = (side: Record<Name, unknown>) => differ.map((name) => `${name} ${String(side[name])}`).join(", ");
    return { holds: false, computed: list(left), expected: list(right) };
}

/** Every finding by the id of its step. Signers are apart: an order's may need the chain, and many are found together. */
export function agreement(settled: Settled, executionDigest: Uint8Array, epoch: bigint) {
    const { receipt, execution } = settled;
    const { order, signature } = settled.order;
    const late = receipt.jobEpoch > epoch;
    return {
        "order-commitment": same(orderCommitment(order, signature), receipt.order),
        "order-fields": fieldsAgree(ORDER_FIELDS, order, receipt),
        fee: { holds: receipt.fee <= order.maxFee, computed: `${receipt.fee} µUSDC`, expected: `at most ${order.maxFee} µUSDC` },
        deadline: {
            holds: receipt.completedAt <= order.deadline,
            computed: `completed at ${receipt.completedAt}`,
            expected: `at the latest at ${order.deadline}`,
        },
        "execution-digest": same(hex(executionDigest), receipt.execution),
        "execution-fields": fieldsAgree(EXECUTION_FIELDS, execution, receipt),
        times: {
            holds: receipt.startedAt <= receipt.completedAt && !late,
            computed: `submitted in epoch ${receipt.jobEpoch}, started at ${receipt.startedAt}, completed at ${receipt.completedAt}`,
            expected: `in epoch ${epoch} or before, and in this order`,
        },
    } satisfies Record<string, Finding>;
}

/** Whether the worker of a receipt signed its execution, of which `signer` was recovered. */
export function executionSigned(signer: Hex | null, receipt: Receipt): Finding {
    return same(signer ?? "no address: the signature is not valid", receipt.worker);
}

/** Who signed an order: the client itself, or the addresses of which one must be its order signer. */
export function orderSigners(settled: Settled, domain: Domain): { isClient: boolean; signers: Hex[] } {
    const { order, signature } = settled.order;
    const { client } = settled.receipt;
    const digest = domain.orderDigest(order);
    const direct = recover(digest, signature);
    if (direct === client) return { isClient: true, signers: [direct] };
    const message = recover(eip191(digest), signature);
    const signers = [direct, message].filter((signer) => signer !== null);
    return { isClient: message === client, signers: message === client ? [message] : signers };
}
