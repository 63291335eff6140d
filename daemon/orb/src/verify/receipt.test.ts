import { describe, expect, it } from "vitest";
import { receiptFromBundle } from "./bundle";
import { readProof } from "./documents";
import { receiptSteps, verifyReceipt } from "./receipt";
import { pathNodes } from "./tree";
import { FIELDS, flipped, NAMED } from "./flips";
import { all, bundle, ids, trusted } from "./vectors";

const CHAIN = ["leaf", "chain-id", "chain-domain", "chain-epoch", "chain-root", "chain-receipt", "chain-status"];
const RECEIPTS = 9;

type Document = Record<string, unknown>;
const documents: Document[] = [];
for (let index = 0; index < RECEIPTS; index++) {
    documents.push((await receiptFromBundle(bundle(), { index: BigInt(index) })) as Document);
}

describe("a true receipt", () => {
    it("passes every step that needs no chain, at every place of the tree", async () => {
        for (const document of documents) {
            const steps = await all(verifyReceipt(document, trusted));
            expect(ids(steps, "fail")).toEqual([]);
            expect(ids(steps, "unknown").sort()).toEqual([...CHAIN].sort());
            expect(steps.map((step) => step.id).sort()).toEqual(receiptSteps().map((step) => step.id).sort());
        }
    });

    it("is found by its job and its client, and not when the epoch has no such job", async () => {
        const { receipt } = readProof(documents[4]);
        expect(await receiptFromBundle(bundle(), receipt)).toEqual(documents[4]);
        expect(await receiptFromBundle(bundle(), { jobEpoch: receipt.jobEpoch, jobSeq: receipt.jobSeq })).toEqual(documents[4]);
        expect(await receiptFromBundle(bundle(), { jobEpoch: 99n, jobSeq: 1n })).toBeNull();
    });

    it("draws its way to the root", () => {
        const proof = readProof(documents[8]);
        const nodes = pathNodes(proof);
        expect(nodes.map(({ siblingSide, first, count }) => [siblingSide, first, count])).toEqual([["left", 8n, 1n], [null, 0n, 9n]]);
        expect(nodes.at(-1)!.hash).toBe(proof.root);
        expect(pathNodes({ ...proof, index: 9n })).toEqual([]);
    });

    it("is not trusted to name its own escrow", async () => {
        const steps = await all(verifyReceipt(documents[0], { rpc: null }));
        expect(ids(steps, "unknown")).toContain("escrow");
        for (const other of [{ escrow: "0x" + "11".repeat(20) }, { chainId: "1" }]) {
            expect(ids(await all(verifyReceipt(documents[0], { ...trusted, ...other })), "fail")).toEqual(["escrow"]);
        }
    });
});

describe("a flipped byte", () => {
    it("is looked for in every field that the protocol has", () => {
        const document = documents[0] as { receipt: object; execution: object; order: { order: object } };
        expect(Object.keys(NAMED["receipt"]!).sort()).toEqual(Object.keys(document.receipt).sort());
        expect(Object.keys(NAMED["execution"]!).sort()).toEqual(Object.keys(document.execution).sort());
        expect(Object.keys(NAMED["order.order"]!).sort()).toEqual(Object.keys(document.order.order).sort());
    });

    it.each(FIELDS)("in $path fails $step", async ({ path, step }) => {
        for (const document of [documents[0]!, documents[5]!]) {
            for (const at of [0, -1]) {
                const steps = await all(verifyReceipt(flipped(document, path, at), trusted));
                expect(ids(steps, "fail"), `byte ${at}`).toContain(step);
                // Whatever is in the leaf also breaks the path to the root.
                if (path[0] === "receipt") expect(ids(steps, "fail")).toContain("path");
            }
        }
    });

    it("in any hash of the path fails the path, and so does a hash more or less", async () => {
        const document = documents[3] as { path: string[] };
        for (let level = 0; level < document.path.length; level++) {
            expect(ids(await all(verifyReceipt(flipped(document, ["path", level], 31), trusted)), "fail")).toEqual(["path"]);
        }
        const [more, less] = [[...document.path, document.path[0]], document.path.slice(1)];
        for (const path of [more, less]) expect(ids(await all(verifyReceipt({ ...document, path }, trusted)), "fail")).toEqual(["path"]);
    });

    it("in the size of the tree is seen wherever it changes the tree's form", async () => {
        const steps = await all(verifyReceipt({ ...documents[0], size: "8" }, trusted));
        expect(ids(steps, "fail")).toEqual(["path"]);
    });
});
