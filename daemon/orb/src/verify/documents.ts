/** The formats of the bundle's files and of a receipt's proof, read strictly. */
import type { Hex, ReceiptProof } from "./types";
import { address, count, entries, hash, list, Malformed, nullable, object, oneOf, signature, text, u64, type Reader } from "./read";

/** Receipts in one `jobs/NNNNN.json`. */
export const PAGE_RECEIPTS = 10_000;
/** Pages of an epoch that are taken: a hundred million receipts. */
const PAGES_MAX = 10_000;
/** Workers, clients and payees of an epoch that are taken. The contract's limit on entries is far below. */
const LINES_MAX = 20_000;
/** A path of a tree of 2⁶⁴ leaves. */
const PATH_MAX = 64;

export const receipt = object({
    jobEpoch: u64,
    jobSeq: u64,
    client: address,
    worker: address,
    order: hash,
    model: hash,
    input: hash,
    result: hash,
    execution: hash,
    power: hash,
    fee: u64,
    clientTotal: u64,
    startedAt: u64,
    completedAt: u64,
    energyMillijoules: u64,
});

const order = object({ client: address, model: hash, input: hash, maxFee: u64, nonce: u64, deadline: u64 });
const signedOrder = object({ order, signature });

const execution = object({
    jobEpoch: u64,
    jobSeq: u64,
    order: hash,
    model: hash,
    input: hash,
    result: hash,
    engine: hash,
    device: hash,
    startedAt: u64,
    completedAt: u64,
    energyMillijoules: u64,
    power: hash,
});

const bps: Reader<unknown> = (value, where) =>
    value === "unknown" ? value : object({ bps: count(65_535) })(value, where);

const power = object({
    meter: text(200),
    quality: oneOf("good", "stale", "estimated", "unknown"),
    ageSeconds: nullable(count(4_294_967_295)),
    solar: bps,
    battery: bps,
    grid: bps,
});

export const jobEntry = object({
    receipt,
    order: signedOrder,
    execution,
    executionSignature: signature,
    engine: text(1_000),
    power,
});
export type JobEntry = ReturnType<typeof jobEntry>;

export const jobsPage = object({ first: u64, jobs: list(jobEntry, PAGE_RECEIPTS) });
export type JobsPage = ReturnType<typeof jobsPage>;

export const agents = list(
    object({ worker: address, payee: address, receipts: u64, fees: u64, readySeconds: u64, work: u64, readiness: u64 }),
    LINES_MAX,
);
export const clients = list(object({ client: address, receipts: u64, amount: u64 }), LINES_MAX);
export const payouts = list(
    object({
        payee: address,
        amount: u64,
        parts: list(
            object({ kind: oneOf("protocol", "operator", "work", "readiness"), worker: nullable(address), amount: u64 }),
            2 * LINES_MAX,
        ),
    }),
    LINES_MAX,
);
export type Payout = ReturnType<typeof payouts>[number];

const subtree = object({ level: count(63), index: u64, hash });
const pagePlace = object({ file: text(40), first: u64, count: u64, subtrees: list(subtree, 130) });

/** Names of files: exactly the bundle's own, so that a name can never lead elsewhere. */
const files: Reader<Map<string, Hex>> = (value, where) => {
    const found = new Map<string, Hex>();
    for (const [name, digest] of entries(value, where)) {
        if (!isBundleFile(name)) throw new Malformed(where, `${JSON.stringify(name.slice(0, 40))} is no file of a bundle`);
        found.set(name, hash(digest, `${where}.${name}`));
    }
    return found;
};

function isBundleFile(name: string): boolean {
    return ["agents.json", "clients.json", "payouts.json"].includes(name) || /^jobs\/[0-9]{5,}\.json$/.test(name);
}

/** Name of page `number` of the receipts. */
export function pageName(number: number): string {
    return `jobs/${String(number).padStart(5, "0")}.json`;
}

export const summary = object({
    version: count(1),
    epochId: text(40),
    epoch: u64,
    chainId: u64,
    escrow: address,
    previous: hash,
    receiptsRoot: hash,
    receiptCount: u64,
    charged: u64,
    charges: hash,
    payouts: hash,
    sealedAt: u64,
    rates: object({ protocolBps: count(10_000), operatorBps: count(10_000), workBps: count(10_000) }),
    protocolPayee: address,
    operatorPayee: address,
    pools: object({ protocol: u64, operator: u64, work: u64, readiness: u64 }),
    pages: list(pagePlace, PAGES_MAX),
    files,
});
export type Summary = ReturnType<typeof summary>;

/** A line of SIGNATURE.txt. */
export interface SettlerSignature {
    settler: Hex;
    seal: Hex;
    summary: Hex;
}

/** Reads SIGNATURE.txt: a line a settler, in ascending order, nothing else. */
export function signatureFile(bytes: Uint8Array): SettlerSignature[] {
    const where = "SIGNATURE.txt";
    const lines = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes).split("\n");
    if (lines.pop() !== "") throw new Malformed(where, "its last line does not end");
    return lines.map((line, at) => {
        const [settler, seal, over, ...more] = line.split(" ");
        if (more.length > 0) throw new Malformed(where, `line ${at + 1} has more than three words`);
        const place = `${where}, line ${at + 1}`;
        const read = { settler: address(settler, place), seal: signature(seal, place), summary: signature(over, place) };
        if (at > 0 && lines[at - 1]! >= line) throw new Malformed(place, "is not in ascending order");
        return read;
    });
}

const proof = object(
    {
        receipt,
        order: signedOrder,
        execution,
        execution_signature: signature,
        epoch: u64,
        index: u64,
        size: u64,
        path: list(hash, PATH_MAX),
        root: hash,
        chain_id: u64,
        escrow: address,
    },
    // The API may say more beside it; nothing else is read.
    "ignore",
);

/** Reads the API's document of a receipt; throws `Malformed` with the field's name. */
export function readProof(document: unknown): ReceiptProof {
    const { execution_signature, chain_id, ...rest } = proof(document, "");
    return { ...rest, executionSignature: execution_signature, chainId: chain_id };
}
