import { readFileSync } from "node:fs";
import { Interface } from "@ethersproject/abi";
import { describe, expect, it } from "vitest";
import { receiptFromBundle } from "./bundle";
import { readProof } from "./documents";
import { readTabEpoch, readTabLeaf, readTabReceipt } from "./kit";
import { bundle } from "./vectors";

// What an explorer has of a verified contract, and the coder that explorers use.
const artifact = JSON.parse(readFileSync(new URL("../../../../contracts/artifacts/SwarmEscrow.json", import.meta.url), "utf8"));
const contract = new Interface(artifact.abi);
const proofs = await Promise.all([0n, 4n, 8n].map(async (index) => readProof(await receiptFromBundle(bundle(), { index }))));

/** What the Read tab makes of what was pasted: texts that look like lists are JSON. */
const pasted = (value: string): unknown => (value.startsWith("[") ? JSON.parse(value) : value);

describe("what is pasted into the Read tab", () => {
    it("is encoded by an independent coder to the same call", () => {
        for (const proof of proofs) {
            for (const call of [readTabReceipt(proof), readTabEpoch(proof), readTabLeaf(proof)]) {
                expect(contract.encodeFunctionData(call.function, call.inputs.map(({ value }) => pasted(value)))).toBe(call.data);
                const { inputs } = contract.getFunction(call.function);
                expect(call.inputs.map(({ name, type }) => [name, type.split("(")[0]])).toEqual(inputs.map(({ name, type }) => [name, type.split("(")[0]]));
                expect(call.signature).toBe(contract.getFunction(call.function).format());
            }
        }
    });

    it("names the struct's fields as the contract does, for explorers that ask for them one by one", () => {
        const receipt = readTabReceipt(proofs[0]!).inputs[2]!;
        const components = contract.getFunction("verifyReceipt").inputs[2]!.components;
        expect(receipt.fields!.map(({ name, type }) => [name, type])).toEqual(components.map(({ name, type }) => [name, type]));
        expect(receipt.fields!.map(({ value }) => value)).toEqual(JSON.parse(receipt.value));
    });
});
