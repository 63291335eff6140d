import { isAddress, isHash } from "../format/hex";
import { epochName, jobName, parseEpoch, parseJob } from "../format/ids";

/** What a search asks for. */
export type Query =
    | { readonly kind: "job"; readonly id: string }
    | { readonly kind: "epoch"; readonly id: string; readonly number: bigint }
    | { readonly kind: "address"; readonly address: string }
    | { readonly kind: "hash"; readonly hash: string }
    | { readonly kind: "name"; readonly name: string }
    | { readonly kind: "unknown"; readonly text: string };

/** Longest text that is looked at; a name has at most 255 bytes. */
const TEXT_MAX = 255;

/** Reads what was typed: a job id, an epoch, an address, a transaction, root or other hash, a name. */
export function parseQuery(typed: string): Query {
    const text = typed.trim().slice(0, TEXT_MAX);
    const lower = text.toLowerCase();
    const job = parseJob(text);
    if (job) return { kind: "job", id: jobName(job.epoch, job.seq) };
    const epoch = parseEpoch(text);
    if (epoch !== null) return { kind: "epoch", id: epochName(epoch), number: epoch };
    if (isAddress(text)) return { kind: "address", address: lower };
    if (isHash(text)) return { kind: "hash", hash: lower };
    if (/^[0-9a-f]{64}$/i.test(text)) return { kind: "hash", hash: `0x${lower}` };
    if (/^[^\s./\\]+(\.[^\s./\\]+)+$/.test(text)) return { kind: "name", name: lower };
    return { kind: "unknown", text };
}
