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
