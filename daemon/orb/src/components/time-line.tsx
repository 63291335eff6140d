import type { Event, Job } from "../api/types";
import { index } from "../data/site";
import { duration, utc } from "../format/time";

interface Stop {
    readonly name: string;
    readonly at: string | null;
    readonly state: "done" | "now" | "next" | "bad";
    readonly more?: string | undefined;
}

/** States of a job from left to right, with the time between them. */
export function TimeLine({ job, events }: { job: Job; events: readonly Event[] }) {
    const stops = stopsOf(job, events);
    return (
        <ol class="line" aria-label="States of the job">
            {stops.map((stop, at) => {
                const before = stops[at - 1]?.at;
                return (
                    <li key={stop.name} class={`stop stop-${stop.state}`} aria-current={stop.state === "now" ? "step" : undefined}>
                        <span class="stop-gap">{before && stop.at ? `+ ${duration(Number(stop.at) - Number(before))}` : ""}</span>
                        <strong>{stop.name}</strong>
                        <span class="faint">{stop.at ? utc(stop.at) : stop.state === "now" ? "now" : "—"}</span>
                        {stop.more && <span class="stop-more">{stop.more}</span>}
                    </li>
                );
            })}
        </ol>
    );
}

const ENDS: readonly string[] = ["dead", "cancelled", "expired"];

function stopsOf(job: Job, events: readonly Event[]): Stop[] {
    const last = (kind: RegExp): string | null => events.findLast((event) => kind.test(event.kind))?.at ?? null;
    const claimed = last(/^job\.(claimed|leased)$/);
    const started = job.started_at ?? null;
    const done = job.completed_at ?? null;
    const reached = { pending: 0, failed: 0, claimed: 1, processing: 2, completed: 3, dead: 3, cancelled: 3, expired: 3 }[job.status];
    const state = (step: number): Stop["state"] =>
        step < reached || (step === reached && job.status === "completed") ? "done" : step === reached ? "now" : "next";
    const progress =
        typeof job.progress_bps === "number" ? `${job.stage ?? "works"} ${Math.floor(job.progress_bps / 100)} %` : (job.stage ?? undefined);
    const begin: Stop[] = [
        { name: "Submitted", at: job.submitted_at, state: "done" },
        {
            name: "Claimed",
            at: claimed,
            state: reached === 0 ? "now" : state(1),
            more: job.attempts > 1 ? `attempt ${job.attempts}` : undefined,
        },
        { name: "Processing", at: started, state: state(2), more: job.status === "processing" ? progress : undefined },
    ];
    if (ENDS.includes(job.status)) {
        return [
            ...begin.filter(({ at }) => at !== null),
            {
                name: job.status[0]?.toUpperCase() + job.status.slice(1),
                at: last(new RegExp(`^job\\.${job.status}$`)),
                state: "bad",
                more: "nothing is charged",
            },
        ];
    }
    const settled = index.value?.epochs.find(({ epoch_id }) => epoch_id === job.settled_in)?.settled_at ?? null;
    return [
        ...begin,
        { name: "Completed", at: done, state: state(3) },
        { name: "Settled", at: settled, state: settled ? "done" : "next", more: job.settled_in ?? undefined },
    ];
}
