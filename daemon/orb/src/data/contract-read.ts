import type { IndexContract } from "../api/types";
import { Escrow, Rpc, type Hex } from "../verify";

/** How the index compares with the contract itself. */
export interface Compared {
    readonly differences: readonly string[];
    /** Why the contract could not be asked; null when it was. */
    readonly failure: string | null;
}

/** Asks the contract for its roles and compares them with the index. */
export async function compare(node: string, escrow: string, shown: IndexContract, signal: AbortSignal): Promise<Compared> {
    const contract = new Escrow(new Rpc(node, { signal }), escrow as Hex);
    try {
        const [owner, guardian, settlers, threshold] = await Promise.all([
            contract.number("owner()"),
            contract.number("guardian()"),
            contract.settlers(),
            contract.number("threshold()"),
        ]);
        const differences = [
            differ("owner", shown.owner, address(owner)),
            differ("guardian", shown.guardian, address(guardian)),
            differ("threshold", shown.threshold, String(threshold)),
            differ("settlers", [...shown.settlers].sort().join(" "), [...settlers].sort().join(" ")),
        ];
        return { differences: differences.filter((text) => text !== null), failure: null };
    } catch (error) {
        return { differences: [], failure: error instanceof Error ? error.message : String(error) };
    }
}

function differ(name: string, shown: string, read: string): string | null {
    return shown.toLowerCase() === read.toLowerCase() ? null : `its ${name} is ${read}`;
}

function address(word: bigint): string {
    return `0x${word.toString(16).padStart(40, "0")}`;
}
