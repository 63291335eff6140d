/** Who gets what of an epoch's revenue (PROTOCOL §1): fees off the top, then two pools by largest remainder. */
import type { Hex } from "./types";

const BASIS_POINTS = 10_000n;

export interface Rates {
    protocolBps: bigint;
    operatorBps: bigint;
    workBps: bigint;
}

export interface Pools {
    protocol: bigint;
    operator: bigint;
    work: bigint;
    readiness: bigint;
}

/** What a worker did. */
export interface Contribution {
    worker: Hex;
    payee: Hex;
    fees: bigint;
    readySeconds: bigint;
}

export interface Share {
    work: bigint;
    readiness: bigint;
}

export interface Division {
    /** As shared out: readiness joins work when nobody was ready. */
    pools: Pools;
    workers: Map<Hex, Share>;
    /** Each payee's total. */
    payees: Map<Hex, bigint>;
}

/** Whether the rates stay within a hundred percent. */
export function ratesClose(rates: Rates): boolean {
    return rates.protocolBps + rates.operatorBps <= BASIS_POINTS && rates.workBps <= BASIS_POINTS;
}

/**
 * Splits `pool` by weights: quota ⌊pool·w/W⌋, what is left one unit each by larger remainder, ties to the lower
 * address. Null when all weights are zero.
 */
export function split(pool: bigint, weights: Map<Hex, bigint>): Map<Hex, bigint> | null {
    const total = [...weights.values()].reduce((sum, weight) => sum + weight, 0n);
    if (total === 0n) return null;
    const shares = new Map<Hex, bigint>();
    const remainders: { remainder: bigint; worker: Hex }[] = [];
    let left = pool;
    for (const [worker, weight] of weights) {
        if (weight === 0n) continue;
        const quota = (pool * weight) / total;
        left -= quota;
        shares.set(worker, quota);
        remainders.push({ remainder: (pool * weight) % total, worker });
    }
    remainders.sort((a, b) => (a.remainder !== b.remainder ? (a.remainder > b.remainder ? -1 : 1) : a.worker < b.worker ? -1 : 1));
    for (const { worker } of remainders.slice(0, Number(left))) shares.set(worker, shares.get(worker)! + 1n);
    return shares;
}

/** Divides the workers' fees. */
export function divide(rates: Rates, protocolPayee: Hex, operatorPayee: Hex, workers: Contribution[]): Division {
    const revenue = workers.reduce((sum, worker) => sum + worker.fees, 0n);
    const protocol = (revenue * rates.protocolBps) / BASIS_POINTS;
    const operator = (revenue * rates.operatorBps) / BASIS_POINTS;
    const pool = revenue - protocol - operator;
    let work = (pool * rates.workBps) / BASIS_POINTS;
    let ready = split(pool - work, new Map(workers.map((w) => [w.worker, w.readySeconds])));
    if (ready === null) {
        work = pool;
        ready = new Map();
    }
    const done = split(work, new Map(workers.map((w) => [w.worker, w.fees]))) ?? new Map<Hex, bigint>();

    const payees = new Map<Hex, bigint>();
    const pay = (payee: Hex, amount: bigint) => payees.set(payee, (payees.get(payee) ?? 0n) + amount);
    pay(protocolPayee, protocol);
    pay(operatorPayee, operator);
    const shares = new Map<Hex, Share>();
    for (const { worker, payee } of workers) {
        const share = { work: done.get(worker) ?? 0n, readiness: ready.get(worker) ?? 0n };
        pay(payee, share.work);
        pay(payee, share.readiness);
        shares.set(worker, share);
    }
    for (const [payee, amount] of payees) if (amount === 0n) payees.delete(payee);
    return { pools: { protocol, operator, work, readiness: pool - work }, workers: shares, payees };
}
