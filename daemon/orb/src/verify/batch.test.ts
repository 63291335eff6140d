import { secp256k1 } from "@noble/curves/secp256k1.js";
import { expect, test } from "vitest";
import { SignatureBatch } from "./batch";
import { hex, keccak256, unhex, utf8 } from "./bytes";
import { recover } from "./signature";
import type { Hex } from "./types";

const N = secp256k1.Point.Fn.ORDER;
const secrets = ["one", "two", "three"].map((name) => keccak256(utf8(name)));
const addresses = secrets.map((secret) => hex(keccak256(secp256k1.getPublicKey(secret, false).subarray(1)).subarray(12)));
const digest = (at: number): Uint8Array => keccak256(utf8(`digest ${at}`));

function sign(at: number, who: number): Hex {
    const bytes = secp256k1.sign(digest(at), secrets[who]!, { prehash: false, format: "recovered" });
    return hex(Uint8Array.of(...bytes.subarray(1), 27 + bytes[0]!));
}

/** What the batch tells of signatures that must be by `at % 3`, and what recovering each by itself gives. */
function both(signatures: readonly Hex[]): { told: (Hex | null)[]; alone: (Hex | null)[] } {
    const batch = new SignatureBatch();
    const told: (Hex | null)[] = [];
    for (const [at, signature] of signatures.entries()) {
        batch.add({ digest: digest(at), signature, signer: addresses[at % 3]!, told: (signer) => (told[at] = signer) });
    }
    batch.settle();
    return { told, alone: signatures.map((signature, at) => recover(digest(at), signature)) };
}

const good = Array.from({ length: 24 }, (_, at) => sign(at, at % 3));

/** The same signature with other numbers. */
function changed(signature: Hex, change: (r: bigint, s: bigint, v: number) => [bigint, bigint, number]): Hex {
    const bytes = unhex(signature);
    const [r, s, v] = change(BigInt(hex(bytes.subarray(0, 32))), BigInt(hex(bytes.subarray(32, 64))), bytes[64]!);
    return `0x${r.toString(16).padStart(64, "0")}${s.toString(16).padStart(64, "0")}${v.toString(16).padStart(2, "0")}`;
}

test("true signatures are told to be their signers'", () => {
    const { told, alone } = both(good);
    expect(told).toEqual(good.map((_, at) => addresses[at % 3]));
    expect(told).toEqual(alone);
});

const WRONG: Record<string, (signature: Hex) => Hex> = {
    "of another digest": () => sign(99, 1),
    "of another key": () => sign(13, 0),
    "with the nonce's other point": (signature) => changed(signature, (r, s, v) => [r, s, 55 - v]),
    "with a high s": (signature) => changed(signature, (r, s, v) => [r, N - s, 55 - v]),
    "with another s": (signature) => changed(signature, (r, s, v) => [r, s > 1n ? s - 1n : s + 1n, v]),
    "with an r of no point": (signature) => changed(signature, (_, s, v) => [5n, s, v]),
    "of zeros": () => `0x${"00".repeat(65)}`,
    "with v of another kind": (signature) => changed(signature, (r, s) => [r, s, 1]),
};

test.each(Object.entries(WRONG))("a signature %s is told apart from the true ones beside it", (_, spoil) => {
    const signatures = good.map((signature, at) => (at === 13 ? spoil(signature) : signature));
    const { told, alone } = both(signatures);
    expect(told).toEqual(alone);
    expect(told[13]).not.toBe(addresses[1]);
    expect(told.filter((signer, at) => signer !== addresses[at % 3]).length).toBe(1);
});

test("wrong signatures do not make up for each other", () => {
    // One and the same error on both sides: without weights of their own the two would cancel.
    const signatures = good.map((signature, at) => (at === 12 || at === 15 ? changed(signature, (r, s, v) => [r, s, 55 - v]) : signature));
    const { told, alone } = both(signatures);
    expect(told).toEqual(alone);
    expect([told[12], told[15]]).not.toContain(addresses[0]);
});
