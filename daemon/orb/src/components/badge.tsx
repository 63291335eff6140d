/** Colour of a state: good, on its way, waiting, bad, or nothing special. */
export type Tone = "good" | "busy" | "wait" | "bad" | "plain";

const TONES: Readonly<Record<string, Tone>> = {
    active: "busy",
    sealing: "busy",
    sealed: "wait",
    submitted: "wait",
    included: "wait",
    finalized: "good",
    void: "bad",
    pending: "wait",
    claimed: "busy",
    processing: "busy",
    completed: "good",
    failed: "bad",
    dead: "bad",
    cancelled: "plain",
    expired: "bad",
    online: "good",
    busy: "busy",
    draining: "wait",
    offline: "bad",
    approved: "good",
    waiting: "wait",
    complete: "good",
    missing: "bad",
    differs: "bad",
    damaged: "bad",
    unchecked: "wait",
};

/** What a state is called where its own word would not say enough. */
const WORDS: Readonly<Record<string, string>> = { included: "in its window", finalized: "final", active: "open" };

/** The colour of a state's word. */
export function toneOf(state: string): Tone {
    return TONES[state] ?? "plain";
}

/** A state's word for people. */
export function wordOf(state: string): string {
    return WORDS[state] ?? state;
}

/** A state, with its colour. */
export function Badge({ state }: { state: string }) {
    return <span class={`badge tone-${toneOf(state)}`}>{wordOf(state)}</span>;
}
