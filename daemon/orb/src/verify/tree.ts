/** The Merkle tree of Certificate Transparency (RFC 9162) with SHA-256. */
import { hex, sha256, unhex } from "./bytes";
import { Malformed } from "./read";
import type { Hex, PathNode, ReceiptProof } from "./types";
import { encodeReceipt } from "./eip712";

/** A perfect subtree: leaves index·2^level to (index+1)·2^level. */
export interface Subtree {
    level: number;
    index: bigint;
    hash: Hex;
}

export function leafHash(data: Uint8Array): Uint8Array {
    return sha256(Uint8Array.of(0), data);
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
    return sha256(Uint8Array.of(1), left, right);
}

/** The perfect subtrees that cover exactly the leaves from `first` on, from left to right. */
export function cover(first: bigint, leaves: Uint8Array[]): Subtree[] {
    const stack: { level: number; index: bigint; hash: Uint8Array }[] = [];
    leaves.forEach((leaf, offset) => {
        let node = { level: 0, index: first + BigInt(offset), hash: leaf };
        for (let top = stack.at(-1); top && top.level === node.level && (node.index & 1n) === 1n; top = stack.at(-1)) {
            stack.pop();
            node = { level: node.level + 1, index: node.index >> 1n, hash: nodeHash(top.hash, node.hash) };
        }
        stack.push(node);
    });
    return stack.map(({ level, index, hash }) => ({ level, index, hash: hex(hash) }));
}

/** A tree of which some subtrees are known, and perhaps the leaves of one page. */
export class PartialTree {
    private readonly nodes = new Map<string, Uint8Array>();

    constructor(
        readonly size: bigint,
        subtrees: Subtree[],
        firstLeaf = 0n,
        leaves: Uint8Array[] = [],
    ) {
        for (const { level, index, hash } of subtrees) this.nodes.set(`${level}:${index}`, unhex(hash));
        leaves.forEach((leaf, offset) => this.nodes.set(`0:${firstLeaf + BigInt(offset)}`, leaf));
    }

    root(): Uint8Array {
        return this.size === 0n ? sha256(new Uint8Array()) : this.hash(0n, this.size);
    }

    /** The audit path of a leaf, from the leaf upwards. */
    path(index: bigint): Uint8Array[] {
        const path: Uint8Array[] = [];
        let [first, count] = [0n, this.size];
        while (count > 1n) {
            const half = split(count);
            const isLeft = index < first + half;
            path.unshift(isLeft ? this.hash(first + half, count - half) : this.hash(first, half));
            [first, count] = isLeft ? [first, half] : [first + half, count - half];
        }
        return path;
    }

    private hash(first: bigint, count: bigint): Uint8Array {
        const level = count.toString(2).length - 1;
        if (count === 1n << BigInt(level)) {
            const key = `${level}:${first >> BigInt(level)}`;
            const known = this.nodes.get(key);
            if (known) return known;
            if (level === 0) throw new Malformed("SUMMARY.json: pages", `no subtree covers leaf ${first}`);
            const half = count >> 1n;
            const made = nodeHash(this.hash(first, half), this.hash(first + half, half));
            this.nodes.set(key, made);
            return made;
        }
        const half = split(count);
        return nodeHash(this.hash(first, half), this.hash(first + half, count - half));
    }
}

/** The largest power of two below `count`. */
function split(count: bigint): bigint {
    return 1n << BigInt((count - 1n).toString(2).length - 1);
}

/** The nodes from a leaf up to the root that its path leads to; null when the path has the wrong length. */
export function climb(leaf: Uint8Array, index: bigint, size: bigint, path: Hex[]): PathNode[] | null {
    if (index >= size) return null;
    // The way down tells on which side each sibling stands and what each node covers.
    const down: { side: "left" | "right"; first: bigint; count: bigint }[] = [];
    let [first, count] = [0n, size];
    while (count > 1n) {
        const half = split(count);
        const isLeft = index < first + half;
        down.push({ side: isLeft ? "right" : "left", first, count });
        [first, count] = isLeft ? [first, half] : [first + half, count - half];
    }
    if (path.length !== down.length) return null;
    const nodes: PathNode[] = [];
    let node: { hash: Uint8Array; first: bigint; count: bigint } = { hash: leaf, first: index, count: 1n };
    path.forEach((sibling, level) => {
        const above = down[down.length - 1 - level]!;
        nodes.push({ level, hash: hex(node.hash), sibling, siblingSide: above.side, first: node.first, count: node.count });
        const other = unhex(sibling);
        const hash = above.side === "left" ? nodeHash(other, node.hash) : nodeHash(node.hash, other);
        node = { hash, first: above.first, count: above.count };
    });
    nodes.push({ level: path.length, hash: hex(node.hash), sibling: null, siblingSide: null, first: node.first, count: node.count });
    return nodes;
}

/** For drawing: the way of a receipt's leaf up to the root. Empty when the path does not fit the place. */
export function pathNodes(proof: ReceiptProof): PathNode[] {
    return climb(leafHash(encodeReceipt(proof.receipt)), proof.index, proof.size, proof.path) ?? [];
}
