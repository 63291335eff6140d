// The export by a plain file server: no queen, only a node of the chain that the reader names.
import type { Server } from "node:http";
import { axe, expect, inState, open, steps, test } from "./page";
import { rack as running } from "./rack";
import { serve } from "./static";

let site = "";
let server: Server;
test.beforeAll(async () => ({ url: site, server } = await serve(running().exported)));
test.afterAll(() => server.close());
test.beforeEach(async ({ page, rack, expected }) => {
    const host = new URL(site).host;
    expected.push(new RegExp(`^${site}`));
    // Nothing but the folder and the node is asked: the queen is not.
    page.on("request", (request) => {
        const url = new URL(request.url());
        if (url.protocol === "http:" && url.host !== host) expect(request.url()).toContain(rack.rpc);
    });
});

test("a receipt out of the bundle passes every step through a node that the reader names", async ({ page, rack }) => {
    await open(page, site, "#/settings");
    await page.getByLabel("Address of the node").fill(rack.rpc);
    await page.getByRole("button", { name: "Use it" }).click();
    for (const { job_id } of rack.jobs) {
        await open(page, site, `#/receipt/${job_id}`);
        const found = await steps(page);
        expect(inState(found, "pass").sort()).toEqual(Object.keys(found).sort());
    }
    await open(page, site, "#/epoch/1?tab=verify");
    await page.getByRole("button", { name: "Verify this epoch" }).click();
    const found = await steps(page);
    expect(inState(found, "pass").sort()).toEqual(Object.keys(found).sort());
});

test("without a node the arithmetic is checked, and the page says what is missing", async ({ page, rack }) => {
    await page.addInitScript(() => localStorage.removeItem("orb.rpc"));
    await page.route("**/index.json", async (route) => {
        const answer = await route.fetch();
        await route.fulfill({ response: answer, json: { ...((await answer.json()) as object), rpcs: [] } });
    });
    await open(page, site, `#/receipt/${rack.jobs[0]!.job_id}`);
    const found = await steps(page);
    expect(inState(found, "fail")).toEqual([]);
    expect(inState(found, "unknown")).toContain("chain-receipt");
    await expect(page.getByRole("link", { name: "Name a node" })).toBeVisible();
});

test("every page opens from the folder, and axe finds nothing", async ({ page, rack, expected }) => {
    expected.push(/status of 404/);
    const routes = ["#/", "#/epochs", "#/epoch/1", "#/epoch/1?tab=money", "#/epoch/1?tab=bundle", "#/epoch/2", "#/contract", "#/verify", "#/settings", `#/job/${rack.jobs[0]!.job_id}`];
    for (const route of routes) {
        await open(page, site, route);
        await expect(page.locator("main h1").first()).toBeVisible();
    }
    expect(await axe(page)).toEqual([]);
    await open(page, site, "#/epoch/2");
    await expect(page.locator("main")).toContainText("This epoch is void");
});

test("the exported page states its own policy", async ({ page }) => {
    await page.goto(`${site}/`);
    const policy = (await page.locator('meta[http-equiv="Content-Security-Policy"]').getAttribute("content")) ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toMatch(/unsafe/);
});
