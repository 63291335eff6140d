import { expect, test } from "vitest";
import { manifestOf } from "./result";

test("a manifest is what sha256sum prints, sorted by path", () => {
    const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const bytes = new Uint8Array();
    const names = ["b.txt", "a/b", "a", "ä", "a.txt"];
    expect(manifestOf(names.map((name) => ({ name, bytes })))).toBe(
        ["a", "a.txt", "a/b", "b.txt", "ä"].map((name) => `${empty}  ${name}\n`).join(""),
    );
});
