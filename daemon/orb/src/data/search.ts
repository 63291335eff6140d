import { isAddress, isHash } from "../format/hex";
import { looksLikeName, readName } from "../format/name";
import { epochName, jobName, parseEpoch, parseJob } from "../format/ids";

/** What a search asks for. */
export type Query =
    | { readonly kind: "job"; readonly id: string }
    | { readonly kind: "epoch"; readonly id: string; readonly number: bigint }
    | { readonly kind: "address"; readonly address: string }
    | { readonly kind: "hash"; readonly hash: string }
    | { readonly kind: "name"; readonly name: string }
    | { readonly kind: "no-name"; readonly text: string; readonly refused: string }
    | { readonly kind: "unknown"; readonly text: string };

/** Of a text that is nothing, how much is shown. */
const TEXT_MAX = 255;

/** Reads what was typed: a job id, an epoch, an address, a transaction, root or other hash, a name. */
export function parseQuery(typed: string): Query {
    const whole = typed.trim();
    if (looksLikeName(whole)) {
        const read = readName(whole);
        return "name" in read ? { kind: "name", name: read.name } : { kind: "no-name", text: whole.slice(0, TEXT_MAX), refused: read.refused };
    }
    const text = whole.slice(0, TEXT_MAX);
    const lower = text.toLowerCase();
    const job = parseJob(text);
    if (job) return { kind: "job", id: jobName(job.epoch, job.seq) };
    const epoch = parseEpoch(text);
    if (epoch !== null) return { kind: "epoch", id: epochName(epoch), number: epoch };
    if (isAddress(text)) return { kind: "address", address: lower };
    if (isHash(text)) return { kind: "hash", hash: lower };
    if (/^[0-9a-f]{64}$/i.test(text)) return { kind: "hash", hash: `0x${lower}` };
    return { kind: "unknown", text };
}
