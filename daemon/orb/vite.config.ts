import { defineConfig } from "vitest/config";

// The output is committed and must come out the same on every machine: no time, no path, no random name in it.
export default defineConfig({
    // Relative, so that the page works from any folder and any IPFS gateway.
    base: "./",
    build: {
        target: "es2022",
        // A data: URL would need a hole in the Content-Security-Policy.
        assetsInlineLimit: 0,
        modulePreload: { polyfill: false },
        reportCompressedSize: false,
    },
    worker: { format: "es" },
    // Signatures take their time on a machine that is busy.
    test: { include: ["src/**/*.test.ts", "src/**/*.test.tsx"], testTimeout: 60_000 },
});
