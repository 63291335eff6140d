import type { IndexContract } from "../api/types";

/** Whether the escrow holds what it owes, and how much it lacks. */
export function soundness(contract: Pick<IndexContract, "liabilities" | "token_balance">): {
    solvent: boolean;
    missing: bigint;
    spare: bigint;
} {
    const difference = BigInt(contract.token_balance) - BigInt(contract.liabilities);
    return { solvent: difference >= 0n, missing: difference < 0n ? -difference : 0n, spare: difference > 0n ? difference : 0n };
}
