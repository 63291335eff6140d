// A receipt's way up to the root, drawn: its own hashes in the middle, what is hashed with each at its side.
import { short } from "../format/hex";
import { group } from "../format/money";
import type { PathNode } from "../verify";

const WIDTH = 640;
const LEVEL = 84;
const BOX_WIDTH = 168;
const BOX_HEIGHT = 44;
const MIDDLE = WIDTH / 2;
const ASIDE = 220;
const TOP = 30;

/** `onChain` is the root that the contract stores; null while it is not read. */
export function PathTree({ nodes, onChain }: { nodes: readonly PathNode[]; onChain: string | null }) {
    const levels = nodes.length;
    const height = TOP + levels * LEVEL + 10;
    const y = (level: number): number => TOP + (levels - 1 - level) * LEVEL + BOX_HEIGHT / 2;
    const root = nodes.at(-1);
    const same = onChain !== null && root?.hash === onChain;
    return (
        <div class="tree" tabIndex={0} role="region" aria-label="The path in the tree">
            <svg viewBox={`0 0 ${WIDTH} ${height}`} role="img" aria-label={describe(nodes)}>
                {nodes.slice(0, -1).map((node) => (
                    <g key={node.level} class="tree-links">
                        <path class="tree-own" d={`M${MIDDLE},${y(node.level)}V${y(node.level + 1)}`} />
                        <path d={elbow(node, y(node.level), y(node.level + 1))} />
                    </g>
                ))}
                {nodes.map((node) => (
                    <g key={node.level}>
                        {node.sibling && node.siblingSide && (
                            <Box
                                x={MIDDLE + (node.siblingSide === "left" ? -ASIDE : ASIDE)}
                                y={y(node.level)}
                                kind="given"
                                title={`${node.siblingSide} neighbour, given`}
                                hash={node.sibling}
                            />
                        )}
                        <Box
                            x={MIDDLE}
                            y={y(node.level)}
                            kind={node.level === 0 ? "leaf" : node === root ? "root" : "own"}
                            title={caption(node, node === root)}
                            hash={node.hash}
                        />
                    </g>
                ))}
                {onChain !== null && root && (
                    <text x={MIDDLE + BOX_WIDTH / 2 + 12} y={y(root.level) + 4} class={same ? "tree-same" : "tree-other"}>
                        {same ? "= root on chain" : "≠ root on chain"}
                    </text>
                )}
            </svg>
        </div>
    );
}

function Box({ x, y, kind, title, hash }: { x: number; y: number; kind: string; title: string; hash: string }) {
    return (
        <g class={`tree-box tree-${kind}`}>
            <title>{`${title}: ${hash}`}</title>
            <rect x={x - BOX_WIDTH / 2} y={y - BOX_HEIGHT / 2} width={BOX_WIDTH} height={BOX_HEIGHT} rx={8} />
            <text x={x} y={y - 5} text-anchor="middle" class="tree-caption">
                {title}
            </text>
            <text x={x} y={y + 13} text-anchor="middle" class="tree-hash">
                {short(hash, 6)}
            </text>
        </g>
    );
}

function elbow(node: PathNode, from: number, to: number): string {
    const x = MIDDLE + (node.siblingSide === "left" ? -ASIDE : ASIDE);
    const turn = to + BOX_HEIGHT / 2 + (from - to - BOX_HEIGHT) / 2;
    return `M${x},${from}V${turn}H${MIDDLE}`;
}

function caption(node: PathNode, isRoot: boolean): string {
    if (node.level === 0 && isRoot) return "leaf = root";
    if (node.level === 0) return `leaf ${group(node.first)}`;
    const range = `leaves ${group(node.first)}–${group(node.first + node.count - 1n)}`;
    return isRoot ? `root · ${group(node.count)} leaves` : range;
}

function describe(nodes: readonly PathNode[]): string {
    const given = nodes.filter(({ sibling }) => sibling !== null).length;
    return `From the leaf to the root in ${given} steps; each hashes the own value with one that is given.`;
}
