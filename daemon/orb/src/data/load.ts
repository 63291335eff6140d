import { useEffect, useState } from "preact/hooks";
import { Failure } from "../api/http";

/** Something that comes over the wire. A value stays while a newer one is fetched, or cannot be. */
export type Load<T> =
    | { readonly state: "loading" }
    | { readonly state: "ready"; readonly value: T; readonly stale: Failure | null }
    | { readonly state: "failed"; readonly failure: Failure };

const LOADING: Load<never> = { state: "loading" };

/**
 * Loads what `key` names, again when `beat` changes. `load` must depend on `key` only. With a null key
 * nothing is loaded.
 */
export function useLoad<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>, beat = 0): Load<T> {
    const [held, hold] = useState<{ key: string | null; load: Load<T> }>({ key, load: LOADING });
    useEffect(() => {
        if (key === null) return undefined;
        const stop = new AbortController();
        load(stop.signal).then(
            (value) => hold({ key, load: { state: "ready", value, stale: null } }),
            (error: unknown) => {
                if (!stop.signal.aborted) hold((before) => ({ key, load: failed(before.key === key ? before.load : LOADING, error) }));
            },
        );
        return () => stop.abort();
    }, [key, beat]);
    return held.key === key ? held.load : LOADING;
}

function failed<T>(before: Load<T>, error: unknown): Load<T> {
    const failure = error instanceof Failure ? error : new Failure("damaged", error instanceof Error ? error.message : String(error));
    return before.state === "ready" && failure.kind !== "missing" ? { ...before, stale: failure } : { state: "failed", failure };
}
