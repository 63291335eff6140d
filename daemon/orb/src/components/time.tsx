import { now } from "../data/clock";
import { chainNow } from "../data/site";
import { duration, iso, relative, utc, type Seconds } from "../format/time";

/** How long ago, by the chain's clock where a moment is after this machine's: what happened by it is in the past. */
export function ageOf(at: Seconds): string {
    return relative(at, Number(at) > now.value ? Math.max(now.value, chainNow.value) : now.value);
}

/** A moment: `2026-11-26 15:31:07`, with how long ago it was. */
export function Moment({ at, age = true }: { at: Seconds; age?: boolean }) {
    return (
        <time class="moment" dateTime={iso(at)} title={`${utc(at)} UTC`}>
            {utc(at)}
            {age && <span class="faint"> · {ageOf(at)}</span>}
        </time>
    );
}

/** How long ago, alone. */
export function Age({ at }: { at: Seconds }) {
    return (
        <time class="moment" dateTime={iso(at)} title={`${utc(at)} UTC`}>
            {ageOf(at)}
        </time>
    );
}

/** What is left until a moment of the chain's time. */
export function Countdown({ to }: { to: Seconds }) {
    const left = Number(to) - chainNow.value;
    return (
        <time class="countdown" dateTime={iso(to)} title={`${utc(to)} UTC, by the chain's clock`}>
            {left > 0 ? duration(left) : "closed"}
        </time>
    );
}
