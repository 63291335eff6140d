// First paint on the demo, smoothness of the largest lists, and how fast an epoch is recomputed.
import { type Browser, test } from "@playwright/test";
import { enlarge, RECEIPTS } from "./large";
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
    const frames = await body.evaluate(async (element) => {
        const gaps: number[] = [];
        let last = performance.now();
        for (let frame = 0; frame < 300; frame++) {
            element.scrollTop += 800;
            await new Promise(requestAnimationFrame);
            const now = performance.now();
            gaps.push(now - last);
            last = now;
        }
        return gaps.sort((a, b) => a - b);
    });
    const at = (part: number): string => frames[Math.floor(frames.length * part)]!.toFixed(1);
    console.log(`scrolling ${RECEIPTS} receipts: frame median ${at(0.5)} ms, 95 % ${at(0.95)} ms, worst ${frames.at(-1)!.toFixed(1)} ms`);
});

test("recomputing", async ({ page }) => {
    await page.goto(`${rack().queen}/#/epoch/1?tab=verify`);
    const started = performance.now();
    await page.getByRole("button", { name: "Verify this epoch" }).click();
    await page.getByText("This epoch is true").waitFor();
    console.log(`an epoch of 2 receipts, all of it, with the chain: ${(performance.now() - started).toFixed(0)} ms`);
});
