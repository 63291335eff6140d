// The index: what the chain and the bundles say, and how this site is set up. Everything starts with it.
import { computed, signal } from "@preact/signals";
import { Failure, fetchJson } from "../api/http";
import type { Index, IndexEpoch } from "../api/types";
import { now } from "./clock";
import { onEvent, startFeed } from "./live";
import { ownRpc } from "./prefs";

/** The newest index that came; null before the first. */
export const index = signal<Index | null>(null);
/** Why the newest attempt to get one failed; null when it did not. */
export const indexFailure = signal<Failure | null>(null);

/** A live site's index is fetched again this often, and after every event of an epoch. */
const REFRESH_MS = 30_000;
const RETRY_MS = 3_000;
/** Time between an epoch's event and the fetch, so that several count as one. */
const SETTLE_MS = 1_000;

let fetchedAt = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Whether a queen serves this site. */
export const live = computed(() => index.value?.live ?? false);

/** The node that the chain is read from: the reader's own choice, else the first that the site names. */
export const rpc = computed(() => ownRpc.value ?? index.value?.rpcs[0] ?? null);

/** The chain's time, as far as it is known: the index's block, and what passed since it was fetched. */
export const chainNow = computed(() => {
    const block = index.value?.block;
    return block ? Number(block.time) + Math.max(0, now.value - fetchedAt) : now.value;
});

/** Gets the index, and keeps it fresh. */
export function startSite(): void {
    let feeding = false;
    const refresh = async (): Promise<void> => {
        try {
            const fresh = await fetchJson<Index>("index.json", { cache: "no-cache" });
            check(fresh);
            fetchedAt = Date.now() / 1000;
            index.value = fresh;
            indexFailure.value = null;
        } catch (error) {
            indexFailure.value = error instanceof Failure ? error : new Failure("damaged", String(error));
        }
        if (live.value && !feeding) {
            feeding = true;
            onEvent((event) => {
                if (event.kind.startsWith("epoch.")) later(SETTLE_MS);
            });
            startFeed();
        }
        if (live.value || !index.value) later(indexFailure.value ? RETRY_MS : REFRESH_MS);
    };
    const later = (milliseconds: number): void => {
        clearTimeout(timer);
        timer = setTimeout(() => void refresh(), milliseconds);
    };
    void refresh();
}

/** An epoch of the index by its number. */
export function settledEpoch(of: Index, number: string): IndexEpoch | undefined {
    return of.epochs.find((epoch) => epoch.epoch === number);
}

function check(fresh: Index): void {
    if (fresh.version !== 1) {
        throw new Failure("damaged", `index.json is of version ${String(fresh.version)}; this page reads version 1.`);
    }
}
