// Requests for what is private: signed one by one, as the queen's README has it.
import { fetchHere } from "../api/http";
import { sha256, utf8 } from "../verify/bytes";
import { sign } from "./wallet";

/** The text that is signed for a request without a body. */
export function requestText(method: string, path: string, timestamp: number, nonce: bigint): string {
    return [method, path, bare(sha256(utf8(""))), String(timestamp), String(nonce)].join("\n");
}

/** Gets what only `by` may have. The wallet is asked for one signature. */
export async function getSigned(path: string, by: string): Promise<Response> {
    const url = new URL(path, document.baseURI);
    const timestamp = Math.floor(Date.now() / 1000);
    const nonce = crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n;
    const signature = await sign(requestText("GET", url.pathname + url.search, timestamp, nonce), by);
    return fetchHere(path, {
        cache: "no-store",
        headers: { "swarm-address": by, "swarm-timestamp": String(timestamp), "swarm-nonce": String(nonce), "swarm-signature": signature },
    });
}

function bare(bytes: Uint8Array): string {
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
