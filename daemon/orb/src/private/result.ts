// A client's result: released by the client's signature, decrypted here with an identity that stays here,
// and checked against what the worker signed.
import { Failure } from "../api/http";
import type { JobResult } from "../api/types";
import { concat, hex, sha256, unhex, utf8 } from "../verify/bytes";
import type { Hex } from "../verify";
import { getSigned } from "./signed";
import { untar, type File } from "./untar";

/** Largest result that a page opens. */
const RESULT_BYTES_MAX = 512 * 1024 * 1024;

/** An encrypted result, released by the queen. */
export interface Released {
    readonly result: JobResult;
    readonly ciphertext: Uint8Array;
}

/** An opened result. */
export interface Opened {
    readonly files: readonly File[];
    /** Whether the files are those that the worker signed for. */
    readonly signed: boolean;
}

/** Fetches a job's encrypted result as its client `by`. The wallet signs twice: for its name and for its bytes. */
export async function release(job: string, by: string): Promise<Released> {
    const answer = await getSigned(`api/v1/jobs/${encodeURIComponent(job)}/result`, by);
    const result = (await answer.json()) as JobResult;
    if (BigInt(result.result.size) > BigInt(RESULT_BYTES_MAX))
        throw new Failure("refused", "The result is too large for a page: use swarm result.");
    const blob = await getSigned(`api/v1/blobs/${encodeURIComponent(result.result.sha256.replace(/^0x/, ""))}`, by);
    const ciphertext = new Uint8Array(await blob.arrayBuffer());
    if (hex(sha256(ciphertext)) !== result.result.sha256)
        throw new Failure("damaged", "The ciphertext is not the one that the queen named.");
    return { result, ciphertext };
}

/** Decrypts a result with the client's age identity and unpacks it. */
export async function open({ result, ciphertext }: Released, identity: string): Promise<Opened> {
    const { Decrypter } = await import("age-encryption");
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    const files = untar(await decrypter.decrypt(ciphertext));
    const manifest = sha256(utf8(manifestOf(files)));
    const committed = hex(sha256(concat(unhex(result.salt as Hex), manifest)));
    return { files, signed: hex(manifest) === result.manifest && committed === result.execution.result };
}

/** The manifest of files: a line each as `sha256sum` prints it, sorted by path. */
export function manifestOf(files: readonly File[]): string {
    const byPath = [...files].sort((a, b) => compare(utf8(a.name), utf8(b.name)));
    return byPath.map(({ name, bytes }) => `${hex(sha256(bytes)).slice(2)}  ${name}\n`).join("");
}

function compare(a: Uint8Array, b: Uint8Array): number {
    const at = a.findIndex((byte, position) => byte !== b[position]);
    return at < 0 ? a.length - b.length : (a[at] ?? 0) - (b[at] ?? -1);
}
