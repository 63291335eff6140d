// A picture of every page, light and dark, on a phone, a desk and a wall: shots.mjs URL [DIR] [page...]
// URL is a queen's, or that of an exported folder. Needs Debian's chromium ($CHROMIUM names another).
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [base = "http://127.0.0.1:8000/", dir = "shots", ...only] = process.argv.slice(2);
const SIZES = { phone: [390, 844], desk: [1440, 900], wall: [2560, 1440] };
/** What a page may need after its load, milliseconds: streams never end, so there is no quiet to wait for. */
const SETTLE_MS = 1_500;

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const pages = Object.entries(await places());
mkdirSync(dir, { recursive: true });
for (const [size, [width, height]] of Object.entries(SIZES)) {
    for (const colorScheme of ["light", "dark"]) {
        const context = await browser.newContext({ viewport: { width, height }, colorScheme });
        const page = await context.newPage();
        page.on("console", (message) => message.type() === "error" && console.error(`${page.url()}: ${message.text()}`));
        page.on("pageerror", (error) => console.error(`${page.url()}: ${error.message}`));
        for (const [name, fragment] of pages) {
            if (only.length > 0 && !only.includes(name)) continue;
            await page.goto(new URL(fragment, base).href);
            await page.waitForSelector("h1");
            if (name === "epoch-verify") await page.click("button.primary");
            await page.waitForTimeout(SETTLE_MS);
            const path = join(dir, `${name}-${size}-${colorScheme}.png`);
            await page.screenshot({ path, fullPage: size !== "wall" });
        }
        await context.close();
    }
}
await browser.close();

/** Every page by name; the ids are those that the site itself names. */
async function places() {
    const index = await (await fetch(new URL("index.json", base))).json();
    const full = index.epochs.filter(({ receipts }) => receipts !== "0");
    const epoch = full.findLast(({ status }) => status !== "void") ?? full.at(-1) ?? index.epochs.at(-1);
    const list = {
        overview: "#/",
        epochs: "#/epochs",
        contract: "#/contract",
        verify: "#/verify",
        settings: "#/settings",
        missing: "#/search/nothing",
        name: `#/search/${Object.values(index.names)[0]?.name ?? "nobody.eth"}`,
    };
    const voided = index.epochs.findLast(({ status }) => status === "void");
    if (voided) list["epoch-void"] = `#/epoch/${voided.epoch}`;
    if (epoch) {
        for (const tab of ["seal", "money", "receipts", "bundle", "verify"]) list[`epoch-${tab}`] = `#/epoch/${epoch.epoch}?tab=${tab}`;
        const page = await (await fetch(new URL(`audit/${epoch.epoch_id}/jobs/00000.json`, base))).json();
        const { receipt } = page.jobs[0];
        const job = `job-${receipt.jobEpoch.padStart(3, "0")}-${receipt.jobSeq.padStart(4, "0")}`;
        Object.assign(list, { receipt: `#/receipt/${job}`, client: `#/client/${receipt.client}`, bee: `#/bee/${receipt.worker}` });
        if (index.live) list.job = `#/job/${job}`;
    }
    return index.live ? { ...list, jobs: "#/jobs", bees: "#/bees", power: "#/power" } : list;
}
