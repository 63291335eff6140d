import { describe, expect, it } from "vitest";
import { canonicalBytes } from "./canonical";
import { hex, sha256, utf8 } from "./bytes";
import { epochSteps, verifyEpoch } from "./epoch";
import { all, bundle, file, ids, trusted } from "./vectors";
import type { Update } from "./types";

const CHAIN = ["chain-id", "chain-domain", "chain-epoch", "chain-seal", "chain-root", "chain-settlers", "chain-status"];

// Documents of the tests are changed freely.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Any = any;
const parsed = (name: string): Any => JSON.parse(new TextDecoder().decode(file(name)));

/** The epoch with a file changed and its hash in SUMMARY.json made to fit: what a dishonest queen could sign. */
async function forged(name: string, change: (value: Any) => void, summaryToo: (value: Any) => void = () => {}) {
    const [value, summary] = [parsed(name), parsed("SUMMARY.json")];
    change(value);
    const bytes = canonicalBytes(value);
    if (name !== "SUMMARY.json") summary.files[name] = hex(sha256(bytes));
    summaryToo(summary);
    const replaced = name === "SUMMARY.json" ? { [name]: bytes } : { [name]: bytes, "SUMMARY.json": canonicalBytes(summary) };
    return ids(await all(verifyEpoch(bundle(replaced), trusted)), "fail");
}

describe("a true bundle", () => {
    it("passes every step that needs no chain", async () => {
        const steps = await all(verifyEpoch(bundle(), trusted));
        expect(steps.filter((step) => step.state === "fail")).toEqual([]);
        expect(ids(steps, "unknown").sort()).toEqual([...CHAIN].sort());
        expect(steps.map((step) => step.id).sort()).toEqual(epochSteps().map((step) => step.id).sort());
    });

    it("ends when it is told to", async () => {
        const ending = AbortSignal.abort(new Error("enough"));
        const run = verifyEpoch(async () => { throw new Error("closed"); }, { ...trusted, signal: ending });
        await expect(all(run as AsyncGenerator<Update>)).rejects.toThrow("enough");
    });
});

describe("a flipped byte", () => {
    const names = ["SUMMARY.json", "agents.json", "clients.json", "payouts.json", "jobs/00000.json", "SIGNATURE.txt"];
    it.each(names)("anywhere in %s fails a step", async (name) => {
        const good = file(name);
        const step = Math.max(1, Math.floor(good.length / 4));
        for (let at = 0; at < good.length; at += step) {
            const bad = Uint8Array.from(good, (byte, place) => (place === at ? byte ^ 1 : byte));
            const failed = ids(await all(verifyEpoch(bundle({ [name]: bad }), trusted)), "fail");
            const named = name === "SIGNATURE.txt" ? /signatures$/ : name === "SUMMARY.json" ? /./ : /^files$/;
            expect(failed.filter((id) => named.test(id)), `byte ${at}`).not.toEqual([]);
        }
    });
});

describe("a bundle that a dishonest queen made", () => {
    const jobs = "jobs/00000.json";
    it.each<[string, string, (value: Any) => void]>([
        ["client-total", jobs, (page) => { page.jobs[1].receipt.clientTotal = "200001"; }],
        ["order-of-leaves", jobs, (page) => { page.jobs.reverse(); }],
        ["nonces", jobs, (page) => { page.jobs[2].order = page.jobs[1].order; }],
        ["power", jobs, (page) => { page.jobs[1].power.meter = "other"; }],
        ["engine", jobs, (page) => { page.jobs[1].engine = "TensorRT"; }],
        ["fee", jobs, (page) => { page.jobs[0].receipt.fee = "100002"; }],
        ["deadline", jobs, (page) => { page.jobs[0].receipt.completedAt = "1700003601"; }],
        ["sealed-before", jobs, (page) => { page.jobs[0].receipt.completedAt = "1700000101"; }],
        ["times", jobs, (page) => { page.jobs[0].receipt.startedAt = "1700000020"; }],
        ["root", jobs, (page) => { page.jobs[0].receipt.power = page.jobs[1].receipt.power; }],
        ["pages", jobs, (page) => { page.first = "1"; }],
        ["execution-signature", jobs, (page) => { page.jobs[0].executionSignature = page.jobs[1].executionSignature; }],
        ["order-signature", jobs, (page) => { page.jobs[0].order.signature = "0x" + "00".repeat(65); }],
        ["agents", "agents.json", (agents) => { agents[0].readiness = "13"; }],
        ["agents", "agents.json", (agents) => { agents[1].receipts = "7"; }],
        ["agents", "agents.json", (agents) => { agents.splice(1, 1); }],
        ["payouts-hash", "agents.json", (agents) => { agents[0].payee = "0x" + "99".repeat(20); }],
        ["agents", "agents.json", (agents) => { agents[0].readySeconds = "86400"; }],
        ["clients", "clients.json", (clients) => { clients[0].amount = "500001"; }],
        ["payouts", "payouts.json", (payouts) => { payouts[0].parts[0].amount = "1"; }],
        ["canonical", "payouts.json", (payouts) => { payouts[0].note = "hello"; }],
        ["sums", "SUMMARY.json", (summary) => { summary.charged = "780005"; }],
        ["charges-hash", "SUMMARY.json", (summary) => { summary.charges = summary.payouts; }],
        ["payouts-hash", "SUMMARY.json", (summary) => { summary.payouts = summary.charges; }],
        ["pools", "SUMMARY.json", (summary) => { summary.rates.operatorBps = 600; }],
        ["pools", "SUMMARY.json", (summary) => { summary.rates.operatorBps = 9900; }],
        ["seal-signatures", "SUMMARY.json", (summary) => { summary.previous = summary.charges; }],
        ["summary-signatures", "SUMMARY.json", (summary) => { summary.previous = summary.charges; }],
        ["files", "SUMMARY.json", (summary) => { summary.files["jobs/00001.json"] = summary.charges; }],
        ["form", "SUMMARY.json", (summary) => { summary.files["../../etc/passwd"] = summary.charges; }],
        ["form", "SUMMARY.json", (summary) => { summary.epochId = "epoch-003"; }],
    ])("fails %s", async (step, name, change) => {
        expect(await forged(name, change)).toContain(step);
    });

    it("cannot hide a file that is not canonical", async () => {
        const spaced = utf8(new TextDecoder().decode(file("clients.json")).replace(",", ", "));
        const failed = ids(await all(verifyEpoch(bundle({ "clients.json": spaced }), trusted)), "fail");
        expect(failed).toEqual(["files", "canonical"]);
    });

    it("that cannot be fetched is unknown, never a pass", async () => {
        for (const name of ["SUMMARY.json", "jobs/00000.json", "payouts.json", "SIGNATURE.txt"]) {
            const steps = await all(verifyEpoch(bundle({ [name]: new Error(`${name} could not be fetched: the server answered 404`) }), trusted));
            expect(ids(steps, "fail"), name).toEqual([]);
            expect(steps.find((step) => step.state === "unknown" && step.meaning.includes("404")), name).toBeDefined();
        }
    });
});
