// First paint on the demo, smoothness of the largest lists, and how fast an epoch is recomputed.
import { type Browser, test } from "@playwright/test";
import type { Hex } from "../src/verify";
import { enlarge, RECEIPTS } from "./large";
import { made } from "./made";
import { rack } from "./rack";

const ROUNDS = 7;

const median = (values: number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** Milliseconds to the first contentful paint of a page that was never seen before. */
async function paint(browser: Browser, url: string): Promise<number> {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(url);
    await page.locator("main h1").first().waitFor();
    const at = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]!.startTime);
    await context.close();
    return at;
}

test("first paint", async ({ browser }) => {
    for (const route of ["#/", "#/epoch/1", "#/bees"]) {
        const times: number[] = [];
        for (let round = 0; round < ROUNDS; round++) times.push(await paint(browser, `${rack().queen}/${route}`));
        console.log(`first paint of ${route}: median ${median(times).toFixed(0)} ms, worst ${Math.max(...times).toFixed(0)} ms of ${ROUNDS}`);
    }
});

test("scrolling", async ({ page }) => {
    await enlarge(page);
    await page.goto(`${rack().queen}/#/epoch/1?tab=receipts`);
    const body = page.getByRole("table", { name: "Receipts" }).locator(".long-body");
    await body.waitFor();
    await page.getByText("job-001-0001").first().waitFor();
    for (const [pixels, how] of [[120, "by the wheel"], [800, "by dragging the bar"]] as const) {
        const frames = await body.evaluate(async (element, pixels) => {
            const gaps: number[] = [];
            let last = performance.now();
            for (let frame = 0; frame < 300; frame++) {
                element.scrollBy(0, pixels);
                await new Promise(requestAnimationFrame);
                const now = performance.now();
                gaps.push(now - last);
                last = now;
            }
            return gaps.sort((a, b) => a - b);
        }, pixels);
        const at = (part: number): string => frames[Math.floor(frames.length * part)]!.toFixed(1);
        console.log(`scrolling ${RECEIPTS} receipts ${how}, ${pixels} pixels a frame: median ${at(0.5)} ms, 95 % ${at(0.95)} ms, worst ${frames.at(-1)!.toFixed(1)} ms`);
    }
});

/** Clients and workers of the large epoch: with their payees as many as the contract takes in one (512). */
const [CLIENTS, WORKERS] = [400, 100];

test("recomputing", async ({ page }) => {
    test.setTimeout(900_000);
    await page.goto(`${rack().queen}/#/epoch/1?tab=verify`);
    let started = performance.now();
    await page.getByRole("button", { name: "Verify this epoch" }).click();
    await page.getByText("This epoch is true").waitFor();
    console.log(`an epoch of 2 receipts, all of it, with the chain: ${(performance.now() - started).toFixed(0)} ms`);

    const files = made(rack().escrow as Hex, RECEIPTS, CLIENTS, WORKERS);
    await page.route("**/audit/epoch-001/**", (route) => {
        const name = new URL(route.request().url()).pathname.split("/epoch-001/")[1]!;
        return route.fulfill({ body: Buffer.from(files.get(name)!), contentType: "application/json" });
    });
    await page.goto(`${rack().queen}/#/settings`);
    await page.goto(`${rack().queen}/#/epoch/1?tab=verify`);
    started = performance.now();
    await page.getByRole("button", { name: "Verify this epoch" }).click();
    await page.locator('[data-step="payouts"][data-state="pass"]').waitFor({ timeout: 600_000 });
    const wrong = await page.locator('[data-state="fail"]').evaluateAll((steps) => steps.map((step) => step.getAttribute("data-step")));
    // It was made here and never settled: only the chain denies it.
    console.log(`an epoch of ${RECEIPTS} receipts, ${CLIENTS} clients, ${WORKERS} workers: ${((performance.now() - started) / 1000).toFixed(1)} s; fails at ${wrong.join(", ") || "nothing"}`);
});
