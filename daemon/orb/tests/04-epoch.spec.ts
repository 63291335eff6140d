// An epoch's page: the whole bundle recomputed in the browser.
import { expect, inState, leave, open, steps, test } from "./page";
import type { Page } from "@playwright/test";
import type { Rack } from "./rack";

async function verify(page: Page, rack: Rack, epoch: number): Promise<Record<string, string>> {
    await leave(page, rack.queen);
    await open(page, rack.queen, `#/epoch/${epoch}?tab=verify`);
    await page.getByRole("button", { name: "Verify this epoch" }).click();
    return steps(page);
}

test("a settled epoch passes every step", async ({ page, rack }) => {
    const found = await verify(page, rack, 1);
    expect(Object.keys(found).length).toBeGreaterThan(30);
    expect(inState(found, "pass").sort()).toEqual(Object.keys(found).sort());
    await expect(page.getByText("This epoch is true")).toBeVisible();
});

test("a flipped byte in any file of the bundle fails a step", async ({ page, rack }) => {
    for (const name of ["SUMMARY.json", "agents.json", "clients.json", "payouts.json", "jobs/00000.json", "SIGNATURE.txt"]) {
        await page.unrouteAll();
        await page.route(`**/audit/epoch-001/${name}`, async (route) => {
            const answer = await route.fetch();
            const body = await answer.body();
            const at = Math.floor(body.length / 2);
            body[at] = body[at]! ^ 1;
            await route.fulfill({ response: answer, body });
        });
        const failed = inState(await verify(page, rack, 1), "fail");
        const named = name === "SUMMARY.json" ? /^(form|chain-seal|root)$/ : name === "SIGNATURE.txt" ? /signatures$/ : /^files$/;
        expect(failed.some((step) => named.test(step)), `${name}: ${failed}`).toBe(true);
        await expect(page.getByText("This epoch is true")).toHaveCount(0);
    }
});

test("a bundle that is not there is unknown, never true", async ({ page, rack, expected }) => {
    expected.push(/status of 404/);
    await page.route("**/audit/epoch-001/jobs/00000.json", (route) => route.fulfill({ status: 404 }));
    const found = await verify(page, rack, 1);
    expect(inState(found, "unknown")).toContain("files");
    await expect(page.getByText("This epoch is true")).toHaveCount(0);
});

test("a void epoch fails at its status and nowhere else", async ({ page, rack }) => {
    const found = await verify(page, rack, 2);
    expect(inState(found, "fail")).toEqual(["chain-status"]);
    await expect(page.getByText("This epoch is void")).toBeVisible();
});

test("another epoch's bundle is not this one's", async ({ page, rack }) => {
    await page.route("**/audit/epoch-001/**", async (route) => {
        const answer = await route.fetch({ url: route.request().url().replace("epoch-001", rack.voided.epoch) });
        await route.fulfill({ response: answer });
    });
    const found = await verify(page, rack, 1);
    await expect(page.getByText("This epoch is true")).toHaveCount(0);
    expect(inState(found, "fail").length).toBeGreaterThan(0);
});
