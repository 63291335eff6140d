/** For tests: the committed vectors, and ways to spoil them. */
import { readFileSync } from "node:fs";
import type { BundleReader, Options, Step, Update } from "./types";

const folder = new URL("../../../types/vectors/", import.meta.url);

export const protocol = JSON.parse(readFileSync(new URL("protocol.json", folder), "utf8"));

/** Reads the bundle of the vectors, with some files replaced. */
export function bundle(replaced: Record<string, Uint8Array | Error> = {}): BundleReader {
    return async (name) => {
        const instead = replaced[name];
        if (instead instanceof Error) throw instead;
        return instead ?? new Uint8Array(readFileSync(new URL(`epoch-002/${name}`, folder)));
    };
}

export function file(name: string): Uint8Array {
    return new Uint8Array(readFileSync(new URL(`epoch-002/${name}`, folder)));
}

/** The escrow of the vectors; there is no chain behind it. */
export const trusted: Options = { rpc: null, escrow: "0x" + "e5".repeat(20), chainId: "84532" };

export async function all(run: AsyncGenerator<Step> | AsyncGenerator<Update>): Promise<Step[]> {
    const found: Step[] = [];
    for await (const each of run) {
        if ("step" in each) found.push(each.step);
        else if (!("progress" in each)) found.push(each);
    }
    return found;
}

/** The ids of the steps with a state. */
export function ids(steps: Step[], state: Step["state"]): string[] {
    return steps.filter((step) => step.state === state).map((step) => step.id);
}

/** A copy with one byte of one field flipped: the low byte of an integer, or byte `at` of a hex text. */
export function flipped<T>(document: T, path: (string | number)[], at = 0): T {
    const copy = structuredClone(document);
    let holder = copy as Record<string | number, unknown>;
    for (const name of path.slice(0, -1)) holder = holder[name] as typeof holder;
    const last = path.at(-1)!;
    const value = holder[last] as string;
    if (value.startsWith("0x")) {
        const place = 2 + 2 * (at < 0 ? (value.length - 2) / 2 + at : at);
        const byte = parseInt(value.slice(place, place + 2), 16) ^ 1;
        holder[last] = value.slice(0, place) + byte.toString(16).padStart(2, "0") + value.slice(place + 2);
    } else {
        holder[last] = String(BigInt(value) ^ 1n);
    }
    return copy;
}
