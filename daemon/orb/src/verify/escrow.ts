/** What the escrow contract says, read by `eth_call`. */
import { concat, hex, keccak256, unhex, utf8 } from "./bytes";
import { encodeReceipt, words } from "./eip712";
import { shown } from "./read";
import { type Rpc, RpcError } from "./rpc";
import type { Hex, Receipt, ReceiptProof } from "./types";

export type EpochStatus = "none" | "pending" | "final" | "void";
const STATUSES: EpochStatus[] = ["none", "pending", "final", "void"];

/** What the contract stores of an epoch. */
export interface EpochView {
    status: EpochStatus;
    sealHash: Hex;
    receiptsRoot: Hex;
    receiptCount: bigint;
    charged: bigint;
    sealedAt: bigint;
    settledAt: bigint;
    finalAt: bigint;
}

/** What the contract says of an account. */
export interface AccountView {
    balance: bigint;
    pending: bigint;
    chargeable: bigint;
    cap: bigint;
    nextCap: bigint;
    nextCapAt: bigint;
    withdrawing: bigint;
    maturesAt: bigint;
}

const RECEIPT_TUPLE =
    "(uint64,uint64,address,address,bytes32,bytes32,bytes32,bytes32,bytes32,bytes32,uint64,uint64,uint64,uint64,uint64)";
export const VERIFY_RECEIPT = `verifyReceipt(uint64,uint64,${RECEIPT_TUPLE},bytes32[])`;
export const RECEIPT_LEAF = `receiptLeaf(${RECEIPT_TUPLE})`;
export const EPOCHS = "epochs(uint64)";
/** Lists of the contract that are read: settlers are at most 16. */
const LIST_MAX = 64n;

/** Calldata: the selector, then the encoded arguments. */
export function calldata(signature: string, ...encoded: Uint8Array[]): Uint8Array {
    return concat(keccak256(utf8(signature)).subarray(0, 4), ...encoded);
}

/** Calldata of `verifyReceipt` for a proof. */
export function verifyReceiptData(proof: ReceiptProof): Uint8Array {
    return calldata(
        VERIFY_RECEIPT,
        words([proof.epoch, proof.index]),
        encodeReceipt(proof.receipt),
        // The path's place in the arguments (18 words before it), its length, its hashes.
        words([18n * 32n, BigInt(proof.path.length), ...proof.path]),
    );
}

/** The contract at an address. Every method throws `RpcError` when there is no answer that can be read. */
export class Escrow {
    constructor(
        readonly rpc: Rpc,
        readonly address: Hex,
    ) {}

    async chainId(): Promise<bigint> {
        const answer = await this.rpc.call("eth_chainId", []);
        if (typeof answer === "string" && /^0x[0-9a-f]{1,16}$/i.test(answer)) return BigInt(answer);
        throw new RpcError(`the chain's node answered eth_chainId with ${shown(answer)}`);
    }

    /** The answer of a view, as 32-byte words; at least `least` of them. */
    async view(data: Uint8Array, least: number): Promise<Uint8Array[]> {
        const call = { to: this.address, data: hex(data) };
        const answer = await this.rpc.call("eth_call", [call, "latest"]);
        if (answer === "0x") throw new RpcError(`there is no such contract at ${this.address} on this chain`);
        if (typeof answer !== "string" || !/^0x([0-9a-f]{64})+$/i.test(answer)) {
            throw new RpcError(`the chain's node answered eth_call with ${shown(answer)}`);
        }
        const bytes = unhex(answer.toLowerCase() as Hex);
        const found = Array.from({ length: bytes.length / 32 }, (_, at) => bytes.subarray(32 * at, 32 * (at + 1)));
        if (found.length < least) throw new RpcError(`the contract answered with ${found.length} words instead of ${least}`);
        return found;
    }

    private async one(signature: string): Promise<Uint8Array> {
        return (await this.view(calldata(signature), 1))[0]!;
    }

    async number(signature: string): Promise<bigint> {
        return number(await this.one(signature));
    }

    async account(client: Hex): Promise<AccountView> {
        const found = (await this.view(calldata("account(address)", words([client])), 8)).map(number);
        const [balance, pending, chargeable, cap, nextCap, nextCapAt, withdrawing, maturesAt] = found as [
            bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint,
        ];
        return { balance, pending, chargeable, cap, nextCap, nextCapAt, withdrawing, maturesAt };
    }

    async owed(payee: Hex): Promise<{ claimable: bigint; pending: bigint }> {
        const [claimable, pending] = await this.view(calldata("owed(address)", words([payee])), 2);
        return { claimable: number(claimable!), pending: number(pending!) };
    }

    async domainSeparator(): Promise<Hex> {
        return hex(await this.one("domainSeparator()"));
    }

    async epoch(epoch: bigint): Promise<EpochView> {
        const found = await this.view(calldata(EPOCHS, words([epoch])), 8);
        return {
            status: status(found[0]!),
            sealHash: hex(found[1]!),
            receiptsRoot: hex(found[2]!),
            receiptCount: number(found[3]!),
            charged: number(found[4]!),
            sealedAt: number(found[5]!),
            settledAt: number(found[6]!),
            finalAt: number(found[7]!),
        };
    }

    async receiptLeaf(receipt: Receipt): Promise<Hex> {
        return hex((await this.view(calldata(RECEIPT_LEAF, encodeReceipt(receipt)), 1))[0]!);
    }

    async verifyReceipt(proof: ReceiptProof): Promise<{ included: boolean; status: EpochStatus }> {
        const found = await this.view(verifyReceiptData(proof), 2);
        return { included: number(found[0]!) === 1n, status: status(found[1]!) };
    }

    /** Whether `signer` was ever an order signer of `client`, and from when on it no longer is (0: it is). */
    async orderSigner(client: Hex, signer: Hex): Promise<{ added: boolean; removedAt: bigint }> {
        const found = await this.view(calldata("orderSigner(address,address)", words([client, signer])), 2);
        return { added: number(found[0]!) === 1n, removedAt: number(found[1]!) };
    }

    async settlers(): Promise<Hex[]> {
        return addresses(await this.view(calldata("settlers()"), 2));
    }

    /** Every set of settlers that there ever was, as the contract announced them. Nodes may refuse it. */
    async everySettler(): Promise<Set<Hex>> {
        const topics = [hex(keccak256(utf8("SettlersChanged(address[],uint64)")))];
        const logs = await this.rpc.call("eth_getLogs", [{ address: this.address, fromBlock: "0x0", toBlock: "latest", topics }]);
        if (!Array.isArray(logs)) throw new RpcError(`the chain's node answered eth_getLogs with ${shown(logs)}`);
        const found = new Set<Hex>();
        for (const log of logs) {
            const data: unknown = (log as { data?: unknown } | null)?.data;
            if (typeof data !== "string" || !/^0x([0-9a-f]{64})+$/i.test(data)) throw new RpcError("a log of the chain's node has no data");
            const bytes = unhex(data.toLowerCase() as Hex);
            const log32 = Array.from({ length: bytes.length / 32 }, (_, at) => bytes.subarray(32 * at, 32 * (at + 1)));
            for (const settler of addresses(log32)) found.add(settler);
        }
        return found;
    }
}

function number(word: Uint8Array): bigint {
    return BigInt(hex(word));
}

function status(word: Uint8Array): EpochStatus {
    const found = STATUSES[Number(number(word))];
    if (found === undefined) throw new RpcError(`the contract names a status ${number(word)}`);
    return found;
}

/** A list of addresses whose offset is the first word. */
function addresses(data: Uint8Array[]): Hex[] {
    const at = Number(number(data[0]!) / 32n);
    const length = data[at] === undefined ? LIST_MAX + 1n : number(data[at]);
    if (length > LIST_MAX || data.length < at + 1 + Number(length)) throw new RpcError("the contract answered with no list of addresses");
    return data.slice(at + 1, at + 1 + Number(length)).map((word) => hex(word.subarray(12)));
}
