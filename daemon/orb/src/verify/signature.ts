/** ECDSA on secp256k1 as the protocol stores it: 65 bytes r‖s‖v, low s, v 27 or 28. */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { hex, keccak256, unhex, utf8 } from "./bytes";
import type { Hex } from "./types";

/** A signature in its one form. */
export interface Signed {
    readonly r: bigint;
    readonly s: bigint;
    /** Whether the nonce's point has an odd y. */
    readonly odd: boolean;
}

/** keccak256("\x19Ethereum Signed Message:\n32" ‖ digest): what `personal_sign` signs of 32 bytes. */
export function eip191(digest: Uint8Array): Uint8Array {
    return keccak256(utf8(`\x19Ethereum Signed Message:\n${digest.length}`), digest);
}

/** Reads a signature; null when it is not canonical. */
export function parseSignature(signature: Hex): Signed | null {
    const bytes = unhex(signature);
    const v = bytes[64];
    if (bytes.length !== 65 || (v !== 27 && v !== 28)) return null;
    try {
        const parsed = secp256k1.Signature.fromBytes(bytes.subarray(0, 64), "compact");
        return parsed.hasHighS() ? null : { r: parsed.r, s: parsed.s, odd: v === 28 };
    } catch {
        return null;
    }
}

/** The key that signed `digest`, and its address; null when the signature fits no key. */
export function recoverKey(digest: Uint8Array, { r, s, odd }: Signed) {
    try {
        const key = new secp256k1.Signature(r, s, odd ? 1 : 0).recoverPublicKey(digest);
        return { key, address: hex(keccak256(key.toBytes(false).subarray(1)).subarray(12)) };
    } catch {
        return null;
    }
}

/** The address whose key signed `digest`; null for a signature that is not canonical or fits no key. */
export function recover(digest: Uint8Array, signature: Hex): Hex | null {
    const parsed = parseSignature(signature);
    return parsed && (recoverKey(digest, parsed)?.address ?? null);
}
