// A wallet for tests (EIP-1193): signs with the demo client's real key, in the test's process and not in the page.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import type { Page } from "@playwright/test";

export interface Wallet {
    address: string;
    /** The texts that it was asked to sign. */
    asked: string[];
}

/** The address of a home's key, and `personal_sign` with it. */
export function keyOf(home: string): { address: string; sign(text: Uint8Array): string } {
    const key = Buffer.from(readFileSync(join(home, "key"), "utf8").trim().replace(/^0x/, ""), "hex");
    const point = secp256k1.getPublicKey(key, false);
    const address = `0x${Buffer.from(keccak_256(point.subarray(1)).subarray(12)).toString("hex")}`;
    return {
        address,
        sign(text) {
            const head = Buffer.from(`\x19Ethereum Signed Message:\n${text.length}`);
            const digest = keccak_256(Buffer.concat([head, text]));
            const signature = secp256k1.sign(digest, key, { prehash: false, format: "recovered" });
            return `0x${Buffer.from(signature.subarray(1)).toString("hex")}${(27 + signature[0]!).toString(16)}`;
        },
    };
}

/** Gives the page a wallet with the key of `home`. */
export async function inject(page: Page, home: string): Promise<Wallet> {
    const { address, sign } = keyOf(home);
    const asked: string[] = [];
    await page.exposeFunction("testWallet", (method: string, params: string[]) => {
        if (method === "eth_requestAccounts" || method === "eth_accounts") return [address];
        if (method !== "personal_sign") throw new Error(`the wallet does not do ${method}`);
        const text = Buffer.from(params[0]!.slice(2), "hex");
        asked.push(text.toString());
        return sign(text);
    });
    await page.addInitScript(() => {
        const call = (window as unknown as { testWallet(method: string, params: unknown[]): Promise<unknown> }).testWallet;
        Object.assign(window, { ethereum: { request: ({ method, params = [] }: { method: string; params?: unknown[] }) => call(method, params) } });
    });
    return { address, asked };
}

/** The four headers of a signed request (daemon/queen/README.md). */
export function signedHeaders(home: string, method: string, path: string, at = Math.floor(Date.now() / 1000)): Record<string, string> {
    const { address, sign } = keyOf(home);
    const nonce = String(Math.floor(Math.random() * 2 ** 50));
    const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const text = [method, path, empty, String(at), nonce].join("\n");
    return { "swarm-address": address, "swarm-timestamp": String(at), "swarm-nonce": nonce, "swarm-signature": sign(Buffer.from(text)) };
}
