import type { Event } from "../api/types";
import { now } from "../data/clock";
import { feedState, lastHeard } from "../data/live";
import { live } from "../data/site";
import { short } from "../format/hex";
import { epochNumber } from "../format/ids";
import { usdc } from "../format/money";
import { duration } from "../format/time";
import { ageOf } from "./time";
import { href } from "../router";

/** Seconds after which silence is worth a warning: two keep-alives were missed. */
const QUIET_SECONDS_MAX = 35;

/** Whether the queen is heard, and how long ago. */
export function Pulse() {
    if (!live.value)
        return (
            <span class="pulse pulse-off" title="No queen serves this page: it shows what was exported.">
                static copy
            </span>
        );
    const heard = lastHeard.value;
    const age = heard === null ? null : Math.max(0, now.value - heard);
    const lost = feedState.value === "lost" || (age !== null && age > QUIET_SECONDS_MAX);
    return (
        <span
            class={lost ? "pulse pulse-lost" : "pulse pulse-open"}
            data-age={age === null ? "" : String(Math.floor(age))}
            title={lost ? "The queen is not heard; the page tries again by itself." : "Live"}
        >
            {heard === null
                ? lost
                    ? "not heard yet"
                    : "connecting"
                : age !== null && age < 2 && !lost
                  ? "live"
                  : `heard ${duration(age ?? 0)} ago`}
        </span>
    );
}

/** Of the progress of each job only the newest report, which says it all. */
export function condense(events: readonly Event[]): Event[] {
    const seen = new Set<string>();
    return events.filter(({ kind, job }) => {
        if (kind !== "job.progress" || !job) return true;
        return !seen.has(job) && seen.add(job);
    });
}

/** What happens, newest first. */
export function Feed({ events }: { events: readonly Event[] }) {
    return (
        <ol class="feed">
            {events.map((event) => (
                <li key={event.seq} class={`feed-line tone-${tone(event.kind)}`}>
                    <a href={link(event)}>
                        <span class="feed-what">{say(event)}</span>
                        <span class="feed-kind">{event.kind}</span>
                        <span class="feed-age">{ageOf(event.at)}</span>
                    </a>
                </li>
            ))}
        </ol>
    );
}

function tone(kind: string): string {
    if (/(completed|finalized|final|safe|approved)$/.test(kind)) return "good";
    if (/(failed|dead|void|expired|revoked)$/.test(kind)) return "bad";
    return /^(job|epoch)/.test(kind) ? "busy" : "plain";
}

function link({ job, epoch, worker, client }: Event): string {
    if (job) return href("job", job);
    if (epoch) return href("epoch", epochNumber(epoch));
    if (worker) return href("bee", worker);
    return client ? href("client", client) : href();
}

function say({ job, epoch, worker, client, data }: Event): string {
    const about = job ?? epoch ?? (worker ? `bee ${short(worker)}` : client ? `client ${short(client)}` : "rack");
    const amount = typeof data["amount"] === "string" && /^\d+$/.test(data["amount"]) ? ` $${usdc(data["amount"])}` : "";
    const detail = ["stage", "state", "reason", "error"].map((key) => data[key]).find((value) => typeof value === "string");
    return `${about}${amount}${typeof detail === "string" ? ` · ${detail.slice(0, 80)}` : ""}`;
}
