/** A Web Worker that verifies an epoch, so that the page stays smooth. One run a worker. */
import { bundleAt } from "./bundle";
import { verifyEpoch } from "./epoch";
import { said } from "./rpc";
import type { Update } from "./types";

/** What the page asks. */
export interface Request {
    base: string;
    rpc: string | null;
    escrow?: string;
    chainId?: string;
}

/** What the worker answers: updates, then one end. */
export type Answer = { update: Update } | { done: true } | { failed: string };

const scope = self as unknown as { postMessage(answer: Answer): void; onmessage: ((event: MessageEvent<Request>) => void) | null };

scope.onmessage = async ({ data: { base, ...options } }) => {
    try {
        for await (const update of verifyEpoch(bundleAt(base), options)) scope.postMessage({ update });
        scope.postMessage({ done: true });
    } catch (error) {
        scope.postMessage({ failed: said(error) });
    }
};
