// What an API that means harm says is shown as text: no element, no script, no link of it.
import type { Page } from "@playwright/test";
import { expect, open, test } from "./page";

const MARK = "h4rm";
const HARM = [
    `<img src=x onerror="window.${MARK}=1">${MARK}`,
    `javascript:window.${MARK}=1//${MARK}`,
    `</script><script>window.${MARK}=1</script>${MARK}`,
    `"><svg onload="window.${MARK}=1">${MARK}`,
    `{{constructor.constructor('window.${MARK}=1')()}}${MARK}`,
];

/** Every text of an answer that is neither number, hash, address, name of a state nor id becomes harm. */
function poisoned(value: unknown, harm: string, key = ""): unknown {
    if (Array.isArray(value)) return value.map((item) => poisoned(item, harm, key));
    if (typeof value === "object" && value !== null) {
        return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, poisoned(item, harm, name)]));
    }
    if (typeof value !== "string") return value === null && /name|note|error|reason|detail|title|explorer|ens/.test(key) ? harm : value;
    const isFixed = /^(-?[0-9]+(\.[0-9]+)?|0x[0-9a-f]*|(job|epoch)-[0-9-]+|https?:\/\/127\.0\.0\.1.*)$/.test(value);
    const isState = /^(status|state|kind|quality|bundle_state|role|next)$/.test(key);
    return isFixed || isState ? value : harm;
}

async function poison(page: Page, harm: string): Promise<void> {
    await page.route(/\/(index\.json|api\/v1\/(?!events)|chain\/|accounts\/)/, async (route) => {
        const answer = await route.fetch();
        const text = await answer.text();
        let json: unknown;
        try {
            json = JSON.parse(text);
        } catch {
            return route.fulfill({ response: answer });
        }
        const worse = poisoned(json, harm) as Record<string, unknown>;
        if (route.request().url().endsWith("/index.json")) {
            worse["explorer"] = harm;
            const names = Object.keys((worse["names"] as object | undefined) ?? {});
            const escrow = String(worse["escrow"]);
            worse["names"] = Object.fromEntries([...names, escrow].map((address) => [address, { name: harm, block: "1" }]));
        }
        return route.fulfill({ response: answer, json: worse });
    });
    // The feed: one event with harm in every field that may hold words.
    const event = { seq: "1", at: "1700000000", kind: harm, job: harm, client: null, worker: null, epoch: harm, data: { stage: harm, reason: harm, error: harm, amount: harm } };
    await page.route(/\/api\/v1\/events/, (route) => route.fulfill({ contentType: "text/event-stream", body: `id: 1\nevent: ${MARK}\ndata: ${JSON.stringify(event)}\n\n` }));
}

/** Nothing of the harm became an element, an address or an attribute that runs. */
async function harmless(page: Page): Promise<void> {
    const found = await page.evaluate((mark) => {
        const bad: string[] = [];
        if (mark in window) bad.push("a script ran");
        for (const element of document.querySelectorAll("*")) {
            for (const { name, value } of element.attributes) {
                if (/^on/i.test(name)) bad.push(`${element.tagName} has ${name}`);
                if (/^(href|src|action|formaction|xlink:href)$/i.test(name) && /^\s*(javascript|data|vbscript):/i.test(value)) bad.push(`${element.tagName} ${name}=${value}`);
            }
        }
        if (document.querySelector('img[src="x"], main script, svg[onload]')) bad.push("an element of the harm");
        return bad;
    }, MARK);
    expect(found).toEqual([]);
}

for (const [number, harm] of HARM.entries()) {
    test(`words that are code (${number}) are only words, on every page`, async ({ page, rack, expected }) => {
        expected.push(/status of 4/);
        await poison(page, harm);
        const job = rack.jobs[0]!.job_id;
        const routes = ["#/", "#/epochs", "#/epoch/1", "#/epoch/2", "#/epoch/1?tab=money", `#/job/${job}`, "#/jobs", "#/bees", "#/power", "#/contract", "#/verify", `#/search/${encodeURIComponent(harm)}`, `#/job/${encodeURIComponent(harm)}`];
        let shown = 0;
        for (const route of routes) {
            await page.goto(`${rack.queen}/${route}`);
            await expect(page.locator("main")).not.toBeEmpty();
            await page.waitForTimeout(150);
            await harmless(page);
            if ((await page.locator("body").innerText()).includes(MARK)) shown++;
        }
        // The harm did arrive, and was shown as the text it is.
        expect(shown).toBeGreaterThan(3);
    });
}

test("a bundle's own words are only words", async ({ page, rack }) => {
    await page.route("**/audit/epoch-001/jobs/00000.json", async (route) => {
        const answer = await route.fetch();
        const json = poisoned(await answer.json(), HARM[0]!);
        await route.fulfill({ response: answer, json });
    });
    await open(page, rack.queen, "#/epoch/1?tab=verify");
    await page.getByRole("button", { name: "Verify this epoch" }).click();
    await expect(page.locator('[data-step="files"][data-state="fail"]')).toBeVisible();
    await harmless(page);
    await open(page, rack.queen, "#/epoch/1?tab=receipts");
    await expect(page.getByRole("link", { name: rack.jobs[0]!.job_id })).toBeVisible();
    await harmless(page);
});
