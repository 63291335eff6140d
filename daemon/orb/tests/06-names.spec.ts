// Names: labels that the chain confirms. Search finds by them, and takes none that could pass for another.
import { mkdtempSync, readFileSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { axe, expect, open, test } from "./page";
import { ask, type Rack, rack as running, swarm } from "./rack";
import { serve } from "./static";
import { keyOf } from "./wallet";

interface Named {
    names: Record<string, { name: string; block: string }>;
    ens: { chain_id: string; registry: string } | null;
}

const CLIENT = "client.demo.eth";
const indexOf = async (rack: Rack): Promise<Named> => (await (await fetch(`${rack.queen}/index.json`)).json()) as Named;

test("the index names whom the chain names, and anybody's index does", async ({ rack }) => {
    const { names, ens } = await indexOf(rack);
    expect(Object.values(names).map(({ name }) => name).sort()).toEqual(["bee-01.demo.eth", "bee-02.demo.eth", CLIENT]);
    expect(names[keyOf(rack.homes.client).address]?.name).toBe(CLIENT);
    const newest = BigInt((await ask(rack.rpc, "eth_blockNumber")) as string);
    for (const { block } of Object.values(names)) expect(BigInt(block) > 0n && BigInt(block) <= newest).toBe(true);
    const out = join(mkdtempSync(join(tmpdir(), "swarmos-index-")), "index.json");
    swarm(rack, rack.homes.guardian, "orb", "index", "--bundles", join(rack.exported, "audit"), "--out", out, "--ens-registry", ens!.registry);
    const rebuilt = JSON.parse(readFileSync(out, "utf8")) as Named;
    expect(rebuilt.ens).toEqual(ens);
    expect(Object.entries(rebuilt.names).map(([address, { name }]) => [address, name])).toEqual(Object.entries(names).map(([address, { name }]) => [address, name]));
});

test("search by a name asks the reader's node, says so, and leads to the account", async ({ page, rack, expected }) => {
    // Whether the address is a bee's is asked too; it is not.
    expected.push(/status of 404 .*\/workers\/0x/);
    const { address } = keyOf(rack.homes.client);
    await open(page, rack.queen, "#/");
    await page.getByRole("searchbox").fill("Client.Demo.ETH");
    await page.getByRole("searchbox").press("Enter");
    const main = page.locator("main");
    await expect(main).toContainText(`${address}, read at block`);
    await expect(main).toContainText(`through ${rack.rpc}`);
    expect(await axe(page)).toEqual([]);
    await main.getByRole("link", { name: CLIENT }).click();
    await expect(page).toHaveURL(new RegExp(`#/client/${address}$`));
    await expect(main.getByRole("heading", { level: 1 })).toContainText(CLIENT);
});

test("a bee is found by its name too", async ({ page, rack }) => {
    await open(page, rack.queen, "#/search/bee-02.demo.eth");
    await page.locator("main").getByRole("link", { name: "bee-02.demo.eth" }).click();
    await expect(page).toHaveURL(/#\/bee\/0x[0-9a-f]{40}$/);
});

test("a name of nobody leads to no address, and the page says who said so", async ({ page, rack }) => {
    await open(page, rack.queen, "#/search/nobody.demo.eth");
    await expect(page.locator("main")).toContainText("This name leads to no address");
    await expect(page.locator("main")).toContainText(rack.rpc);
});

test("without the node, what the index read counts, with its block", async ({ page, rack, expected }) => {
    expected.push(/ERR_CONNECTION_REFUSED|Failed to load resource/);
    await page.route(`${rack.rpc}/**`, (route) => route.abort("connectionrefused"));
    await open(page, rack.queen, `#/search/${CLIENT}`);
    await expect(page.locator("main")).toContainText(/as the index read it at block [0-9]+/);
});

const REFUSED: [string, RegExp][] = [
    ["\u202ehte.omed.tneilc", /U\+202E/],
    ["cl\u0456ent.demo.eth", /U\+0456/],
    ["\uff43lient.demo.eth", /U\+FF43/],
    ["cli\u200dent.demo.eth", /U\+200D/],
    ["<img/src=x>.demo.eth", /knows/],
    ["<b>client.demo.eth", /“<”/],
    ["xn--clent-2of.demo.eth", /coded/],
    ["client..demo.eth", /nothing/],
    ["ab.".repeat(3_413) + "eth", /10242 characters/],
];

test("names that could pass for others are refused, nobody is asked, and it is said why", async ({ page, rack }) => {
    const calls: string[] = [];
    page.on("request", (request) => {
        if (request.url().startsWith(rack.rpc) || request.url().includes("/clients/")) calls.push(request.postData() ?? request.url());
    });
    for (const [name, why] of REFUSED) {
        await open(page, rack.queen, "#/settings");
        await page.getByRole("searchbox").fill(name);
        await page.getByRole("searchbox").press("Enter");
        await expect(page.locator("main .empty")).toContainText(why);
        await expect(page.locator("main .hits")).toHaveCount(0);
        expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBeLessThanOrEqual(0);
    }
    expect(calls).toEqual([]);
});

test("an index that names an address deceptively is not believed", async ({ page, rack }) => {
    const { address } = keyOf(rack.homes.client);
    await page.route("**/index.json", async (route) => {
        const answer = await route.fetch();
        const json = (await answer.json()) as Named;
        await route.fulfill({ response: answer, json: { ...json, names: { [address]: { name: "cl\u0456ent.demo.eth", block: "1" } } } });
    });
    await open(page, rack.queen, `#/client/${address}`);
    await expect(page.locator("main")).not.toContainText("demo.eth");
});

test.describe("where no registry is configured", () => {
    let site = "";
    let server: Server;
    test.beforeAll(async () => ({ url: site, server } = await serve(running().exported)));
    test.afterAll(() => server.close());

    test("the page says plainly that names are not looked up", async ({ page, expected }) => {
        expected.push(new RegExp(`^${site}`));
        await open(page, site, `#/search/${CLIENT}`);
        await expect(page.locator("main")).toContainText("Names are not looked up here");
    });
});
