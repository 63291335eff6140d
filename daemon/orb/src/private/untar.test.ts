import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { untar } from "./untar";

function packed(files: Record<string, string>, ...options: string[]): Uint8Array {
    const dir = mkdtempSync(join(tmpdir(), "untar-"));
    try {
        for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, name), content);
        return new Uint8Array(execFileSync("tar", ["--format=ustar", "-cf", "-", "-C", dir, ...options, ...Object.keys(files)]));
    } finally {
        rmSync(dir, { recursive: true });
    }
}

test("what tar packs comes out as it was", () => {
    const content = { "report.json": '{"a":1}', "empty.txt": "", "montage.png": "x".repeat(1025) };
    const files = untar(packed(content));
    expect(Object.fromEntries(files.map(({ name, bytes }) => [name, new TextDecoder().decode(bytes)]))).toEqual(content);
});

test("damage and anything but plain files is refused", () => {
    const sound = packed({ "a.txt": "hello" });
    const flipped = sound.slice();
    flipped[0]! ^= 1;
    expect(() => untar(flipped)).toThrow(/checksum/);
    expect(() => untar(sound.subarray(0, 514))).toThrow(/middle of a file/);
    expect(() => untar(packed({ "a.txt": "hello" }, "--add-file=."))).toThrow(/plain files/);
});
