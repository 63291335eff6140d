// What the queen tells while the page is open.
import { batch, signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { followEvents } from "../api/stream";
import type { Event } from "../api/types";

/** How the feed is. `off`: nobody serves one here. */
export type FeedState = "off" | "connecting" | "open" | "lost";

/** Events that are kept for the page. */
const EVENTS_KEPT = 100;
/** Events of before that are asked for at the start. */
const EVENTS_BACK = 50;
/** Events of one job that its page asks for. */
const JOB_EVENTS_BACK = 200;
/** A page reloads what it shows at most this often. */
const BEAT_MS_MIN = 1_000;

export const feedState = signal<FeedState>("off");
/** Unix seconds of the last byte that was heard; null before the first. */
export const lastHeard = signal<number | null>(null);
/** The newest events, newest first. */
export const events = signal<readonly Event[]>([]);

type Listener = (event: Event) => void;
const listeners = new Set<Listener>();

/** Follows the whole feed for as long as the page lives. */
export function startFeed(): void {
    feedState.value = "connecting";
    void followEvents({
        query: { back: String(EVENTS_BACK) },
        signal: new AbortController().signal,
        onState: (open) => (feedState.value = open ? "open" : "lost"),
        onHeard: () => (lastHeard.value = Date.now() / 1000),
        onEvents: take,
    });
}

function take(heard: readonly Event[]): void {
    batch(() => {
        const newest = events.value[0];
        // After a restart of the queen, or of the page's place in the feed, some may come again.
        const fresh = newest ? heard.filter(({ seq }) => BigInt(seq) > BigInt(newest.seq)) : heard;
        events.value = [...fresh].reverse().concat(events.value).slice(0, EVENTS_KEPT);
    });
    for (const event of heard) for (const listener of listeners) listener(event);
}

/** A number that grows when an event matters to the page, at most once a second. */
export function useBeat(matters: (event: Event) => boolean): number {
    const [beat, setBeat] = useState(0);
    useEffect(() => {
        let timer: ReturnType<typeof setTimeout> | undefined;
        const listener: Listener = (event) => {
            if (timer !== undefined || !matters(event)) return;
            timer = setTimeout(() => {
                timer = undefined;
                setBeat((count) => count + 1);
            }, BEAT_MS_MIN);
        };
        listeners.add(listener);
        return () => {
            listeners.delete(listener);
            clearTimeout(timer);
        };
    }, []);
    return beat;
}

/** Hears every event from now on. */
export function onEvent(listener: Listener): void {
    listeners.add(listener);
}

/** The events of one job, oldest first, as they are and as they come. */
export function useJobEvents(job: string): readonly Event[] {
    const [heard, setHeard] = useState<readonly Event[]>([]);
    useEffect(() => {
        const stop = new AbortController();
        setHeard([]);
        void followEvents({
            query: { job, back: String(JOB_EVENTS_BACK) },
            signal: stop.signal,
            onEvents: (events) => setHeard((before) => [...before, ...events].slice(-JOB_EVENTS_BACK)),
        });
        return () => stop.abort();
    }, [job]);
    return heard;
}
