import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

/** What would render text as HTML, or run it. Nothing from the API may reach any of these. */
const FORBIDDEN =
    /innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc|createContextualFragment|DOMParser|\beval\(|new Function|javascript:/;

test("no source renders text as HTML or runs it", () => {
    const sources = readdirSync(import.meta.dirname, { recursive: true, encoding: "utf8" }).filter(
        (name) => /\.tsx?$/.test(name) && !/\.test\.tsx?$/.test(name),
    );
    expect(sources.length).toBeGreaterThan(40);
    for (const name of sources) {
        const text = readFileSync(join(import.meta.dirname, name), "utf8");
        expect(FORBIDDEN.exec(text)?.[0], name).toBeUndefined();
        expect(/\bstyle="/.exec(text)?.[0], `${name}: a style attribute, which the CSP refuses`).toBeUndefined();
    }
});
