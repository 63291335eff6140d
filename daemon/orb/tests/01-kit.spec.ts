// The stranger's kit on a fresh epoch: nothing here is ours but what is printed.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Interface } from "@ethersproject/abi";
import { FIELDS, flipped } from "../src/verify/flips";
import { root } from "./machine";
import { expect, open, test } from "./page";
import { ask, type Rack } from "./rack";

const contract = new Interface(JSON.parse(readFileSync(join(root, "contracts/artifacts/SwarmEscrow.json"), "utf8")).abi);
const PENDING_OR_FINAL = [1, 2];

async function receiptOf(rack: Rack, job: string): Promise<Record<string, unknown>> {
    return (await (await fetch(`${rack.queen}/api/v1/jobs/${job}/receipt`)).json()) as Record<string, unknown>;
}

/** Runs a script of the kit: whether it was content, and what it said. */
function run(script: string, ...args: string[]): { ok: boolean; said: string } {
    const { status, stdout, stderr } = spawnSync(join(root, "scripts", script), args, { encoding: "utf8" });
    if (status !== 0 && status !== 1) throw new Error(`${script} ended with ${status}: ${stderr}`);
    return { ok: status === 0, said: stdout + stderr };
}

test.describe("by a block explorer's Read tab", () => {
    test("what the page says to paste is a call that the contract answers with yes", async ({ page, rack }) => {
        for (const { job_id } of rack.jobs) {
            await open(page, rack.queen, `#/receipt/${job_id}`);
            const pastes = page.locator("dl.pastes").first();
            const values = await pastes.locator("dd code").allInnerTexts();
            const names = await pastes.locator("dt").allInnerTexts();
            expect(names.map((name) => name.split(/\s/)[0])).toEqual(["epoch", "index", "receipt", "path"]);
            // What the explorer's page does with what was pasted.
            const data = contract.encodeFunctionData("verifyReceipt", values.map((value) => (value.startsWith("[") ? JSON.parse(value) : value)));
            const answer = await ask(rack.rpc, "eth_call", { to: rack.escrow, data }, "latest");
            const [included, status] = contract.decodeFunctionResult("verifyReceipt", answer as string);
            expect(included).toBe(true);
            expect(PENDING_OR_FINAL).toContain(status);
        }
    });

    test("a value that is not the receipt's is answered with no", async ({ rack }) => {
        const { receipt, epoch, index, path } = (await receiptOf(rack, rack.jobs[0]!.job_id)) as { receipt: Record<string, string>; epoch: string; index: string; path: string[] };
        for (const field of Object.keys(receipt)) {
            const changed = flipped({ receipt }, ["receipt", field], -1).receipt;
            const data = contract.encodeFunctionData("verifyReceipt", [epoch, index, Object.values(reordered(changed)), path]);
            const answer = await ask(rack.rpc, "eth_call", { to: rack.escrow, data }, "latest");
            expect(contract.decodeFunctionResult("verifyReceipt", answer as string)[0], field).toBe(false);
        }
    });
});

/** JSON sorts fields by name; the struct has its own order. */
function reordered(receipt: Record<string, string>): Record<string, string> {
    const components = contract.getFunction("verifyReceipt").inputs[2]!.components;
    return Object.fromEntries(components.map(({ name }) => [name, receipt[name]!]));
}

test.describe("by scripts", () => {
    const folder = mkdtempSync(join(tmpdir(), "swarmos-kit-"));
    const save = (document: unknown): string => {
        const file = join(folder, "receipt.json");
        writeFileSync(file, JSON.stringify(document));
        return file;
    };

    test("verify-epoch.py agrees with the settled epoch, and not with a voided one", async ({ rack }) => {
        expect(run("verify-epoch.py", rack.bundle, rack.rpc).said).toMatch(/^ok: epoch-001 is final; 2 receipts/);
        const voided = join(rack.exported, "audit", rack.voided.epoch);
        expect(run("verify-epoch.py", voided, rack.rpc)).toMatchObject({ ok: false, said: expect.stringContaining("the epoch is void") });
    });

    test("verify-receipt.py agrees with a true receipt, and with no flipped byte", async ({ rack }) => {
        const document = await receiptOf(rack, rack.jobs[0]!.job_id);
        const file = save(document);
        expect(run("verify-receipt.py", file, rack.rpc, rack.escrow)).toMatchObject({ ok: true, said: expect.stringContaining(`escrow ${rack.escrow}`) });
        expect(run("verify-receipt.py", file, rack.rpc, "0x" + "11".repeat(20)).ok).toBe(false);
        expect(run("verify-receipt.py", file, "http://127.0.0.1:1").ok).toBe(false);
        for (const { path } of FIELDS) {
            expect(run("verify-receipt.py", save(flipped(document, path, 7)), rack.rpc), path.join(".")).toMatchObject({ ok: false, said: expect.stringContaining("FAILED") });
        }
    });

    test("a Certificate Transparency library agrees with the tree that the chain stores", async ({ rack }) => {
        expect(run("verify-ct", rack.bundle, rack.rpc)).toMatchObject({ ok: true, said: expect.stringContaining("root of 2 receipts, inclusion of 2 proved") });
        const document = await receiptOf(rack, rack.jobs[1]!.job_id);
        expect(run("verify-ct", save(document), rack.rpc)).toMatchObject({ ok: true, said: expect.stringContaining("the root is the chain's") });
        for (const path of [["receipt", "fee"], ["receipt", "client"], ["path", 0], ["index"]]) {
            expect(run("verify-ct", save(flipped(document, path, 3)), rack.rpc), path.join(".")).toMatchObject({ ok: false, said: expect.stringContaining("FAILED: the receipt is included") });
        }
        const copy = join(folder, "bundle");
        cpSync(rack.bundle, copy, { recursive: true });
        const page = join(copy, "jobs/00000.json");
        writeFileSync(page, readFileSync(page, "utf8").replace(/"clientTotal":"1/, '"clientTotal":"2'));
        expect(run("verify-ct", copy, rack.rpc)).toMatchObject({ ok: false, said: expect.stringContaining("the root") });
    });
});
