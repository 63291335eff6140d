// Jobs and epochs by name: job-002-0848 is job 848 of epoch 2, epoch-002 is epoch 2.

/** A job's place: the epoch in which it was submitted, and its number there. */
export interface JobPlace {
    readonly epoch: bigint;
    readonly seq: bigint;
}

/** Reads `job-002-0848`; null when it is none. */
export function parseJob(text: string): JobPlace | null {
    const match = /^job-(\d{1,20})-(\d{1,20})$/i.exec(text);
    return match ? { epoch: BigInt(match[1] ?? 0), seq: BigInt(match[2] ?? 0) } : null;
}

/** `job-002-0848`. */
export function jobName(epoch: string | bigint, seq: string | bigint): string {
    return `job-${String(epoch).padStart(3, "0")}-${String(seq).padStart(4, "0")}`;
}

/** Reads `epoch-002` or `2`; null when it is none. */
export function parseEpoch(text: string): bigint | null {
    const match = /^(?:epoch-)?(\d{1,20})$/i.exec(text);
    return match ? BigInt(match[1] ?? 0) : null;
}

/** `epoch-002`. */
export function epochName(epoch: string | bigint): string {
    return `epoch-${String(epoch).padStart(3, "0")}`;
}

/** The number of an epoch's name, without leading zeros: `2`. */
export function epochNumber(name: string): string {
    return String(parseEpoch(name) ?? name);
}
