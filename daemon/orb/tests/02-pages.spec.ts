// Every page on the real rack: it opens, says what it should, breaks no policy, and anybody can read it.
import { axe, expect, open, settled, test } from "./page";
import type { Rack } from "./rack";

interface Place {
    name: string;
    route: (rack: Rack) => string;
    /** What must be read there. */
    says: (rack: Rack) => (string | RegExp)[];
}

const client = (rack: Rack): Promise<string> => fetch(`${rack.queen}/api/v1/jobs/${rack.jobs[0]!.job_id}`).then(async (answer) => ((await answer.json()) as { client: string }).client);

const PLACES: Place[] = [
    { name: "overview", route: () => "#/", says: (rack) => ["Epochs", "Jobs done", rack.jobs[0]!.job_id] },
    { name: "epochs", route: () => "#/epochs", says: (rack) => [rack.epoch, rack.voided.epoch, /void/i] },
    { name: "a settled epoch", route: () => "#/epoch/1", says: () => ["Epoch 1", "0.20"] },
    { name: "its money", route: () => "#/epoch/1?tab=money", says: () => [/work/i, /readiness/i, /protocol/i, /operator/i] },
    { name: "its receipts", route: () => "#/epoch/1?tab=receipts", says: (rack) => rack.jobs.map(({ job_id }) => job_id) },
    { name: "its bundle", route: () => "#/epoch/1?tab=bundle", says: () => ["SUMMARY.json", "jobs/00000.json"] },
    { name: "its verification", route: () => "#/epoch/1?tab=verify", says: () => [/Verify this epoch/] },
    { name: "a void epoch", route: () => "#/epoch/2", says: () => ["This epoch is void"] },
    { name: "a receipt", route: (rack) => `#/receipt/${rack.jobs[0]!.job_id}`, says: () => ["This receipt is true", "Step by step"] },
    { name: "jobs", route: () => "#/jobs", says: (rack) => rack.jobs.map(({ job_id }) => job_id) },
    { name: "a job", route: (rack) => `#/job/${rack.jobs[0]!.job_id}`, says: () => [/completed/i, /onnxruntime/i] },
    { name: "bees", route: () => "#/bees", says: () => ["bee-01", "bee-02"] },
    { name: "power", route: () => "#/power", says: () => [/solar/i, /battery/i, /unknown|not known/i] },
    { name: "contract", route: () => "#/contract", says: () => [/guardian/i, /owner/i, /settler/i] },
    { name: "a search", route: (rack) => `#/search/${rack.jobs[0]!.job_id}`, says: (rack) => [rack.jobs[0]!.job_id] },
    { name: "a search for nothing", route: () => "#/search/nothing-like-this", says: () => [/nothing/i] },
    { name: "the stranger's kit", route: () => "#/verify", says: () => ["Verify it yourself", "verify-epoch.py", "verify-receipt.py", "verify-ct"] },
    { name: "settings", route: () => "#/settings", says: () => ["Settings"] },
    { name: "no page", route: () => "#/no/such/page", says: () => [/not found|no such|nothing/i] },
    { name: "no receipt", route: () => "#/receipt/job-001-9999", says: () => [/no /i] },
];

for (const { name, route, says } of PLACES) {
    test(`${name}: opens, and axe finds nothing, light and dark`, async ({ page, rack, expected }) => {
        // A document that is not there is asked for, and the browser reports the answer.
        if (name.startsWith("no ") || name === "a search for nothing") expected.push(/the server responded with a status of (404|409)/);
        await page.emulateMedia({ colorScheme: "light" });
        await open(page, rack.queen, route(rack));
        for (const text of says(rack)) await expect(page.locator("main")).toContainText(text);
        await expect(page).toHaveTitle(/SwarmOrb/);
        expect(await axe(page), "light").toEqual([]);
        await page.emulateMedia({ colorScheme: "dark" });
        expect(await axe(page), "dark").toEqual([]);
    });
}

test("a bee and an account open by their addresses, and axe finds nothing", async ({ page, rack }) => {
    const workers = (await (await fetch(`${rack.queen}/api/v1/workers`)).json()) as { items?: { worker: string }[] } & { worker: string }[];
    const bee = (workers.items ?? workers)[0]!.worker;
    for (const route of [`#/bee/${bee}`, `#/client/${await client(rack)}`]) {
        for (const colorScheme of ["light", "dark"] as const) {
            await page.emulateMedia({ colorScheme });
            await open(page, rack.queen, route);
            expect(await axe(page), `${route} ${colorScheme}`).toEqual([]);
        }
    }
    await expect(page.locator("main")).toContainText("Statement");
});

test("the key / leads to the search, and is a letter in it", async ({ page, rack }) => {
    await open(page, rack.queen, "#/epochs");
    const search = page.getByRole("search").getByRole("searchbox");
    await page.keyboard.press("/");
    await expect(search).toBeFocused();
    await expect(search).toHaveValue("");
    await page.keyboard.type("a/b");
    await expect(search).toHaveValue("a/b");
});

test("on a phone nothing is wider than the screen, and axe finds nothing", async ({ page, rack }) => {
    await page.setViewportSize({ width: 360, height: 740 });
    for (const { route } of PLACES.slice(0, 12)) {
        await open(page, rack.queen, route(rack));
        const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        expect(over, route(rack)).toBeLessThanOrEqual(0);
    }
    expect(await axe(page)).toEqual([]);
});

test("the policy is there, in the header and in the page", async ({ page, rack }) => {
    const answer = await page.goto(`${rack.queen}/`);
    const header = answer!.headers()["content-security-policy"] ?? "";
    const meta = (await page.locator('meta[http-equiv="Content-Security-Policy"]').getAttribute("content")) ?? "";
    for (const policy of [header, meta]) {
        expect(policy).toContain("default-src 'none'");
        expect(policy).toContain("script-src 'self'");
        // A port may be any (the reader's own node on this machine); a host may not.
        expect(policy).not.toMatch(/unsafe-inline|unsafe-eval|[ /.]\*/);
    }
    expect(header).toContain("frame-ancestors 'none'");
    expect(header).toMatch(new RegExp(`connect-src 'self' ${rack.rpc}`));
    await settled(page);
});

test("the policy stops a script that gets into the page, and a request to somebody else", async ({ page, rack, expected }) => {
    // The picture of the page's own folder is allowed, and is not there.
    expected.push(/policy: /, /Content Security Policy/, /example\.com/, /Refused|violates/, /status of 404 .*\/x\)$/);
    await open(page, rack.queen, "#/");
    const ran = await page.evaluate(async () => {
        const script = document.createElement("script");
        script.textContent = "window.hacked = true";
        document.body.append(script);
        document.body.insertAdjacentHTML("beforeend", '<img src="x" onerror="window.hacked = true">');
        const sent = await fetch("https://example.com/").then(() => true, () => false);
        await new Promise((done) => setTimeout(done, 200));
        return { hacked: "hacked" in window, sent };
    });
    expect(ran).toEqual({ hacked: false, sent: false });
});
