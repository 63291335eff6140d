import { signal } from "@preact/signals";

/** Unix seconds of this machine, once a second while the page is seen. */
export const now = signal(Date.now() / 1000);

const TICK_MS = 1_000;

/** Lets the clock run. */
export function startClock(): void {
    const tick = (): void => {
        if (document.visibilityState === "visible") now.value = Date.now() / 1000;
    };
    setInterval(tick, TICK_MS);
    document.addEventListener("visibilitychange", tick);
}
