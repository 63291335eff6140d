/**
 * Many signatures at once. Whether a signature recovers to an address is the question of whether
 * s·R = h·G + r·P for the address's key P; a sum of such equations with random weights holds for all of them or,
 * but for a chance of 2⁻¹²⁸, for none that is summed with a wrong one. That costs a tenth of recovering each.
 */
import { FpInvertBatch } from "@noble/curves/abstract/modular.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { hex } from "./bytes";
import { type Signed, parseSignature, recover, recoverKey } from "./signature";
import type { Hex } from "./types";

const { Point } = secp256k1;
const { Fn } = Point;
type Point = InstanceType<typeof Point>;

/** Bits of a random weight. */
const WEIGHT_BITS = 128;
/** Signatures that are summed at a time; the sum of fewer costs more for each. */
const BATCH = 4_096;

/** A digest, its signature, and the address that it must recover to. */
export interface Claim {
    readonly digest: Uint8Array;
    readonly signature: Hex;
    readonly signer: Hex;
    /** Told the address that the signature recovers to: `signer` when it is true; null for no signature. */
    readonly told: (signer: Hex | null) => void;
}

interface Waiting extends Claim {
    readonly parsed: Signed;
    readonly key: Point;
}

/** Collects claims and settles them in batches. Each claim is told exactly once, at the latest by `settle`. */
export class SignatureBatch {
    /** Keys of addresses, from the first signature of each. */
    private readonly keys = new Map<Hex, Point>();
    private waiting: Waiting[] = [];

    add(claim: Claim): void {
        const parsed = parseSignature(claim.signature);
        const key = this.keys.get(claim.signer);
        if (parsed && key) {
            this.waiting.push({ ...claim, parsed, key });
            if (this.waiting.length >= BATCH) this.settle();
            return;
        }
        const found = parsed && recoverKey(claim.digest, parsed);
        if (found?.address === claim.signer) this.keys.set(claim.signer, found.key);
        claim.told(found?.address ?? null);
    }

    /** Settles what waits. */
    settle(): void {
        const waiting = this.waiting;
        this.waiting = [];
        const holds = allHold(waiting);
        // Which one is wrong a sum does not tell: each is recovered by itself then.
        for (const { digest, signature, signer, told } of waiting) told(holds ? signer : recover(digest, signature));
    }
}

/** Whether every signature is its key's. Weights are drawn after the signatures are there, so none can be made to fit. */
function allHold(waiting: readonly Waiting[]): boolean {
    if (waiting.length === 0) return true;
    const drawn = new Uint8Array((WEIGHT_BITS / 8) * waiting.length);
    // A browser gives at most 65,536 random bytes at a time.
    for (let at = 0; at < drawn.length; at += 65_536) crypto.getRandomValues(drawn.subarray(at, at + 65_536));
    const inverses = FpInvertBatch(Fn, waiting.map(({ parsed }) => parsed.s));
    let ofBase = 0n;
    const ofKeys = new Map<Point, bigint>();
    const nonces: Point[] = [];
    for (const [at, { parsed, key, digest }] of waiting.entries()) {
        const nonce = noncePoint(parsed);
        if (nonce === null) return false;
        nonces.push(nonce);
        const weight = BigInt(hex(drawn.subarray((WEIGHT_BITS / 8) * at, (WEIGHT_BITS / 8) * (at + 1))));
        const share = Fn.mul(weight, inverses[at]!);
        ofBase = Fn.add(ofBase, Fn.mul(share, Fn.create(BigInt(hex(digest)))));
        ofKeys.set(key, Fn.add(ofKeys.get(key) ?? 0n, Fn.mul(share, parsed.r)));
    }
    let sum = Point.BASE.multiplyUnsafe(ofBase);
    for (const [key, share] of ofKeys) sum = sum.add(key.multiplyUnsafe(share));
    return sum.equals(weighted(nonces, drawn));
}

/** The point that was made with a signature's nonce; null when no point has its coordinate. */
function noncePoint({ r, odd }: Signed): Point | null {
    try {
        return Point.fromHex((odd ? "03" : "02") + r.toString(16).padStart(64, "0"));
    } catch {
        return null;
    }
}

/** Σ weight·point by Pippenger's buckets, a byte of the weights at a time. */
function weighted(points: readonly Point[], weights: Uint8Array): Point {
    const bytes = WEIGHT_BITS / 8;
    let sum = Point.ZERO;
    for (let byte = 0; byte < bytes; byte++) {
        for (let bit = 0; bit < 8; bit++) sum = sum.double();
        const buckets = new Array<Point>(256).fill(Point.ZERO);
        for (const [at, point] of points.entries()) {
            const digit = weights[bytes * at + byte]!;
            if (digit > 0) buckets[digit] = buckets[digit]!.add(point);
        }
        let [run, all] = [Point.ZERO, Point.ZERO];
        for (let digit = 255; digit > 0; digit--) {
            run = run.add(buckets[digit]!);
            all = all.add(run);
        }
        sum = sum.add(all);
    }
    return sum;
}
