/** ECDSA on secp256k1 as the protocol stores it: 65 bytes r‖s‖v, low s, v 27 or 28. */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { hex, keccak256, unhex, utf8 } from "./bytes";
import type { Hex } from "./types";

/** keccak256("\x19Ethereum Signed Message:\n32" ‖ digest): what `personal_sign` signs of 32 bytes. */
export function eip191(digest: Uint8Array): Uint8Array {
    return keccak256(utf8(`\x19Ethereum Signed Message:\n${digest.length}`), digest);
}

/** The address whose key signed `digest`; null for a signature that is not canonical or fits no key. */
export function recover(digest: Uint8Array, signature: Hex): Hex | null {
    const bytes = unhex(signature);
    const v = bytes[64];
    if (bytes.length !== 65 || (v !== 27 && v !== 28)) return null;
    try {
        const parsed = secp256k1.Signature.fromBytes(bytes.subarray(0, 64), "compact");
        if (parsed.hasHighS()) return null;
        const key = parsed.addRecoveryBit(v - 27).recoverPublicKey(digest).toBytes(false);
        return hex(keccak256(key.subarray(1)).subarray(12));
    } catch {
        return null;
    }
}
