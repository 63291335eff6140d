// Where a receipt comes from: the queen, or the bundles when there is no queen.
import { Failure } from "../api/http";
import { queen } from "../api/queen";
import { parseJob } from "../format/ids";
import { bundleAt, receiptFromBundle } from "../verify";
import { bundleFolder } from "./bundle";
import { index } from "./site";

/** A receipt's document, for the verifier. */
export interface Found {
    readonly document: unknown;
}

/** Finds the receipt of a job; null when no settled epoch has one. With `epoch` it looks in that one only. */
export async function findReceipt(signal: AbortSignal, id: string, epoch: string | null): Promise<Found | null> {
    if (index.value?.live && epoch === null) {
        try {
            return { document: await queen.receipt(signal, id) };
        } catch (error) {
            if (error instanceof Failure && error.kind === "refused") return null;
            throw error;
        }
    }
    return fromBundles(signal, id, epoch);
}

// A job settles in the epoch of its submission or a later one; one that was void has it too, so newest first.
async function fromBundles(signal: AbortSignal, id: string, epoch: string | null): Promise<Found | null> {
    const job = parseJob(id);
    if (!job) return null;
    const all = index.value?.epochs ?? [];
    const asked =
        epoch === null
            ? all.filter((one) => BigInt(one.epoch) >= job.epoch && one.bundle_state !== "missing").reverse()
            : all.filter((one) => one.epoch === epoch);
    const standing = asked.filter(({ status }) => status !== "void");
    const voided = asked.filter(({ status }) => status === "void");
    for (const { epoch: number } of [...standing, ...voided]) {
        const folder = new URL(bundleFolder(number), document.baseURI).href;
        const found = await receiptFromBundle(bundleAt(folder, { signal }), { jobEpoch: job.epoch, jobSeq: job.seq });
        if (found !== null) return { document: found };
    }
    return null;
}
