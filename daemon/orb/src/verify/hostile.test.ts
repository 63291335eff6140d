import { describe, expect, it } from "vitest";
import { bundleAt, receiptFromBundle } from "./bundle";
import { canonicalBytes } from "./canonical";
import { utf8 } from "./bytes";
import { epochSteps, verifyEpoch } from "./epoch";
import { receiptSteps, verifyReceipt } from "./receipt";
import { all, bundle, file, ids, trusted } from "./vectors";

type Document = Record<string, unknown> & { receipt: Record<string, unknown>; order: Record<string, unknown> };
const good = (await receiptFromBundle(bundle(), { index: 1n })) as Document;
const withReceipt = (field: string, value: unknown) => ({ ...good, receipt: { ...good.receipt, [field]: value } });

/** The one failed step of a document that is not a receipt, and that nothing else claims a result. */
async function refusal(document: unknown): Promise<string> {
    const steps = await all(verifyReceipt(document, trusted));
    expect(ids(steps, "fail")).toEqual(["form"]);
    expect(ids(steps, "unknown")).toHaveLength(receiptSteps().length - 1);
    return steps[0]!.computed;
}

describe("a document that is no receipt", () => {
    it.each<[unknown, string]>([
        [null, "expected an object, found null"],
        [[], "expected an object, found a list of 0"],
        ["receipt", 'expected an object, found "receipt"'],
        [{}, "receipt: is missing"],
        [{ ...good, receipt: [1, 2] }, "receipt: expected an object, found a list of 2"],
        [withReceipt("fee", 100_000), "receipt.fee: expected a 64-bit integer as a decimal string, found the number 100000"],
        [withReceipt("fee", "0x10"), 'receipt.fee: expected a 64-bit integer as a decimal string, found "0x10"'],
        [withReceipt("fee", "-1"), "receipt.fee:"],
        [withReceipt("fee", "007"), "receipt.fee:"],
        [withReceipt("fee", "18446744073709551616"), "receipt.fee:"],
        [withReceipt("fee", "9".repeat(1_000_000)), "receipt.fee:"],
        [withReceipt("client", "0x" + "AB".repeat(20)), "receipt.client: expected an address"],
        [withReceipt("client", "0x" + "ab".repeat(19)), "receipt.client: expected an address"],
        [withReceipt("client", "<img src=x onerror=alert(1)>"), 'receipt.client: expected an address (0x and 40 lower-case hex digits), found "<img src=x onerror=alert(1)>"'],
        [withReceipt("order", { toString: "x" }), "receipt.order: expected a hash"],
        [withReceipt("extra", "1"), 'receipt: has a field "extra" that its format does not have'],
        [{ ...good, path: Array(100_000).fill("0x" + "00".repeat(32)) }, "path: expected at most 64 items, found 100000"],
        [{ ...good, path: { length: 1 } }, "path: expected a list, found an object"],
        [{ ...good, path: [null] }, "path[0]: expected a hash"],
        [{ ...good, execution_signature: "0x" }, "execution_signature: expected a signature"],
        [{ ...good, index: 1n }, "index: expected a 64-bit integer as a decimal string, found the bigint 1"],
        [{ ...good, escrow: undefined }, "escrow: expected an address"],
    ])("%# is refused by the name of its field", async (document, message) => {
        const said = await refusal(document);
        expect(said.slice(0, message.length)).toBe(message);
        expect(said.length).toBeLessThan(200);
    });

    it("cannot lend fields from a prototype, nor change one", async () => {
        const text = JSON.stringify(good).replace('"fee":"100000"', '"__proto__":{"fee":"1"}');
        expect(await refusal(JSON.parse(text))).toMatch(/^receipt/);
        expect(await refusal(Object.create(good))).toBe("receipt: is missing");
        expect(({} as Record<string, unknown>)["fee"]).toBeUndefined();
        const named = JSON.parse(JSON.stringify(good).replace('"receipt":{', '"receipt":{"constructor":"x",'));
        expect(await refusal(named)).toContain('"constructor"');
    });
});

describe("a bundle that means harm", () => {
    const failing = async (name: string, bytes: Uint8Array) => all(verifyEpoch(bundle({ [name]: bytes }), trusted));

    it.each<[string, Uint8Array]>([
        ["not UTF-8", Uint8Array.of(0xff, 0xfe)],
        ["empty", new Uint8Array()],
        ["a byte order mark", utf8("\ufeff{}")],
        ["deep", utf8("[".repeat(200_000))],
        ["deep and closed", utf8("[".repeat(100_000) + "]".repeat(100_000))],
        ["deep objects", utf8('{"a":'.repeat(50_000) + "1" + "}".repeat(50_000))],
        ["a key twice", utf8(new TextDecoder().decode(file("SUMMARY.json")).replace('"version":1', '"version":1,"version":1'))],
        ["a number too large", utf8(new TextDecoder().decode(file("SUMMARY.json")).replace('"version":1', '"version":1e999'))],
        ["a prototype", utf8(new TextDecoder().decode(file("SUMMARY.json")).replace('{"chainId"', '{"__proto__":{"chainId":"1"},"chainId"'))],
    ])("with a SUMMARY.json that is %s fails at its form", async (_, bytes) => {
        const steps = await failing("SUMMARY.json", bytes);
        expect(ids(steps, "fail")).toEqual(["form"]);
        expect(steps).toHaveLength(epochSteps().length);
        expect(steps[0]!.computed.length).toBeLessThan(300);
    });

    it("with too many pages, lines or parts is refused before it is walked", async () => {
        const summary = JSON.parse(new TextDecoder().decode(file("SUMMARY.json")));
        summary.pages = Array(10_001).fill(summary.pages[0]);
        expect((await failing("SUMMARY.json", canonicalBytes(summary)))[0]!.computed).toContain("pages: expected at most 10000 items");
        const clients = Array(20_001).fill({ amount: "1", client: "0x" + "00".repeat(20), receipts: "1" });
        const steps = await failing("clients.json", canonicalBytes(clients));
        expect(steps.find((step) => step.id === "canonical")!.computed).toContain("clients.json: expected at most 20000 items");
    });

    it("cannot make the reader leave its folder, nor read without end", async () => {
        const asked: string[] = [];
        const endless = async (url: RequestInfo | URL) => {
            asked.push(String(url));
            const chunk = new Uint8Array(8 * 1024 * 1024);
            return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(chunk) }));
        };
        const steps = await all(verifyEpoch(bundleAt("https://rack.example/audit/epoch-002/", { fetch: endless as typeof fetch }), trusted));
        expect(steps[0]).toMatchObject({ id: "form", state: "unknown" });
        expect(steps[0]!.meaning).toContain("SUMMARY.json could not be fetched: is longer than");
        expect(asked).toEqual(["https://rack.example/audit/epoch-002/SUMMARY.json"]);
    });
});

describe("a node that means harm", () => {
    const answering = (body: unknown, init?: ResponseInit) => ({
        ...trusted,
        rpc: "http://127.0.0.1:1",
        fetch: (async () => new Response(typeof body === "string" ? body : JSON.stringify(body), init)) as typeof fetch,
    });

    it.each<[string, unknown, ResponseInit?]>([
        ["no JSON", "<html>"],
        ["null", "null"],
        ["an error", { error: { message: "x".repeat(10_000) } }],
        ["an error that is no object", { error: "no" }],
        ["a number", { result: 5 }],
        ["an object", { result: { __proto__: null } }],
        ["a status", {}, { status: 503 }],
        ["too much", "x".repeat(5 * 1024 * 1024)],
    ])("answers with %s: the chain's steps are unknown, with a short reason", async (_, body, init) => {
        const steps = await all(verifyReceipt(good, answering(body, init)));
        expect(ids(steps, "fail")).toEqual([]);
        const unknown = steps.filter((step) => step.state === "unknown");
        expect(unknown.map((step) => step.id)).toContain("chain-receipt");
        for (const step of unknown) expect(step.meaning.length).toBeLessThan(300);
    });

    it("is of another chain: that step fails, and nothing that it says counts", async () => {
        const steps = await all(verifyReceipt(good, answering({ result: "0x1" })));
        expect(ids(steps, "fail")).toEqual(["chain-id"]);
        expect(ids(steps, "unknown")).toContain("chain-receipt");
    });

    it.each([["0x", "here is no such contract"], ["0x00", "answered eth_call"], ["0x" + "ff".repeat(32), "words"], ["0x" + "ff".repeat(320), "status"]])(
        "is of the right chain and answers calls with %s",
        async (result, reason) => {
            const fetch = (async (_: unknown, init: RequestInit) => {
                const { method } = JSON.parse(init.body as string);
                return Response.json({ result: method === "eth_chainId" ? "0x14a34" : result });
            }) as typeof globalThis.fetch;
            for (const run of [verifyReceipt(good, { ...trusted, rpc: "http://127.0.0.1:1", fetch }), verifyEpoch(bundle(), { ...trusted, rpc: "http://127.0.0.1:1", fetch })]) {
                const steps = await all(run as never);
                const chain = steps.find((step) => step.id === "chain-epoch")!;
                expect(chain.state).toBe("unknown");
                expect(chain.meaning).toContain(reason);
            }
        },
    );
});
