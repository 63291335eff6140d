// Fails when the scripts of a build weigh more than they may: budget.mjs DIST
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

/** All scripts together, lazily loaded ones included, gzipped. */
const SCRIPT_BYTES_MAX = 200 * 1024;

const assets = join(process.argv[2] ?? "dist", "assets");
const sizes = readdirSync(assets)
    .filter((name) => name.endsWith(".js"))
    .map((name) => ({ name, bytes: gzipSync(readFileSync(join(assets, name))).length }));
const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
for (const { name, bytes } of sizes) console.log(`${String(bytes).padStart(8)}  ${name}`);
console.log(`${String(total).padStart(8)}  of ${SCRIPT_BYTES_MAX} bytes gzipped`);
if (sizes.length === 0 || total > SCRIPT_BYTES_MAX) process.exit(1);
