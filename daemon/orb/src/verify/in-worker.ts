/** Runs `verifyEpoch` in a Web Worker and gives its updates. */
import type { Options, Update } from "./types";
import type { Answer, Request } from "./worker";

/** `base` is the absolute address of the bundle's folder and ends in `/`. Ending the iteration ends the worker. */
export async function* verifyEpochInWorker(base: string, options: Omit<Options, "fetch">): AsyncGenerator<Update> {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    const waiting: Answer[] = [];
    let wake = () => {};
    const put = (answer: Answer) => {
        waiting.push(answer);
        wake();
    };
    worker.onmessage = ({ data }: MessageEvent<Answer>) => put(data);
    worker.onerror = () => put({ failed: "the verifier could not be started" });
    const stop = () => wake();
    options.signal?.addEventListener("abort", stop);
    try {
        const { signal: _, ...rest } = options;
        worker.postMessage({ base, ...rest } satisfies Request);
        for (;;) {
            options.signal?.throwIfAborted();
            const answer = waiting.shift();
            if (answer === undefined) await new Promise<void>((resolve) => (wake = resolve));
            else if ("update" in answer) yield answer.update;
            else if ("failed" in answer) throw new Error(answer.failed);
            else return;
        }
    } finally {
        options.signal?.removeEventListener("abort", stop);
        worker.terminate();
    }
}
