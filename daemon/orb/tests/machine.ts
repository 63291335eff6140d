// What the machine has: Chromium, the built programs, free ports.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

/** The repository. */
export const root = fileURLToPath(new URL("../../../", import.meta.url));

/** Debian's Chromium, or the one that $CHROMIUM names. */
export function chromium(): string {
    const named = process.env["CHROMIUM"];
    if (named) return named;
    for (const name of ["chromium", "chromium-browser"]) {
        try {
            return execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();
        } catch {
            continue;
        }
    }
    throw new Error("no chromium: apt install chromium, or name one with CHROMIUM=/path/to/chromium");
}

/** A program of this repository, as cargo built it. */
export function program(name: string): string {
    const path = `${process.env["CARGO_TARGET_DIR"] ?? `${root}target`}/debug/${name}`;
    if (!existsSync(path)) throw new Error(`${path} is missing: cargo build -p ${name}`);
    return path;
}

/** A port that nobody listens on. */
export function freePort(): Promise<number> {
    return new Promise((resolve, reject) => {
        const server = createServer();
        server.on("error", reject);
        server.listen(0, "127.0.0.1", () => {
            const address = server.address();
            server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
        });
    });
}

export async function until<T>(what: string, seconds: number, look: () => Promise<T | null | undefined | false> | T | null | undefined | false): Promise<T> {
    const end = Date.now() + seconds * 1000;
    for (;;) {
        const found = await look();
        if (found) return found;
        if (Date.now() > end) throw new Error(`${what} did not happen within ${seconds} s`);
        await new Promise((done) => setTimeout(done, 250));
    }
}
