import { describe, expect, it } from "vitest";
import { canonical } from "./canonical";
import { hex, sha256, unhex, utf8 } from "./bytes";
import { Domain, orderCommitment, vectorHash } from "./eip712";
import { divide, split } from "./payout";
import { eip191, recover } from "./signature";
import { climb, cover, leafHash, PartialTree } from "./tree";
import type { Execution, Hex, Order } from "./types";
import { file, protocol } from "./vectors";

const domain = new Domain(BigInt(protocol.domain.chainId), protocol.domain.verifyingContract);
const big = <T>(message: Record<string, string>): T =>
    Object.fromEntries(Object.entries(message).map(([name, value]) => [name, value.startsWith("0x") ? value : BigInt(value)])) as T;

describe("the protocol's vectors", () => {
    it("of the order", () => {
        const { message, signature, digest, eip191Digest, commitment, signer } = protocol.order;
        const order = big<Order>(message);
        expect(hex(domain.orderDigest(order))).toBe(digest);
        expect(hex(eip191(domain.orderDigest(order)))).toBe(eip191Digest);
        expect(orderCommitment(order, signature)).toBe(commitment);
        expect(recover(unhex(digest), signature)).toBe(signer);
    });

    it("of the execution and of the power record", () => {
        const { message, digest, signature, signer } = protocol.execution;
        expect(hex(domain.executionDigest(big<Execution>(message)))).toBe(digest);
        expect(recover(unhex(digest), signature)).toBe(signer);
        expect(canonical(protocol.power.record)).toBe(protocol.power.canonical);
        expect(hex(sha256(utf8(protocol.power.canonical)))).toBe(protocol.power.digest);
    });

    it("of every tree, its paths and its pages", () => {
        expect(protocol.tree.length).toBeGreaterThan(5);
        for (const { size, leafInputs, root, paths } of protocol.tree as { size: number; leafInputs: Hex[]; root: Hex; paths: Hex[][] }[]) {
            const leaves = leafInputs.map((data) => leafHash(unhex(data)));
            const total = BigInt(size);
            expect(hex(new PartialTree(total, [], 0n, leaves).root())).toBe(root);
            paths.forEach((path, at) => {
                expect(climb(leaves[at]!, BigInt(at), total, path)?.at(-1)?.hash).toBe(root);
                expect(climb(leaves[at]!, BigInt((at + 1) % size), total, path)?.at(-1)?.hash === root).toBe(size === 1);
                // A page of its own leaves and the other pages' subtrees is enough, wherever the pages are cut.
                const cut = Math.floor(at / 2);
                const others = [...cover(0n, leaves.slice(0, cut)), ...cover(BigInt(at + 1), leaves.slice(at + 1))];
                const tree = new PartialTree(total, others, BigInt(cut), leaves.slice(cut, at + 1));
                expect(tree.path(BigInt(at)).map(hex)).toEqual(path);
            });
        }
    });

    it("of the largest remainder", () => {
        const { pool, weights, shares } = protocol.split;
        const given = new Map<Hex, bigint>(weights.map(([who, weight]: [Hex, string | number]) => [who, BigInt(weight)]));
        const expected = new Map(Object.entries(shares as Record<Hex, string>).map(([who, share]) => [who, BigInt(share)]));
        expect(split(BigInt(pool), given)).toEqual(expected);
        expect(split(1n, new Map([["0x01", 0n]]))).toBeNull();
    });

    it("of the vectors' hashes", () => {
        const summary = JSON.parse(new TextDecoder().decode(file("SUMMARY.json")));
        const clients: { client: Hex; amount: string }[] = JSON.parse(new TextDecoder().decode(file("clients.json")));
        expect(vectorHash(new Map(clients.map((c) => [c.client, BigInt(c.amount)])))).toBe(summary.charges);
    });
});

describe("the payout rule", () => {
    const address = (byte: string): Hex => `0x${byte.repeat(20)}`;
    const rates = { protocolBps: 200n, operatorBps: 500n, workBps: 7000n };

    it("divides ten cents as the protocol says, and loses nothing", () => {
        const worker = { worker: address("01"), payee: address("09"), fees: 100_000n, readySeconds: 5n };
        const { pools, payees } = divide(rates, address("07"), address("08"), [worker]);
        expect(pools).toEqual({ protocol: 2_000n, operator: 5_000n, work: 65_100n, readiness: 27_900n });
        expect([...payees.values()].reduce((sum, amount) => sum + amount, 0n)).toBe(100_000n);
    });

    it("gives the readiness pool to work when nobody was ready", () => {
        const worker = { worker: address("01"), payee: address("09"), fees: 100_000n, readySeconds: 0n };
        const { pools, payees } = divide(rates, address("07"), address("08"), [worker]);
        expect([pools.work, pools.readiness, payees.get(address("09"))]).toEqual([93_000n, 0n, 93_000n]);
    });
});

describe("a signature", () => {
    const { digest, signature } = protocol.order as { digest: Hex; signature: Hex };

    it("that is malleable, has another v or is cut short counts for nobody", () => {
        const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
        const s = BigInt(`0x${signature.slice(66, 130)}`);
        const v = signature.endsWith("1b") ? "1c" : "1b";
        const twin: Hex = `0x${signature.slice(2, 66)}${(n - s).toString(16).padStart(64, "0")}${v}`;
        for (const bad of [twin, `${signature.slice(0, -2)}00`, signature.slice(0, -2), `0x${"00".repeat(64)}1b`, `0x${"ff".repeat(64)}1b`]) {
            expect(recover(unhex(digest), bad as Hex)).toBeNull();
        }
    });
});
