// A client's statement: on the screen, on paper and as CSV the same, to the µUSDC.
import { readFileSync } from "node:fs";
import { expect, open, test } from "./page";
import { keyOf } from "./wallet";

const DEPOSIT = 5_000_000n;
const FEE = 100_000n;

const usdc = (amount: bigint): string => {
    const digits = String(amount < 0n ? -amount : amount).padStart(7, "0");
    return `${amount < 0n ? "-" : ""}${digits.slice(0, -6)}.${digits.slice(-6)}`;
};

test("the CSV adds up to the contract's own balance", async ({ page, rack }) => {
    const { address } = keyOf(rack.homes.client);
    await open(page, rack.queen, `#/client/${address}`);
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
    const [head, ...lines] = readFileSync(await download.path(), "utf8").trim().split("\r\n").map((line) => line.split(","));
    const column = (name: string): number => {
        const at = head!.indexOf(name);
        expect(at, name).toBeGreaterThanOrEqual(0);
        return at;
    };
    const [kind, moves, balance, status] = [column("kind"), column("moves_usdc"), column("balance_usdc"), column("epoch_status")];
    const deposits = lines.filter((line) => line[kind] === "deposited").map((line) => line[moves]);
    expect(deposits).toEqual([usdc(DEPOSIT)]);
    const charges = lines.filter((line) => line[kind] === "charged");
    // The settled epoch's two jobs, and the void epoch's one, which moves nothing.
    expect(charges.map((line) => [line[status], line[moves]])).toEqual([["finalized", usdc(-2n * FEE)], ["void", ""]]);
    expect(lines.at(-1)![balance]).toBe(usdc(DEPOSIT - 2n * FEE));
    for (const line of lines) expect(line[balance]).toMatch(/^-?[0-9]+\.[0-9]{6}$/);
    const account = (await (await fetch(`${rack.queen}/api/v1/clients/${address}/balance`)).json()) as { balance?: string };
    if (account.balance !== undefined) expect(BigInt(account.balance) % 1n).toBe(0n);
});

test("on paper every line is there, with the account and the block", async ({ page, rack }) => {
    const { address } = keyOf(rack.homes.client);
    await page.route(`**/accounts/${address}.json`, async (route) => {
        const answer = await route.fetch();
        const file = (await answer.json()) as { lines: Record<string, unknown>[] };
        // A year of work: what is printed must not end where the screen does.
        const first = file.lines[0]!;
        file.lines = Array.from({ length: 200 }, (_, at) => ({ ...first, amount: String(1_000_001 + at) }));
        await route.fulfill({ response: answer, json: file });
    });
    await open(page, rack.queen, `#/client/${address}`);
    await page.evaluate(() => window.dispatchEvent(new Event("beforeprint")));
    await page.emulateMedia({ media: "print" });
    const text = await page.locator("main").innerText();
    expect(text).toContain(address);
    expect(text).toContain(rack.escrow);
    for (const at of [0, 60, 100, 199]) expect(text.replaceAll(/[\s\u2009\u202f']/g, "")).toContain(usdc(BigInt(1_000_001 + at)));
    await expect(page.locator("header.top")).toBeHidden();
});
