/** Bytes and their hexadecimal text. */
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { sha256 as sha2 } from "@noble/hashes/sha2.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import type { Hex } from "./types";

export function hex(bytes: Uint8Array): Hex {
    return `0x${bytesToHex(bytes)}`;
}

/** The bytes of a text that was read as `Hex` before. */
export function unhex(text: Hex): Uint8Array {
    return hexToBytes(text.slice(2));
}

export function concat(...parts: Uint8Array[]): Uint8Array {
    const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
        joined.set(part, at);
        at += part.length;
    }
    return joined;
}

export function equal(left: Uint8Array, right: Uint8Array): boolean {
    return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

export function utf8(text: string): Uint8Array {
    return new TextEncoder().encode(text);
}

export function sha256(...parts: Uint8Array[]): Uint8Array {
    return sha2(parts.length === 1 ? parts[0]! : concat(...parts));
}

export function keccak256(...parts: Uint8Array[]): Uint8Array {
    return keccak_256(parts.length === 1 ? parts[0]! : concat(...parts));
}
