/** What is hashed and signed: ABI words, EIP-712 domain and structures, SHA-256 commitments. */
import { concat, hex, keccak256, sha256, unhex, utf8 } from "./bytes";
import type { Execution, Hex, Order, Receipt } from "./types";

/** A field of a Solidity structure. */
export interface Field {
    name: string;
    type: string;
}

function fields(text: string): Field[] {
    return text.split(",").map((field) => {
        const [type, name] = field.split(" ");
        return { type: type!, name: name! };
    });
}

export const RECEIPT = fields(
    "uint64 jobEpoch,uint64 jobSeq,address client,address worker,bytes32 order,bytes32 model,bytes32 input,bytes32 result," +
        "bytes32 execution,bytes32 power,uint64 fee,uint64 clientTotal,uint64 startedAt,uint64 completedAt,uint64 energyMillijoules",
);
export const ORDER = fields(
    "address client,bytes32 model,bytes32 input,uint64 maxFee,uint64 nonce,uint64 deadline",
);
export const EXECUTION = fields(
    "uint64 jobEpoch,uint64 jobSeq,bytes32 order,bytes32 model,bytes32 input,bytes32 result,bytes32 engine,bytes32 device," +
        "uint64 startedAt,uint64 completedAt,uint64 energyMillijoules,bytes32 power",
);
export const SEAL = fields(
    "uint64 epoch,bytes32 previous,bytes32 receiptsRoot,uint64 receiptCount,bytes32 bundle,uint128 charged,bytes32 charges," +
        "bytes32 payouts,uint64 sealedAt",
);

/** What an epoch's settlers sign. */
export interface Seal {
    epoch: bigint;
    previous: Hex;
    receiptsRoot: Hex;
    receiptCount: bigint;
    bundle: Hex;
    charged: bigint;
    charges: Hex;
    payouts: Hex;
    sealedAt: bigint;
}

/** `abi.encode` of values that take one word each. */
export function words(values: (bigint | Hex)[]): Uint8Array {
    const bytes = new Uint8Array(32 * values.length);
    const view = new DataView(bytes.buffer);
    values.forEach((value, at) => {
        if (typeof value === "bigint") {
            view.setBigUint64(32 * at + 24, value & 0xffff_ffff_ffff_ffffn);
            view.setBigUint64(32 * at + 16, value >> 64n);
        } else {
            const given = unhex(value);
            bytes.set(given, 32 * (at + 1) - given.length);
        }
    });
    return bytes;
}

function pick(shape: Field[], value: object): (bigint | Hex)[] {
    return shape.map(({ name }) => (value as Record<string, bigint | Hex>)[name]!);
}

/** The 480 bytes of a leaf's data. */
export function encodeReceipt(receipt: Receipt): Uint8Array {
    return words(pick(RECEIPT, receipt));
}

/** The 257 bytes behind an order's commitment: 192 of the order, 65 of the signature. */
export function orderPreimage(order: Order, signature: Hex): Uint8Array {
    return concat(words(pick(ORDER, order)), unhex(signature));
}

/** SHA-256(abi.encode(JobOrder) ‖ signature): what receipt and execution name. */
export function orderCommitment(order: Order, signature: Hex): Hex {
    return hex(sha256(orderPreimage(order, signature)));
}

function structHash(name: string, shape: Field[], value: object): Uint8Array {
    const type = `${name}(${shape.map((field) => `${field.type} ${field.name}`).join(",")})`;
    return keccak256(keccak256(utf8(type)), words(pick(shape, value)));
}

/** The struct hash of a seal: what the contract stores, and the next seal's `previous`. */
export function sealHash(seal: Seal): Uint8Array {
    return structHash("EpochSeal", SEAL, seal);
}

/** The EIP-712 domain of one escrow on one chain. */
export class Domain {
    readonly separator: Uint8Array;

    constructor(chainId: bigint, escrow: Hex) {
        const type = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
        this.separator = keccak256(
            keccak256(utf8(type)),
            keccak256(utf8("SwarmEscrow")),
            keccak256(utf8("1")),
            words([chainId, escrow]),
        );
    }

    private digest(structHash: Uint8Array): Uint8Array {
        return keccak256(Uint8Array.of(0x19, 0x01), this.separator, structHash);
    }

    orderDigest(order: Order): Uint8Array {
        return this.digest(structHash("JobOrder", ORDER, order));
    }

    executionDigest(execution: Execution): Uint8Array {
        return this.digest(structHash("Execution", EXECUTION, execution));
    }

    sealDigest(seal: Seal): Uint8Array {
        return this.digest(sealHash(seal));
    }
}

/** keccak256(abi.encode(Entry[])) of a vector: ascending by account, without zero amounts. */
export function vectorHash(amounts: Map<Hex, bigint>): Hex {
    const lines = [...amounts].filter(([, amount]) => amount > 0n).sort(([left], [right]) => (left < right ? -1 : 1));
    return hex(keccak256(words([32n, BigInt(lines.length), ...lines.flat()])));
}
