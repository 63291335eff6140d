// The queen's feed of events: one connection. Who follows it comes back by itself.
import { Failure } from "./http";
import { Parser } from "./sse";
import type { Event } from "./types";

/** Without a sign of life for so long a stream is given up; the queen's keep-alive comes every 15 s. */
const SILENCE_MS_MAX = 40_000;
const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 30_000;

/** What a follower wants to know. */
export interface Follower {
    /** Whose events: `job`, `client`; and how many of before (`back`). */
    readonly query: Readonly<Record<string, string>>;
    readonly signal: AbortSignal;
    /** The stream was opened, or lost. */
    readonly onState?: (open: boolean) => void;
    /** Anything was heard, be it a sign of life only. */
    readonly onHeard?: () => void;
    /** Events, oldest first. After a loss it goes on where it stopped. */
    readonly onEvents: (events: readonly Event[]) => void;
}

/** Follows the feed until `signal`, and comes back when it is lost: after a second, then after longer and longer. */
export async function followEvents(follower: Follower): Promise<void> {
    const { signal } = follower;
    let last: string | null = null;
    let retry = RETRY_MS_MIN;
    while (!signal.aborted) {
        let heard = false;
        const once: Follower = {
            ...follower,
            onHeard: () => {
                heard = true;
                follower.onHeard?.();
            },
            onEvents: (events) => {
                last = events.at(-1)?.seq ?? last;
                follower.onEvents(events);
            },
        };
        await connect(once, last).catch((error: unknown) => {
            // A queen who does not know the place starts afresh.
            if (error instanceof Failure && error.kind === "refused") last = null;
        });
        if (signal.aborted) return;
        follower.onState?.(false);
        retry = heard ? RETRY_MS_MIN : Math.min(retry * 2, RETRY_MS_MAX);
        await wait(retry * (0.75 + Math.random() / 2), signal);
    }
}

async function connect({ query, signal, onState, onHeard, onEvents }: Follower, last: string | null): Promise<void> {
    const silent = new AbortController();
    const { back, ...rest } = query;
    const text = new URLSearchParams(last === null && back ? { ...rest, back } : rest);
    const headers = new Headers({ accept: "text/event-stream" });
    if (last !== null) headers.set("last-event-id", last);
    // A stream has no deadline for its end, only one for its silence.
    let silence = setTimeout(() => silent.abort(), SILENCE_MS_MAX);
    try {
        const url = new URL(`api/v1/events?${text}`, document.baseURI);
        const response = await fetch(url, { headers, cache: "no-store", signal: AbortSignal.any([signal, silent.signal]) });
        if (!response.ok || !response.body) throw new Failure("refused", `HTTP ${response.status}`);
        onState?.(true);
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        const parser = new Parser();
        for (;;) {
            const { done, value } = await reader.read();
            clearTimeout(silence);
            if (done) return;
            silence = setTimeout(() => silent.abort(), SILENCE_MS_MAX);
            onHeard?.();
            const events = parser.push(value).flatMap(({ data }) => parse(data) ?? []);
            if (events.length > 0) onEvents(events);
        }
    } finally {
        clearTimeout(silence);
    }
}

function parse(data: string): Event | null {
    try {
        return JSON.parse(data) as Event;
    } catch {
        return null;
    }
}

function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((done) => {
        const timer = setTimeout(done, milliseconds);
        signal.addEventListener("abort", () => {
            clearTimeout(timer);
            done();
        });
    });
}
