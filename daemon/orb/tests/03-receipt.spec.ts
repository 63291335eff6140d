// A receipt's page: a true one passes every step; with a byte flipped in any field, the named step fails.
import { FIELDS, flipped } from "../src/verify/flips";
import { expect, inState, leave, open, steps, test } from "./page";

test("a true receipt passes every step", async ({ page, rack }) => {
    for (const { job_id } of rack.jobs) {
        await open(page, rack.queen, `#/receipt/${job_id}`);
        const found = await steps(page);
        expect(Object.keys(found).length).toBeGreaterThan(15);
        expect(inState(found, "pass").sort()).toEqual(Object.keys(found).sort());
        await expect(page.getByText("This receipt is true")).toBeVisible();
    }
});

test("a flipped byte in any field fails the named step", async ({ page, rack }) => {
    test.setTimeout(600_000);
    const job = rack.jobs[0]!.job_id;
    const document = (await (await fetch(`${rack.queen}/api/v1/jobs/${job}/receipt`)).json()) as Record<string, unknown>;
    let answer: unknown = document;
    await page.route("**/api/v1/jobs/*/receipt", (route) => route.fulfill({ json: answer }));
    await open(page, rack.queen, `#/receipt/${job}`);
    expect(inState(await steps(page), "fail")).toEqual([]);
    for (const { path, step } of [...FIELDS, { path: ["path", 0], step: "path" }, { path: ["size"], step: "chain-root" }, { path: ["epoch"], step: "chain-root" }]) {
        answer = flipped(document, path, 5);
        await leave(page, rack.queen);
        await open(page, rack.queen, `#/receipt/${job}`);
        const found = await steps(page);
        const name = path.join(".");
        if (name === "epoch") expect(found["chain-epoch"] === "fail" || found["chain-root"] === "fail", name).toBe(true);
        else expect(inState(found, "fail"), name).toContain(step);
        // What is in the leaf, the contract itself does not find either.
        if (path[0] === "receipt") expect(inState(found, "fail"), name).toContain("chain-receipt");
        await expect(page.getByRole("alert").first()).toContainText("is not what it claims to be");
        await expect(page.getByText("This receipt is true")).toHaveCount(0);
    }
});

test("a document that is no receipt is told so, and nothing else claims a result", async ({ page, rack }) => {
    for (const answer of [{}, [], { receipt: { fee: 1 } }, "<b>no</b>"]) {
        await page.unrouteAll();
        await page.route("**/api/v1/jobs/*/receipt", (route) => route.fulfill({ json: answer }));
        await leave(page, rack.queen);
        await open(page, rack.queen, `#/receipt/${rack.jobs[0]!.job_id}`);
        const found = await steps(page);
        expect(inState(found, "fail")).toEqual(["form"]);
        expect(inState(found, "pass")).toEqual([]);
    }
});

test("a receipt of a void epoch does not count", async ({ page, rack }) => {
    await open(page, rack.queen, `#/receipt/${rack.voided.job}?epoch=${Number(rack.voided.epoch.split("-")[1])}`);
    const found = await steps(page);
    expect(inState(found, "fail")).toEqual(["chain-status"]);
    await expect(page.getByText("Its epoch is void")).toBeVisible();
});
