/** JSON-RPC to a node of the chain, and bounded reading of what strangers send. */
import { shown } from "./read";

/** How long a node may take to answer. */
const ANSWER_MILLISECONDS_MAX = 20_000;
/** An answer of a node is at most this long. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

/** The node did not answer, or refused. */
export class RpcError extends Error {
    constructor(message: string) {
        super(message);
        this.name = "RpcError";
    }
}

/** Reads a body, and no more of it than allowed. */
export async function readBody(response: Response, bytesMax: number): Promise<Uint8Array> {
    const tooLong = () => new Error(`is longer than ${bytesMax} bytes`);
    if (Number(response.headers.get("content-length") ?? 0) > bytesMax) throw tooLong();
    const reader = response.body?.getReader();
    if (!reader) return new Uint8Array();
    const parts: Uint8Array[] = [];
    let length = 0;
    for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        length += value.length;
        if (length > bytesMax) {
            await reader.cancel();
            throw tooLong();
        }
        parts.push(value);
    }
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
        bytes.set(part, at);
        at += part.length;
    }
    return bytes;
}

/** A node of the chain. */
export class Rpc {
    private readonly fetch: typeof fetch;
    private readonly signal: AbortSignal | undefined;

    constructor(
        readonly url: string,
        options: { fetch?: typeof fetch | undefined; signal?: AbortSignal | undefined } = {},
    ) {
        this.fetch = options.fetch ?? ((input, init) => fetch(input, init));
        this.signal = options.signal;
    }

    /** Calls a method; throws `RpcError` in one sentence when there is no result. */
    async call(method: string, params: unknown[]): Promise<unknown> {
        const timeout = AbortSignal.timeout(ANSWER_MILLISECONDS_MAX);
        let answer: unknown;
        try {
            const response = await this.fetch(this.url, {
                method: "POST",
                headers: { "content-type": "application/json" },
                body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
                signal: this.signal ? AbortSignal.any([this.signal, timeout]) : timeout,
            });
            const text = new TextDecoder().decode(await readBody(response, ANSWER_BYTES_MAX));
            if (!response.ok) throw new Error(`answered ${response.status}`);
            answer = JSON.parse(text);
        } catch (error) {
            this.signal?.throwIfAborted();
            const why = timeout.aborted ? `did not answer within ${ANSWER_MILLISECONDS_MAX / 1000} s` : said(error);
            throw new RpcError(`the chain's node ${this.url} cannot be asked: ${why}`);
        }
        if (typeof answer !== "object" || answer === null) {
            throw new RpcError(`the chain's node answered ${method} with ${shown(answer)}`);
        }
        const { result, error } = answer as { result?: unknown; error?: unknown };
        if (error !== undefined && error !== null) {
            const message = typeof error === "object" && "message" in error ? error.message : error;
            throw new RpcError(`the chain's node refused ${method}: ${shown(message)}`);
        }
        return result;
    }
}

/** What an error says, in a sentence. */
export function said(error: unknown): string {
    return error instanceof Error ? error.message : String(error);
}
