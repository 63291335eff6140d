import { defineConfig } from "@playwright/test";
import { chromium, root } from "./machine";

/** SwarmOrb's browser tests: one real rack for all of them, so they run one after another. */
export default defineConfig({
    testDir: ".",
    testMatch: "*.spec.ts",
    globalSetup: "./start.ts",
    // In the order of their names: the one that restarts the queen is the last.
    workers: 1,
    fullyParallel: false,
    forbidOnly: true,
    retries: 0,
    // Generous: a machine that is busy with other tests may be ten times slower.
    timeout: 240_000,
    expect: { timeout: 30_000 },
    reporter: "line",
    outputDir: `${root}target/orb-tests`,
    use: {
        browserName: "chromium",
        launchOptions: {
            executablePath: chromium(),
            // Chromium refuses its sandbox to root, which is what continuous integration runs as.
            args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
        },
        viewport: { width: 1280, height: 900 },
        screenshot: "only-on-failure",
    },
});
