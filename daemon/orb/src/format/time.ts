// Times are Unix seconds. Everything is shown in UTC: an epoch means the same everywhere.

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Unix seconds as they come (decimal string), or as a number. */
export type Seconds = string | number;

/** `2026-11-26 15:31:07`, in UTC. What no calendar has is shown as it came. */
export function utc(at: Seconds): string {
    const date = new Date(Number(at) * 1000);
    if (Number.isNaN(date.getTime())) return String(at);
    return date.toISOString().replace("T", " ").slice(0, 19);
}

/** `26 Nov`, in UTC. */
export function day(at: Seconds): string {
    const date = new Date(Number(at) * 1000);
    if (Number.isNaN(date.getTime())) return String(at);
    const month = date.toLocaleString("en", { month: "short", timeZone: "UTC" });
    return `${date.getUTCDate()} ${month}`;
}

/** ISO 8601, for `<time datetime>` and for files. */
export function iso(at: Seconds): string {
    const date = new Date(Number(at) * 1000);
    return Number.isNaN(date.getTime()) ? String(at) : date.toISOString().replace(".000Z", "Z");
}

/** `42 s`, `3 min 5 s`, `2 h 4 min`, `3 d 2 h`: the two largest units, rounded down. */
export function duration(seconds: Seconds): string {
    const all = Math.max(0, Math.floor(Number(seconds)));
    if (all < MINUTE) return `${all} s`;
    if (all < HOUR) return two(Math.floor(all / MINUTE), "min", all % MINUTE, "s");
    if (all < DAY) return two(Math.floor(all / HOUR), "h", Math.floor((all % HOUR) / MINUTE), "min");
    return two(Math.floor(all / DAY), "d", Math.floor((all % DAY) / HOUR), "h");
}

/** `just now`, `42 s ago`, `in 3 min`. */
export function relative(at: Seconds, now: number): string {
    const past = Math.round(now - Number(at));
    if (Math.abs(past) < 2) return "just now";
    return past > 0 ? `${coarse(past)} ago` : `in ${coarse(-past)}`;
}

function two(large: number, unit: string, small: number, smaller: string): string {
    return small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smaller}`;
}

function coarse(seconds: number): string {
    if (seconds < MINUTE) return `${seconds} s`;
    if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`;
    if (seconds < 2 * DAY) return `${Math.floor(seconds / HOUR)} h`;
    return `${Math.floor(seconds / DAY)} d`;
}
