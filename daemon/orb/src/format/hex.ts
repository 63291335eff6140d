/** `0x12ab…89ef`; what is short stays whole. */
export function short(hex: string, ends = 4): string {
    return hex.length <= 2 * ends + 4 ? hex : `${hex.slice(0, ends + 2)}…${hex.slice(-ends)}`;
}

/** Whether a text is an address: 20 bytes of hex with 0x. */
export function isAddress(text: string): boolean {
    return /^0x[0-9a-f]{40}$/i.test(text);
}

/** Whether a text is a hash: 32 bytes of hex with 0x. */
export function isHash(text: string): boolean {
    return /^0x[0-9a-f]{64}$/i.test(text);
}

/** Whether an address or hash is all zeros: "none". */
export function isZero(hex: string): boolean {
    return /^0x0*$/.test(hex);
}

/** Lower-case hex with 0x. */
export function toHex(bytes: Uint8Array): string {
    let hex = "0x";
    for (const byte of bytes) hex += byte.toString(16).padStart(2, "0");
    return hex;
}
