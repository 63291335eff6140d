import { expect, test } from "vitest";
import { namehash, resolveName } from "./names";
import { Rpc } from "./rpc";

test("hashes are those of EIP-137", () => {
    expect(namehash("")).toBe(`0x${"00".repeat(32)}`);
    expect(namehash("eth")).toBe("0x93cdeb708b7545dc668eb9280176169d1c33cfd8ed6f04690a0bcc88a93fc4ae");
    expect(namehash("foo.eth")).toBe("0xde9b09fd7c5f901e23a3f19fecc54828e9c848539801e86591bd9801b019f84f");
});

const REGISTRY = `0x${"11".repeat(20)}` as const;
const RESOLVER = `0x${"22".repeat(20)}` as const;
const OWNER = `0x${"33".repeat(20)}`;
const word = (address: string): string => `0x${"00".repeat(12)}${address.slice(2)}`;

/** A node that gives these answers to calls of a contract, and 84532 and 16 as chain and block. */
function node(answers: Record<string, unknown>): Rpc {
    const fetch = (async (_: unknown, init: RequestInit) => {
        const { method, params } = JSON.parse(String(init.body)) as { method: string; params: [{ to: string }, string] };
        const result = method === "eth_chainId" ? "0x14a34" : method === "eth_blockNumber" ? "0x10" : params[1] === "0x10" ? answers[params[0].to] : "another block";
        return new Response(JSON.stringify({ jsonrpc: "2.0", id: 1, result }));
    }) as typeof globalThis.fetch;
    return new Rpc("http://node", { fetch });
}

const resolve = (answers: Record<string, unknown>) => resolveName(node(answers), REGISTRY, 84_532n, "clinic.eth");

test("a name leads through its resolver to an address, as of a block", async () => {
    expect(await resolve({ [REGISTRY]: word(RESOLVER), [RESOLVER]: word(OWNER) })).toEqual({ address: OWNER, block: 16n });
    expect(await resolve({ [REGISTRY]: word(`0x${"00".repeat(20)}`) })).toEqual({ address: null, block: 16n });
    expect(await resolve({ [REGISTRY]: word(RESOLVER), [RESOLVER]: word(`0x${"00".repeat(20)}`) })).toEqual({ address: null, block: 16n });
});

test("nonsense is no address, and a node of another chain is not asked", async () => {
    for (const bad of ["0x", "0x1234", `0x${"ff".repeat(32)}`, null, 7, "<img src=x>"]) await expect(resolve({ [REGISTRY]: bad })).rejects.toThrow("no address");
    await expect(resolveName(node({}), REGISTRY, 1n, "clinic.eth")).rejects.toThrow("chain 84532, and the names are on chain 1");
});
