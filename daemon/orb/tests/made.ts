// A whole epoch of any size with true signatures, made here: for measuring how fast a browser recomputes one.
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { hex, keccak256, sha256, utf8 } from "../src/verify/bytes";
import { canonicalBytes } from "../src/verify/canonical";
import { Domain, encodeReceipt, orderCommitment, vectorHash } from "../src/verify/eip712";
import { divide } from "../src/verify/payout";
import { cover, leafHash, PartialTree } from "../src/verify/tree";
import type { Execution, Hex, Order, Receipt } from "../src/verify/types";

/** Files of a bundle by name. */
export type Files = Map<string, Uint8Array>;

const CHAIN_ID = 84_532n;
const PAGE = 10_000;
const FEE = 100_000n;
const SEALED = 1_700_100_000n;

interface Key {
    secret: Uint8Array;
    address: Hex;
}

function key(name: string): Key {
    const secret = keccak256(utf8(name));
    return { secret, address: hex(keccak256(secp256k1.getPublicKey(secret, false).subarray(1)).subarray(12)) };
}

/** 65 bytes r‖s‖v. */
function sign(digest: Uint8Array, { secret }: Key): Hex {
    const bytes = secp256k1.sign(digest, secret, { prehash: false, format: "recovered" });
    return hex(Uint8Array.of(...bytes.subarray(1), 27 + bytes[0]!));
}

const h = (...words: (string | number)[]): Hex => hex(sha256(utf8(words.join(" "))));

/** With every integer as a decimal string. */
const texts = (value: object): Record<string, string> => Object.fromEntries(Object.entries(value).map(([name, field]) => [name, String(field)]));

const many = (count: number, kind: string): Key[] =>
    Array.from({ length: count }, (_, at) => key(`${kind} ${at}`)).sort((left, right) => (left.address < right.address ? -1 : 1));

/** An epoch 1 of an escrow: `receipts` of as many clients and workers as said, in pages of 10 000. */
export function made(escrow: Hex, receipts: number, clients: number, workers: number): Files {
    const domain = new Domain(CHAIN_ID, escrow);
    const files: Files = new Map();
    const [payers, bees] = [many(clients, "client"), many(workers, "worker")];
    const charges = new Map<Hex, bigint>();
    const done = new Map<Hex, bigint>(bees.map(({ address }) => [address, 0n]));
    const power = { ageSeconds: null, battery: "unknown", grid: "unknown", meter: "none", quality: "unknown", solar: "unknown" };
    const leaves: Uint8Array[] = [];
    const jobs = Array.from({ length: receipts }, (_, at) => {
        const payer = payers[Math.floor((at * clients) / receipts)]!;
        const bee = bees[at % workers]!;
        const total = (charges.get(payer.address) ?? 0n) + FEE;
        charges.set(payer.address, total);
        done.set(bee.address, done.get(bee.address)! + 1n);
        const order: Order = { client: payer.address, model: h("model"), input: h("input", at), maxFee: FEE, nonce: BigInt(at + 1), deadline: SEALED };
        const signature = sign(domain.orderDigest(order), payer);
        const both = {
            jobEpoch: 1n, jobSeq: BigInt(at + 1), order: orderCommitment(order, signature), model: order.model, input: order.input, result: h("result", at),
            power: hex(sha256(canonicalBytes(power))), startedAt: 1_700_000_000n, completedAt: 1_700_000_009n, energyMillijoules: 123_000n,
        };
        const execution: Execution = { ...both, engine: hex(sha256(utf8("onnxruntime"))), device: h("device") };
        const digest = domain.executionDigest(execution);
        const receipt: Receipt = { ...both, client: payer.address, worker: bee.address, execution: hex(digest), fee: FEE, clientTotal: total };
        leaves.push(leafHash(encodeReceipt(receipt)));
        return { receipt: texts(receipt), order: { order: texts(order), signature }, execution: texts(execution), executionSignature: sign(digest, bee), engine: "onnxruntime", power };
    });
    const pages = [];
    for (let first = 0; first < receipts; first += PAGE) {
        const name = `jobs/${String(first / PAGE).padStart(5, "0")}.json`;
        const some = jobs.slice(first, first + PAGE);
        files.set(name, canonicalBytes({ first: String(first), jobs: some }));
        const subtrees = cover(BigInt(first), leaves.slice(first, first + PAGE)).map((tree) => ({ ...tree, index: String(tree.index) }));
        pages.push({ file: name, first: String(first), count: String(some.length), subtrees });
    }
    const rates = { protocolBps: 200n, operatorBps: 500n, workBps: 7_000n };
    const [protocol, operator] = [key("protocol").address, key("operator").address];
    const did = bees.map(({ address }) => ({ worker: address, payee: address, fees: done.get(address)! * FEE, readySeconds: 3_600n }));
    const { pools, workers: shares, payees } = divide(rates, protocol, operator, did);
    files.set("agents.json", canonicalBytes(did.map((one) => texts({ ...one, receipts: done.get(one.worker)!, ...shares.get(one.worker)! }))));
    files.set("clients.json", canonicalBytes(payers.filter(({ address }) => charges.has(address)).map(({ address }) => texts({ client: address, receipts: charges.get(address)! / FEE, amount: charges.get(address)! }))));
    const parts = (payee: Hex) => [
        ...(payee === protocol ? [{ kind: "protocol", worker: null, amount: String(pools.protocol) }] : []),
        ...(payee === operator ? [{ kind: "operator", worker: null, amount: String(pools.operator) }] : []),
        ...(["work", "readiness"] as const).flatMap((kind) => {
            const amount = shares.get(payee)?.[kind] ?? 0n;
            return amount > 0n ? [{ kind, worker: payee, amount: String(amount) }] : [];
        }),
    ];
    const paid = [...payees].sort(([left], [right]) => (left < right ? -1 : 1));
    files.set("payouts.json", canonicalBytes(paid.map(([payee, amount]) => ({ payee, amount: String(amount), parts: parts(payee) }))));
    const seal = {
        epoch: 1n, previous: `0x${"00".repeat(32)}` as Hex, receiptsRoot: hex(new PartialTree(BigInt(receipts), cover(0n, leaves)).root()), receiptCount: BigInt(receipts),
        charged: BigInt(receipts) * FEE, charges: vectorHash(charges), payouts: vectorHash(payees), sealedAt: SEALED,
    };
    const summary = canonicalBytes({
        ...texts(seal), version: 1, epochId: "epoch-001", chainId: String(CHAIN_ID), escrow, rates: { protocolBps: 200, operatorBps: 500, workBps: 7_000 },
        protocolPayee: protocol, operatorPayee: operator, pools: texts(pools), pages, files: Object.fromEntries([...files].map(([name, bytes]) => [name, hex(sha256(bytes))])),
    });
    files.set("SUMMARY.json", summary);
    const settler = key("settler");
    const bundle = hex(sha256(summary));
    const over = keccak256(utf8("\x19Ethereum Signed Message:\n32"), sha256(summary));
    files.set("SIGNATURE.txt", utf8(`${settler.address} ${sign(domain.sealDigest({ ...seal, bundle }), settler)} ${sign(over, settler)}\n`));
    return files;
}
