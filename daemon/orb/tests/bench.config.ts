import { defineConfig } from "@playwright/test";
import tests from "./playwright.config";

/** Measured by hand on a quiet machine, never as a test: `npx playwright test --config tests/bench.config.ts`. */
export default defineConfig({ ...tests, testMatch: "*.bench.ts" });
