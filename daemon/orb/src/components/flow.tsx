// Where an epoch's revenue goes, drawn to scale: revenue → fees and pools → payees.
import { Fragment } from "preact";
import type { Payout, Pools } from "../api/types";
import { nameOf } from "../data/names";
import { short } from "../format/hex";
import { bps, sum, usdc } from "../format/money";
import { layOut, ribbon, type Block } from "./sankey";

export const PART_NAMES = { protocol: "Protocol fee", operator: "Operator fee", work: "Work", readiness: "Readiness" } as const;
type PartKind = keyof typeof PART_NAMES;
const PARTS = Object.keys(PART_NAMES) as PartKind[];

/** Payees that get a block of their own; the others share one. */
const PAYEES_DRAWN_MAX = 9;
const WIDTH = 900;
const HEIGHT_MIN = 300;
/** Pixels that a payee's two lines need. */
const PAYEE_PIXELS = 46;
const BAR = 14;
const COLUMNS = [130, 400, 670] as const;

/** The drawing. The tables beside it say the same in figures. */
export function Flow({ revenue, pools, payouts }: { revenue: string; pools: Pools; payouts: readonly Payout[] }) {
    const payees = group(payouts);
    const height = Math.max(HEIGHT_MIN, payees.length * PAYEE_PIXELS);
    const left = layOut([{ id: "revenue", amount: BigInt(revenue) }], height);
    const middle = layOut(
        PARTS.map((kind) => ({ id: kind, amount: BigInt(pools[kind]) })),
        height,
    );
    const right = layOut(
        payees.map(({ id, amount }) => ({ id, amount })),
        height,
    );
    return (
        <div class="flow" tabIndex={0} role="region" aria-label="Where the revenue goes">
            <svg viewBox={`0 0 ${WIDTH} ${height}`} role="img" aria-label={describe(revenue, pools)}>
                {left.map((block) => (
                    <Bar key={block.id} block={block} x={COLUMNS[0]} part="revenue" />
                ))}
                <Label x={COLUMNS[0] - 12} block={left[0]} end lines={["Revenue", `$${usdc(revenue)}`]} />
                {ribbons(
                    left,
                    middle,
                    PARTS.map((kind) => ({ from: "revenue", to: kind, amount: BigInt(pools[kind]) })),
                ).map(({ path, to, key }) => (
                    <path key={key} class={`ribbon part-${to}`} d={path(COLUMNS[0] + BAR, COLUMNS[1])} />
                ))}
                {middle.map((block) => (
                    <Fragment key={block.id}>
                        <Bar block={block} x={COLUMNS[1]} part={block.id} />
                        <Label
                            x={COLUMNS[1] + BAR + 10}
                            block={block}
                            lines={[PART_NAMES[block.id as PartKind], `$${usdc(block.amount)} · ${percent(block.amount, revenue)}`]}
                        />
                    </Fragment>
                ))}
                {ribbons(
                    middle,
                    right,
                    payees.flatMap(({ id, parts }) => parts.map(({ kind, amount }) => ({ from: kind, to: id, amount }))),
                ).map(({ path, from, key }) => (
                    <path key={key} class={`ribbon part-${from}`} d={path(COLUMNS[1] + BAR, COLUMNS[2])} />
                ))}
                {right.map((block) => (
                    <Fragment key={block.id}>
                        <Bar block={block} x={COLUMNS[2]} part="payee" />
                        <Label x={COLUMNS[2] + BAR + 10} block={block} lines={[label(block.id), `$${usdc(block.amount)}`]} />
                    </Fragment>
                ))}
            </svg>
        </div>
    );
}

function Bar({ block, x, part }: { block: Block; x: number; part: string }) {
    return <rect class={`bar part-${part}`} x={x} y={block.y} width={BAR} height={Math.max(block.height, 1)} rx={3} />;
}

function Label({ x, block, lines, end = false }: { x: number; block: Block | undefined; lines: readonly [string, string]; end?: boolean }) {
    if (!block) return null;
    const y = block.y + block.height / 2;
    return (
        <text x={x} y={y} text-anchor={end ? "end" : "start"} class="flow-label">
            <tspan x={x} dy="-0.2em">
                {lines[0]}
            </tspan>
            <tspan x={x} dy="1.25em" class="flow-amount">
                {lines[1]}
            </tspan>
        </text>
    );
}

interface Link {
    readonly from: string;
    readonly to: string;
    readonly amount: bigint;
}

// A link leaves its block below the links before it, and arrives likewise.
function ribbons(left: readonly Block[], right: readonly Block[], links: readonly Link[]) {
    const used = new Map<string, number>();
    const slice = (blocks: readonly Block[], side: string, id: string, amount: bigint): [number, number] => {
        const block = blocks.find((block) => block.id === id);
        if (!block) return [0, 0];
        const height = (block.height * bps(amount, block.amount)) / 10_000;
        const top = block.y + (used.get(side + id) ?? 0);
        used.set(side + id, (used.get(side + id) ?? 0) + height);
        return [top, top + height];
    };
    return links.map(({ from, to, amount }) => {
        const start = slice(left, "<", from, amount);
        const end = slice(right, ">", to, amount);
        return { from, to, key: `${from}>${to}`, path: (x0: number, x1: number) => ribbon(x0, start, x1, end) };
    });
}

interface Payee {
    readonly id: string;
    readonly amount: bigint;
    readonly parts: readonly { readonly kind: PartKind; readonly amount: bigint }[];
}

// The largest payees, and the rest as one; the parts of a payee summed by kind.
function group(payouts: readonly Payout[]): Payee[] {
    const byAmount = [...payouts].sort((a, b) => (BigInt(b.amount) > BigInt(a.amount) ? 1 : -1));
    const own = byAmount.length > PAYEES_DRAWN_MAX ? byAmount.slice(0, PAYEES_DRAWN_MAX - 1) : byAmount;
    const rest = byAmount.slice(own.length);
    // In the order of what they are paid for, so that few bands cross.
    const payees = own.map((payout) => payee(payout.payee, [payout])).sort((a, b) => first(a) - first(b));
    return rest.length === 0 ? payees : [...payees, payee(`${rest.length} more`, rest)];
}

function payee(id: string, payouts: readonly Payout[]): Payee {
    const all = payouts.flatMap(({ parts }) => parts);
    const parts = PARTS.map((kind) => ({ kind, amount: sum(all.filter((part) => part.kind === kind).map(({ amount }) => amount)) }));
    return { id, amount: sum(payouts.map(({ amount }) => amount)), parts: parts.filter(({ amount }) => amount > 0n) };
}

function first({ parts }: Payee): number {
    return parts[0] ? PARTS.indexOf(parts[0].kind) : PARTS.length;
}

function label(id: string): string {
    return nameOf(id) ?? short(id);
}

/** `65.1 %`, rounded down to a tenth. */
export function percent(part: bigint | string, whole: bigint | string): string {
    const tenths = Math.floor(bps(part, whole) / 10);
    return `${Math.floor(tenths / 10)}.${tenths % 10} %`;
}

function describe(revenue: string, pools: Pools): string {
    return `Of $${usdc(revenue)}: ${PARTS.map((kind) => `${PART_NAMES[kind]} $${usdc(pools[kind])}`).join(", ")}.`;
}
