/** The files of a bundle: how they are fetched, and how one receipt's proof is made of them. */
import { hex, sha256 } from "./bytes";
import { parseCanonical } from "./canonical";
import { type JobEntry, type JobsPage, jobsPage, pageName, summary, type Summary } from "./documents";
import { encodeReceipt } from "./eip712";
import { Malformed } from "./read";
import { readBody, said } from "./rpc";
import { cover, leafHash, PartialTree } from "./tree";
import type { BundleReader, Hex } from "./types";

/** A page of 10 000 receipts has about 22 MB. */
const FILE_BYTES_MAX = 64 * 1024 * 1024;

/** Reads a bundle's files below a URL that ends in `/`. */
export function bundleAt(base: string, options: { fetch?: typeof fetch | undefined; signal?: AbortSignal | undefined } = {}): BundleReader {
    return async (name) => {
        const get = options.fetch ?? ((input: RequestInfo | URL, init?: RequestInit) => fetch(input, init));
        try {
            const response = await get(new URL(name, base), options.signal ? { signal: options.signal } : {});
            if (!response.ok) throw new Error(`the server answered ${response.status}`);
            return await readBody(response, FILE_BYTES_MAX);
        } catch (error) {
            options.signal?.throwIfAborted();
            throw new Error(`${name} could not be fetched: ${said(error)}`);
        }
    };
}

/** A file in its canonical form; throws `Malformed`, which names the file. */
export function parseFile<T>(name: string, bytes: Uint8Array, read: (value: unknown, where: string) => T): T {
    let parsed: ReturnType<typeof parseCanonical>;
    try {
        parsed = parseCanonical(bytes);
    } catch (error) {
        throw new Malformed(name, `is not JSON in UTF-8 (${said(error)})`);
    }
    const value = read(parsed.value, name);
    if (!parsed.isCanonical) throw new Malformed(name, "is not the canonical text (RFC 8785) of what it says");
    return value;
}

/** Which receipt of an epoch: its place, or its job with its client. */
export type Wanted = { index: bigint } | { client: Hex; jobEpoch: bigint; jobSeq: bigint } | { jobEpoch: bigint; jobSeq: bigint };

/**
 * The document of one receipt out of a bundle, in the form of the API's `/receipt`. The page must have the hash that
 * SUMMARY.json states and give the subtrees that it states. Null when the epoch has no such receipt.
 */
export async function receiptFromBundle(read: BundleReader, wanted: Wanted): Promise<unknown> {
    const stated = parseFile("SUMMARY.json", await read("SUMMARY.json"), summary);
    const found = await find(read, stated, wanted);
    if (found === null) return null;
    const { entry, index, first, leaves } = found;
    const tree = new PartialTree(stated.receiptCount, stated.pages.flatMap((page) => page.subtrees), first, leaves);
    return {
        receipt: texts(entry.receipt),
        order: { order: texts(entry.order.order), signature: entry.order.signature },
        execution: texts(entry.execution),
        execution_signature: entry.executionSignature,
        epoch: `${stated.epoch}`,
        index: `${index}`,
        size: `${stated.receiptCount}`,
        path: tree.path(index).map(hex),
        root: stated.receiptsRoot,
        chain_id: `${stated.chainId}`,
        escrow: stated.escrow,
        transaction: null,
        engine: entry.engine,
        power: entry.power,
    };
}

async function readPage(read: BundleReader, stated: Summary, number: number): Promise<JobsPage> {
    const name = pageName(number);
    const bytes = await read(name);
    if (stated.files.get(name) !== hex(sha256(bytes))) throw new Malformed(name, "does not have the SHA-256 that SUMMARY.json states");
    return parseFile(name, bytes, jobsPage);
}

async function find(read: BundleReader, stated: Summary, wanted: Wanted) {
    const isIt = (entry: JobEntry, index: bigint) =>
        "index" in wanted
            ? index === wanted.index
            : entry.receipt.jobEpoch === wanted.jobEpoch && entry.receipt.jobSeq === wanted.jobSeq;
    let low = 0;
    let high = stated.pages.length;
    while (low < high) {
        // With the place or the client known, pages are halved; with the job alone, they are gone through.
        const canHalve = "index" in wanted || "client" in wanted;
        const number = canHalve ? (low + high) >> 1 : low;
        const place = stated.pages[number]!;
        const page = await readPage(read, stated, number);
        const leaves = page.jobs.map((entry) => leafHash(encodeReceipt(entry.receipt)));
        if (page.first !== place.first || !sameSubtrees(cover(page.first, leaves), place.subtrees)) {
            throw new Malformed(place.file, "does not give the subtrees that SUMMARY.json states");
        }
        const at = page.jobs.findIndex((entry, offset) => isIt(entry, page.first + BigInt(offset)));
        if (at >= 0) return { entry: page.jobs[at]!, index: page.first + BigInt(at), first: page.first, leaves };
        if (canHalve && page.jobs.length > 0 && isBefore(wanted, page)) high = number;
        else low = number + 1;
    }
    return null;
}

function isBefore(wanted: Wanted, page: JobsPage): boolean {
    if ("index" in wanted) return wanted.index < page.first;
    const { client, jobEpoch, jobSeq } = page.jobs[0]!.receipt;
    if ("client" in wanted && wanted.client !== client) return wanted.client < client;
    return wanted.jobEpoch !== jobEpoch ? wanted.jobEpoch < jobEpoch : wanted.jobSeq < jobSeq;
}

export function sameSubtrees(found: ReturnType<typeof cover>, stated: ReturnType<typeof cover>): boolean {
    return (
        found.length === stated.length &&
        found.every((left, at) => {
            const right = stated[at]!;
            return left.level === right.level && left.index === right.index && left.hash === right.hash;
        })
    );
}

/** With every integer as the decimal string that it is in JSON. */
function texts(value: object): Record<string, string> {
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, String(field)]));
}
