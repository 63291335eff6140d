// A browser page that is watched: no error in its console, no breach of its policy, no request to anybody else.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect, type Page, test as base } from "@playwright/test";
import { rack, type Rack } from "./rack";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Fixtures {
    rack: Rack;
    /** Console lines and failed requests that a test expects, because it breaks something. */
    expected: RegExp[];
    /** What went wrong on the page so far. */
    faults: string[];
}

export const test = base.extend<Fixtures>({
    rack: async ({}, use) => use(rack()),
    expected: async ({}, use) => use([]),
    faults: async ({}, use) => use([]),
    page: async ({ page, rack, expected, faults }, use) => {
        const allowed = [rack.queen, rack.rpc].map((url) => new URL(url).host);
        await page.addInitScript(() => {
            document.addEventListener("securitypolicyviolation", (event) => {
                console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
            });
        });
        page.on("console", (line) => {
            if (line.type() === "error" || line.type() === "warning") faults.push(`console: ${line.text()} (${line.location().url})`);
        });
        page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
        page.on("request", (request) => {
            const url = new URL(request.url());
            const isLocal = url.protocol === "blob:" || url.protocol === "data:" || url.hostname === "127.0.0.1";
            if (!isLocal || (url.port !== "" && !allowed.includes(url.host) && !expected.some((line) => line.test(request.url())))) {
                faults.push(`request: ${request.url().slice(0, 200)}`);
            }
        });
        await use(page);
        // A route's handler that still reads an answer would lose it with the page, and fail a test that has passed.
        await page.unrouteAll({ behavior: "wait" });
        expect(faults.filter((fault) => !expected.some((line) => line.test(fault)))).toEqual([]);
    },
});

export { expect };

/** Opens a page of the queen's SwarmOrb, and waits until it has its content. */
export async function open(page: Page, site: string, route: string): Promise<void> {
    await page.goto(`${site}/${route}`);
    await settled(page);
}

/** Goes to another page, so that the next one starts afresh. */
export async function leave(page: Page, site: string): Promise<void> {
    await page.goto(`${site}/#/settings`);
    await expect(page.locator("[data-step]")).toHaveCount(0);
    await expect(page.getByRole("heading", { name: "Settings" })).toBeVisible();
}

/** Nothing on the page is on its way. */
export async function settled(page: Page): Promise<void> {
    await expect(page.locator("main")).toBeVisible();
    await expect(page.locator(".skeleton")).toHaveCount(0);
}

/** The steps of a verification, once all have come: id → state. */
export async function steps(page: Page, seconds = 90): Promise<Record<string, string>> {
    await expect(page.locator("[data-step]").first()).toBeVisible();
    await expect(page.locator('[data-step][data-state="waiting"]')).toHaveCount(0, { timeout: seconds * 1000 });
    return page.locator("[data-step]").evaluateAll((all) =>
        Object.fromEntries(all.map((step) => [step.getAttribute("data-step") ?? "", step.getAttribute("data-state") ?? ""])),
    );
}

/** The ids of the steps in a state. */
export function inState(found: Record<string, string>, state: string): string[] {
    return Object.keys(found).filter((id) => found[id] === state);
}

/** What axe-core finds wrong with the page, in lines. */
export async function axe(page: Page): Promise<string[]> {
    await page.evaluate(axeSource);
    return page.evaluate(async () => {
        const { axe } = window as unknown as { axe: { run(options: object): Promise<{ violations: { id: string; help: string; nodes: { html: string; failureSummary?: string }[] }[] }> } };
        // Styles that are still on their way would be judged half faded.
        for (const animation of document.getAnimations()) if (animation.effect?.getComputedTiming().iterations !== Infinity) animation.finish();
        const { violations } = await axe.run({ resultTypes: ["violations"] });
        return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`);
    });
}
