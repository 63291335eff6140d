/** The chain's side of a run: which node, whether it is of the right chain, and what the escrow says. */
import { Escrow } from "./escrow";
import { Rpc, said } from "./rpc";
import { NO_CHAIN } from "./steps";
import type { Hex, Options } from "./types";

/** The escrow on a node of the right chain, or why there is none. */
export type Chain = { escrow: Escrow; chainId: bigint } | { why: string; chainId: bigint | null };

export async function connect(options: Options, chainId: bigint, address: Hex): Promise<Chain> {
    if (options.rpc === null || options.rpc === "") return { why: NO_CHAIN, chainId: null };
    const escrow = new Escrow(new Rpc(options.rpc, options), address);
    try {
        const found = await escrow.chainId();
        if (found === chainId) return { escrow, chainId: found };
        return { why: `The node is of chain ${found}, not of chain ${chainId}.`, chainId: found };
    } catch (error) {
        options.signal?.throwIfAborted();
        return { why: `${capital(said(error))}.`, chainId: null };
    }
}

export function capital(sentence: string): string {
    return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}

/** Answers of `orderSigner` by client and signer, so that a client with many orders is asked about once. */
export type KnownSigners = Map<string, { added: boolean; removedAt: bigint }>;

/** Which of the addresses may order for a client, as the contract has it; null when none may. */
export async function orderSignerOf(
    escrow: Escrow, client: Hex, signers: Hex[], previousSealedAt: bigint, known: KnownSigners = new Map(),
): Promise<Hex | null> {
    for (const signer of signers) {
        const key = `${client} ${signer}`;
        const answer = known.get(key) ?? (await escrow.orderSigner(client, signer));
        known.set(key, answer);
        // The contract's own rule (`proveUnauthorised`): a removal before the last final seal counts.
        if (answer.added && (answer.removedAt === 0n || answer.removedAt >= previousSealedAt)) return signer;
    }
    return null;
}

/** Epochs in a row that may be void. */
const VOID_MAX = 1_000;

/** When the last epoch before this one that is not void was sealed; 0 without one. */
export async function sealedBefore(escrow: Escrow, epoch: bigint): Promise<bigint> {
    for (let back = 1n; back <= VOID_MAX && back < epoch; back++) {
        const view = await escrow.epoch(epoch - back);
        if (view.status !== "void") return view.sealedAt;
    }
    return 0n;
}

/** Unix seconds for people, in UTC. */
export function time(seconds: bigint): string {
    const date = new Date(Number(seconds) * 1000);
    return Number.isNaN(date.getTime()) ? `${seconds}` : `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
