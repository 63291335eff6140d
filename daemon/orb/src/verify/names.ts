/** ENS names, read from the registry's own chain: EIP-137's walk from name to resolver to address. */
import { concat, hex, keccak256, unhex, utf8 } from "./bytes";
import { words } from "./eip712";
import { calldata } from "./escrow";
import { shown } from "./read";
import { type Rpc, RpcError } from "./rpc";
import type { Hex } from "./types";

/** What a name led to, and the block in whose state that was read. */
export interface Resolved {
    readonly address: Hex | null;
    readonly block: bigint;
}

/** A name's hash (EIP-137): the registry's key. */
export function namehash(name: string): Hex {
    const labels = name.split(".").filter((label) => label !== "").reverse();
    return hex(labels.reduce<Uint8Array>((node, label) => keccak256(concat(node, keccak256(utf8(label)))), new Uint8Array(32)));
}

/** Looks a name in normal form up. Throws `RpcError` when the node does not answer, or is of another chain. */
export async function resolveName(rpc: Rpc, registry: Hex, chainId: bigint, name: string): Promise<Resolved> {
    const found = number(await rpc.call("eth_chainId", []), "eth_chainId");
    if (found !== chainId) throw new RpcError(`the node is of chain ${found}, and the names are on chain ${chainId}`);
    const block = number(await rpc.call("eth_blockNumber", []), "eth_blockNumber");
    const node = words([namehash(name)]);
    const ask = (to: Hex, signature: string) => addressOf(rpc, to, hex(calldata(signature, node)), block);
    const resolver = await ask(registry, "resolver(bytes32)");
    return { address: resolver && (await ask(resolver, "addr(bytes32)")), block };
}

function number(answer: unknown, method: string): bigint {
    if (typeof answer === "string" && /^0x[0-9a-f]{1,16}$/i.test(answer)) return BigInt(answer);
    throw new RpcError(`the chain's node answered ${method} with ${shown(answer)}`);
}

/** The address that a view answers with; null for the zero address. */
async function addressOf(rpc: Rpc, to: Hex, data: Hex, block: bigint): Promise<Hex | null> {
    const answer = await rpc.call("eth_call", [{ to, data }, `0x${block.toString(16)}`]);
    if (typeof answer !== "string" || !/^0x0{24}[0-9a-f]{40}$/i.test(answer)) throw new RpcError(`the contract ${to} answered with no address: ${shown(answer)}`);
    const address = hex(unhex(answer.toLowerCase() as Hex).subarray(12));
    return /^0x0+$/.test(address) ? null : address;
}
