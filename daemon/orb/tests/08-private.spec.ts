// What is private: results, pictures and inputs are the client's, and nobody else gets them.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { axe, expect, open, test } from "./page";
import { inject, keyOf, signedHeaders } from "./wallet";
import type { Rack } from "./rack";

const get = (rack: Rack, path: string, headers: Record<string, string> = {}) => fetch(`${rack.queen}${path}`, { headers });

test("the owner signs, opens the picture here, and the identity never leaves the browser", async ({ page, rack }) => {
    const identity = readFileSync(join(rack.homes.client, "identity"), "utf8").match(/AGE-SECRET-KEY-1[0-9A-Z]+/)![0];
    const sent: string[] = [];
    page.on("request", (request) => sent.push(`${request.url()} ${JSON.stringify(request.headers())} ${request.postData() ?? ""}`));
    const wallet = await inject(page, rack.homes.client);
    const job = rack.jobs.find(({ input }) => input === "nifti")!;
    await open(page, rack.queen, `#/job/${job.job_id}`);
    await page.getByRole("button", { name: "Sign with the client's wallet" }).click();
    const field = page.getByLabel("The client's age identity");
    await field.fill(identity);
    await page.getByRole("button", { name: "Open it here" }).click();
    const picture = page.locator("img.picture");
    await expect(picture).toBeVisible({ timeout: 90_000 });
    expect(await picture.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBeGreaterThan(100);
    await expect(page.getByText("These are the files that the worker signed for")).toBeVisible();
    expect(await axe(page)).toEqual([]);

    // It has the size of the picture that the command line wrote.
    const png = readFileSync(join(job.out, "montage.png"));
    const size = [png.readUInt32BE(16), png.readUInt32BE(20)];
    expect(await picture.evaluate((image: HTMLImageElement) => [image.naturalWidth, image.naturalHeight])).toEqual(size);

    // One signature a request, over text that names it; the identity is nowhere but in memory.
    expect(wallet.asked.length).toBeGreaterThan(0);
    for (const text of wallet.asked) expect(text).toMatch(/^GET\n\/api\/v1\/(jobs\/job-[0-9-]+\/result|blobs\/[0-9a-f]{64})\n/);
    expect(sent.filter((request) => request.includes(identity) || request.includes(identity.toLowerCase()))).toEqual([]);
    const kept = await page.evaluate(async () => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, (await indexedDB.databases()).length]));
    expect(kept).not.toContain("AGE-SECRET");
    await expect(field).toHaveCount(0);
});

test("somebody else's wallet is refused, and another identity opens nothing", async ({ page, rack, expected }) => {
    expected.push(/status of 40[13]/);
    await inject(page, rack.homes.operator);
    await open(page, rack.queen, `#/job/${rack.jobs[0]!.job_id}`);
    await page.getByRole("button", { name: "Sign with the client's wallet" }).click();
    await expect(page.getByRole("alert")).toContainText("Not opened");
    await expect(page.locator("img.picture")).toHaveCount(0);
});

test("another identity opens nothing", async ({ page, rack }) => {
    const other = readFileSync(join(rack.homes.operator, "identity"), "utf8").match(/AGE-SECRET-KEY-1[0-9A-Z]+/)![0];
    await inject(page, rack.homes.client);
    await open(page, rack.queen, `#/job/${rack.jobs[0]!.job_id}`);
    await page.getByRole("button", { name: "Sign with the client's wallet" }).click();
    await page.getByLabel("The client's age identity").fill(other);
    await page.getByRole("button", { name: "Open it here" }).click();
    await expect(page.getByRole("alert")).toContainText("Not opened");
    await expect(page.locator("img.picture")).toHaveCount(0);
});

test("without the client's signature there is neither result nor blob, whatever is tried", async ({ rack }) => {
    const path = `/api/v1/jobs/${rack.jobs[0]!.job_id}/result`;
    const owner = await get(rack, path, signedHeaders(rack.homes.client, "GET", path));
    expect(owner.status).toBe(200);
    const { result } = (await owner.json()) as { result: { sha256: string } };
    const blob = `/api/v1/blobs/${result.sha256.replace(/^0x/, "")}`;
    expect((await get(rack, blob, signedHeaders(rack.homes.client, "GET", blob))).status).toBe(200);
    for (const at of [path, blob]) {
        const good = signedHeaders(rack.homes.client, "GET", at);
        const tries: Record<string, Record<string, string>> = {
            "no signature": {},
            "the operator": signedHeaders(rack.homes.operator, "GET", at),
            "the guardian": signedHeaders(rack.homes.guardian, "GET", at),
            "the client's name, another's signature": { ...signedHeaders(rack.homes.operator, "GET", at), "swarm-address": keyOf(rack.homes.client).address },
            "a signature over another path": signedHeaders(rack.homes.client, "GET", "/api/v1/jobs"),
            "a signature over another method": signedHeaders(rack.homes.client, "DELETE", at),
            "an old signature": signedHeaders(rack.homes.client, "GET", at, Math.floor(Date.now() / 1000) - 3_600),
            "another nonce": { ...good, "swarm-nonce": "1" },
        };
        for (const [what, headers] of Object.entries(tries)) {
            const answer = await get(rack, at, headers);
            expect([401, 403, 404], `${at}: ${what}`).toContain(answer.status);
            expect((await answer.arrayBuffer()).byteLength, what).toBeLessThan(2_000);
        }
        expect((await get(rack, at, good)).status).toBe(200);
        expect((await get(rack, at, good)).status, "the same signature again").toBe(409);
    }
});

test("nothing of it is in what anybody may read: API, bundle, index, export", async ({ rack }) => {
    const job = rack.jobs[0]!.job_id;
    const path = `/api/v1/jobs/${job}/result`;
    const { result, salt, manifest } = (await (await get(rack, path, signedHeaders(rack.homes.client, "GET", path))).json()) as { result: { sha256: string }; salt: string; manifest: string };
    const client = keyOf(rack.homes.client).address;
    const patient = JSON.parse(readFileSync(join(rack.homes.client, "patient.json"), "utf8")) as string[];
    const secrets = [result.sha256, salt, manifest, ...patient].map((text) => text.replace(/^0x/, ""));
    expect(secrets.length).toBeGreaterThan(3);
    const open = ["/index.json", "/chain/epoch-001.json", `/accounts/${client}.json`, `/api/v1/jobs/${job}`, `/api/v1/jobs/${job}/receipt`, `/api/v1/jobs/${job}/why`, "/api/v1/jobs", "/api/v1/epochs/1", "/audit/epoch-001/SUMMARY.json", "/audit/epoch-001/jobs/00000.json", "/openapi.json", "/metrics"];
    for (const at of open) {
        const answer = await get(rack, at);
        expect(answer.status, at).toBe(200);
        const text = await answer.text();
        for (const secret of secrets) expect(text.includes(secret), `${at} has ${secret}`).toBe(false);
    }
    for (const name of readdirSync(rack.exported, { recursive: true, encoding: "utf8" })) {
        const file = join(rack.exported, name);
        if (!statSync(file).isFile()) continue;
        const content = readFileSync(file);
        for (const secret of secrets) expect(content.includes(secret), `${name} has ${secret}`).toBe(false);
    }
});

test("no path leads out of what is served", async ({ rack }) => {
    for (const path of ["/../queen.toml", "/%2e%2e/queen.toml", "/assets/../../keys/queen/key", "/assets/%2e%2e%2f%2e%2e%2fqueen.toml", "/audit/epoch-001/../../queen.toml", "/audit/epoch-001/%2e%2e%2fSUMMARY.json", "/accounts/..%2f..%2fkey.json", "/audit/epoch-001/jobs/..%2fSUMMARY.json"]) {
        const answer = await get(rack, path);
        const text = await answer.text();
        expect(text.includes("[keys]") || /^[0-9a-f]{64}$/.test(text.trim()), path).toBe(false);
        if (answer.status === 200) expect(answer.headers.get("content-type"), path).toContain("text/html");
    }
});
