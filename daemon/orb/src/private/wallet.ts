// The reader's wallet (EIP-1193). It signs one request at a time; the page never sees a key.
import { toHex } from "../format/hex";

interface Provider {
    request(call: { method: string; params?: unknown[] }): Promise<unknown>;
}

/** Whether the browser has a wallet. */
export function hasWallet(): boolean {
    return provider() !== null;
}

/** The address that the reader chooses to show. */
export async function account(): Promise<string> {
    const accounts = await wallet().request({ method: "eth_requestAccounts" });
    const first: unknown = Array.isArray(accounts) ? accounts[0] : undefined;
    if (typeof first !== "string") throw new Error("The wallet gave no account.");
    return first.toLowerCase();
}

/** `personal_sign` (EIP-191) of a text. The wallet shows it before it signs. */
export async function sign(text: string, by: string): Promise<string> {
    const message = toHex(new TextEncoder().encode(text));
    const signature = await wallet().request({ method: "personal_sign", params: [message, by] });
    if (typeof signature !== "string") throw new Error("The wallet gave no signature.");
    return signature;
}

function wallet(): Provider {
    const found = provider();
    if (!found) throw new Error("There is no wallet in this browser.");
    return found;
}

function provider(): Provider | null {
    const found = (globalThis as { ethereum?: Partial<Provider> }).ethereum;
    return typeof found?.request === "function" ? (found as Provider) : null;
}
