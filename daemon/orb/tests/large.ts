// An epoch of 10 000 receipts and 1 000 payees, made out of a small real one: for drawing, not for verifying.
import type { Page } from "@playwright/test";

export const RECEIPTS = 10_000;
export const PAYEES = 1_000;

const address = (kind: string, number: number): string => `0x${kind}${number.toString(16).padStart(38, "0")}`;

interface Entry {
    receipt: Record<string, string>;
}

/** Answers for epoch 1 as if it were that large. */
export async function enlarge(page: Page): Promise<void> {
    await page.route("**/index.json", async (route) => {
        const answer = await route.fetch();
        const index = (await answer.json()) as { epochs: Record<string, unknown>[] };
        Object.assign(index.epochs[0]!, { receipts: String(RECEIPTS), clients: PAYEES, payees: PAYEES, charged: String(RECEIPTS * 100_000) });
        await route.fulfill({ response: answer, json: index });
    });
    await page.route("**/audit/epoch-001/jobs/00000.json", async (route) => {
        const answer = await route.fetch();
        const { jobs } = (await answer.json()) as { jobs: Entry[] };
        const many = Array.from({ length: RECEIPTS }, (_, at) => {
            const entry = jobs[at % jobs.length]!;
            return { ...entry, receipt: { ...entry.receipt, jobSeq: String(at + 1), client: address("c1", Math.floor(at / 10)) } };
        });
        await route.fulfill({ response: answer, json: { first: "0", jobs: many } });
    });
    const payouts = Array.from({ length: PAYEES }, (_, at) => ({
        payee: address("aa", at),
        amount: String(930_000 + at),
        parts: [{ kind: "work", worker: address("bb", at), amount: "651000" }, { kind: "readiness", worker: address("bb", at), amount: String(279_000 + at) }],
    }));
    const clients = Array.from({ length: PAYEES }, (_, at) => ({ client: address("c1", at), receipts: "10", amount: "1000000" }));
    await page.route("**/audit/epoch-001/payouts.json", (route) => route.fulfill({ json: payouts }));
    await page.route("**/audit/epoch-001/clients.json", (route) => route.fulfill({ json: clients }));
    await page.route("**/chain/epoch-001.json", async (route) => {
        const answer = await route.fetch();
        const file = (await answer.json()) as Record<string, unknown>;
        const charges = clients.map(({ client, amount }) => ({ account: client, amount }));
        const credits = payouts.map(({ payee, amount }) => ({ account: payee, amount }));
        await route.fulfill({ response: answer, json: { ...file, charges, credits } });
    });
}
