// A verification as it goes: every step it will take, and what came of it.
import { useEffect, useMemo, useState } from "preact/hooks";
import { rpc } from "../data/site";
import { href } from "../router";
import type { PlannedStep, Progress, Step, Update } from "../verify";
import { Notice } from "./states";

/** A step, with or without its result. */
export type Shown = PlannedStep & Partial<Step>;

/** How a run stands. */
export interface Run {
    readonly steps: readonly Shown[];
    readonly progress: Progress | null;
    readonly done: boolean;
    /** Why it ended early; null when it did not. */
    readonly failure: string | null;
}

/** Runs `start` when `key` says so; a null key waits. A run that is not wanted any more is ended. */
export function useRun(
    key: string | null,
    plan: readonly PlannedStep[],
    start: (signal: AbortSignal) => AsyncGenerator<Step | Update>,
): Run {
    const fresh = useMemo<Run>(() => ({ steps: plan, progress: null, done: false, failure: null }), [plan]);
    const [run, setRun] = useState<Run>(fresh);
    useEffect(() => {
        setRun(fresh);
        if (key === null) return undefined;
        const stop = new AbortController();
        void follow(start(stop.signal), stop.signal, setRun);
        return () => stop.abort();
    }, [key]);
    return run;
}

async function follow(
    updates: AsyncGenerator<Step | Update>,
    signal: AbortSignal,
    setRun: (change: (run: Run) => Run) => void,
): Promise<void> {
    try {
        for await (const update of updates) {
            if (signal.aborted) return;
            if ("progress" in update) setRun((run) => ({ ...run, progress: update.progress }));
            else {
                const step = "step" in update ? update.step : update;
                setRun((run) => ({ ...run, steps: run.steps.map((shown) => (shown.id === step.id ? step : shown)) }));
            }
        }
        setRun((run) => ({ ...run, done: true, progress: null }));
    } catch (error) {
        if (!signal.aborted) setRun((run) => ({ ...run, done: true, failure: error instanceof Error ? error.message : String(error) }));
    }
}

/** What a run came to, in one sentence. */
export function Verdict({ run, what }: { run: Run; what: string }) {
    const failed = run.steps.filter(({ state }) => state === "fail");
    const unknown = run.steps.filter(({ state }) => state === "unknown");
    if (run.failure !== null) {
        return (
            <Notice tone="bad" title="The check could not be finished" alert>
                {run.failure}
            </Notice>
        );
    }
    if (failed.length > 0) {
        return (
            <Notice tone="bad" title={`${what} is not what it claims to be`} alert>
                {failed.length === 1 ? "One step fails" : `${failed.length} steps fail`}: {failed.map(({ title }) => title).join("; ")}.
            </Notice>
        );
    }
    if (!run.done) return null;
    if (unknown.length > 0) {
        return (
            <Notice
                tone="wait"
                title={`${run.steps.length - unknown.length} of ${run.steps.length} steps hold; the others could not be checked`}
            >
                {rpc.value === null ? (
                    <>
                        Without a node of the chain only the arithmetic can be checked. <a href={href("settings")}>Name a node</a> that you
                        trust.
                    </>
                ) : (
                    <>
                        The node {rpc.value} did not answer what was asked. <a href={href("settings")}>Name another</a>.
                    </>
                )}
            </Notice>
        );
    }
    return (
        <Notice tone="good" title={`${what} is true`}>
            All {run.steps.length} steps hold, computed in this browser and compared with the contract through {rpc.value}.
        </Notice>
    );
}

/** The steps, one below the other. */
export function Steps({ run }: { run: Run }) {
    return (
        <ol class="steps">
            {run.steps.map((step) => (
                <StepLine key={step.id} step={step} />
            ))}
        </ol>
    );
}

const MARKS = {
    pass: "M3.5 8.5 6.5 11.5 12.5 4.5",
    fail: "M4 4l8 8M12 4l-8 8",
    unknown: "M6 6a2 2 0 1 1 2.6 1.9c-.4.1-.6.5-.6.9v.4M8 11.8v.2",
    waiting: "M8 4v4l2.5 1.5",
} as const;
const WORDS = { pass: "holds", fail: "fails", unknown: "not known", waiting: "waits" } as const;

function StepLine({ step }: { step: Shown }) {
    const state = step.state ?? "waiting";
    return (
        <li class={`step step-${state}`} data-step={step.id} data-state={state}>
            <svg viewBox="0 0 16 16" aria-hidden="true">
                <circle cx="8" cy="8" r="7.25" class="step-ring" />
                <path d={MARKS[state]} />
            </svg>
            <div class="step-body">
                <p class="step-title">
                    {step.title} <span class="step-word">{WORDS[state]}</span>
                </p>
                {step.meaning && <p class="step-meaning">{step.meaning}</p>}
                {step.computed && (
                    <dl class="step-values">
                        <dt>computed here</dt>
                        <dd>{step.computed}</dd>
                        {step.expected && step.expected !== step.computed && (
                            <>
                                <dt>must be</dt>
                                <dd>{step.expected}</dd>
                            </>
                        )}
                    </dl>
                )}
            </div>
        </li>
    );
}

/** How far a long run is. */
export function ProgressBar({ run }: { run: Run }) {
    if (run.done || !run.progress) return null;
    const { what, done, total } = run.progress;
    return (
        <div class="progress">
            <progress max={total} value={done} aria-label={what} />
            <span>
                {what}: {done} of {total}
            </span>
        </div>
    );
}
