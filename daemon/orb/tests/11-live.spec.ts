// A queen that goes and comes back. The last test: afterwards the rack is another one.
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { program, until } from "./machine";
import { expect, open, test } from "./page";
import { swarm } from "./rack";

/** The process with these words in its command line. */
function processOf(...words: string[]): number {
    const found = readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name)).find((pid) => {
        try {
            const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
            return words.every((word) => line.includes(word));
        } catch {
            return false;
        }
    });
    if (!found) throw new Error(`no process ${words.join(" ")}`);
    return Number(found);
}

test("events arrive by themselves", async ({ page, rack }) => {
    await open(page, rack.queen, "#/");
    await expect(page.locator("[data-age]")).toHaveText(/live|heard/);
    const code = swarm<Record<string, unknown>>(rack, rack.homes.operator, "bee", "list");
    expect(code).toBeTruthy();
    // Heartbeats and keep-alives: the age starts again from nothing.
    await expect.poll(async () => Number(await page.locator("[data-age]").getAttribute("data-age")), { timeout: 40_000 }).toBeLessThan(3);
});

test("a queen that restarts: the page shows how old its news is, and comes back by itself", async ({ page, rack, expected }) => {
    test.setTimeout(300_000);
    expected.push(/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET|Failed to (load|fetch)|status of 5|network error/i);
    await open(page, rack.queen, "#/");
    const pulse = page.locator("[data-age]");
    await expect(pulse).toHaveText(/live|heard/);

    // The demo ends when one of its processes does, so it holds still meanwhile.
    process.kill(rack.pid, "SIGSTOP");
    const config = join(rack.dir, "queen.toml");
    process.kill(processOf("queen", config), "SIGTERM");
    await until("the queen's end", 30, () => fetch(`${rack.queen}/health`).then(() => false, () => true));
    await expect.poll(async () => Number(await pulse.getAttribute("data-age")), { timeout: 20_000 }).toBeGreaterThanOrEqual(3);
    await expect(pulse).toHaveText(/heard .* ago/);
    await expect(pulse).toHaveClass(/lost/);
    // What was there stays readable.
    await expect(page.locator("main")).toContainText(/epoch/i);

    const queen = spawn(program("swarmd"), ["queen", "--config", config], { stdio: "ignore", detached: true });
    queen.unref();
    const file = process.env["ORB_RACK"]!;
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, "utf8")) as object), others: [queen.pid] }));
    await until("the queen's return", 30, () => fetch(`${rack.queen}/health`).then((answer) => answer.ok, () => false));
    await expect(pulse).not.toHaveClass(/lost/, { timeout: 45_000 });
    await expect.poll(async () => Number(await pulse.getAttribute("data-age")), { timeout: 40_000 }).toBeLessThan(3);
});
