// The chain's node: away, of another chain, or lying. What it cannot confirm is never called true.
import { expect, inState, open, steps, test } from "./page";

const LOCAL = ["form", "order-commitment", "order-fields", "fee", "deadline", "order-signature", "execution-digest", "execution-signature", "path"];

test("a node that is away: what needs no chain passes, the rest is not known", async ({ page, rack, expected }) => {
    expected.push(/net::ERR_CONNECTION_REFUSED|Failed to load resource/);
    await page.route(`${rack.rpc}/**`, (route) => route.abort("connectionrefused"));
    await open(page, rack.queen, `#/receipt/${rack.jobs[0]!.job_id}`);
    const found = await steps(page);
    expect(inState(found, "fail")).toEqual([]);
    expect(inState(found, "pass")).toEqual(expect.arrayContaining(LOCAL));
    expect(inState(found, "unknown")).toEqual(expect.arrayContaining(["chain-root", "chain-receipt", "chain-status"]));
    await expect(page.getByText("This receipt is true")).toHaveCount(0);
    await expect(page.locator("main")).toContainText("could not be checked");
    // The drawing claims no more than the steps do.
    await expect(page.locator("main")).not.toContainText("root on chain");
});

test("a node of another chain fails that step, and nothing it says counts", async ({ page, rack }) => {
    await page.route(`${rack.rpc}/**`, (route) => route.fulfill({ json: { jsonrpc: "2.0", id: 1, result: "0x1" }, headers: { "access-control-allow-origin": "*" } }));
    await open(page, rack.queen, `#/receipt/${rack.jobs[0]!.job_id}`);
    const found = await steps(page);
    expect(inState(found, "fail")).toEqual(["chain-id"]);
    expect(inState(found, "unknown")).toContain("chain-receipt");
});

test("a node that denies the receipt fails the contract's own step", async ({ page, rack }) => {
    await page.route(`${rack.rpc}/**`, async (route) => {
        const answer = await route.fetch();
        const json = (await answer.json()) as { result: string };
        // verifyReceipt's answer is two words: included, status.
        if (typeof json.result === "string" && json.result.length === 2 + 128) json.result = `0x${"0".repeat(128)}`;
        await route.fulfill({ response: answer, json });
    });
    await open(page, rack.queen, `#/receipt/${rack.jobs[0]!.job_id}`);
    expect(inState(await steps(page), "fail")).toEqual(["chain-receipt"]);
});

test("no page is lost without the node", async ({ page, rack, expected }) => {
    expected.push(/net::ERR_CONNECTION_REFUSED|Failed to load resource/);
    await page.route(`${rack.rpc}/**`, (route) => route.abort("connectionrefused"));
    for (const route of ["#/", "#/epochs", "#/epoch/1", "#/contract", "#/verify", "#/bees", "#/jobs"]) {
        await open(page, rack.queen, route);
        await expect(page.locator("main h1").first()).toBeVisible();
    }
});
