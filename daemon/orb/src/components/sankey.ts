/** A block of a column of the drawing. */
export interface Block {
    readonly id: string;
    readonly amount: bigint;
    readonly y: number;
    readonly height: number;
}

/** Room for a label's two lines, between the middles of neighbours. */
const LABEL_PIXELS = 40;

/** Stacks blocks to scale in a column of `height` pixels, far enough apart for their labels. */
export function layOut(items: readonly { readonly id: string; readonly amount: bigint }[], height: number): Block[] {
    const total = items.reduce((sum, { amount }) => sum + amount, 0n);
    if (total === 0n) return [];
    const room = height - LABEL_PIXELS * Math.max(0, items.length - 1) * 0.8;
    const heights = items.map(({ amount }) => (Math.max(room, height * 0.2) * Number((amount * 1_000_000n) / total)) / 1_000_000);
    const gaps = items.slice(1).map((_, at) => Math.max(8, LABEL_PIXELS - ((heights[at] ?? 0) + (heights[at + 1] ?? 0)) / 2));
    const used = heights.reduce((a, b) => a + b, 0) + gaps.reduce((a, b) => a + b, 0);
    let y = Math.max(0, (height - used) / 2);
    return items.map((item, at) => {
        const block = { ...item, y, height: heights[at] ?? 0 };
        y += block.height + (gaps[at] ?? 0);
        return block;
    });
}

/** The outline of a band from one column to the next. */
export function ribbon(x0: number, [top0, end0]: [number, number], x1: number, [top1, end1]: [number, number]): string {
    const middle = (x0 + x1) / 2;
    const at = (value: number): string => value.toFixed(1);
    return `M${at(x0)},${at(top0)}C${at(middle)},${at(top0)} ${at(middle)},${at(top1)} ${at(x1)},${at(top1)}V${at(end1)}C${at(middle)},${at(end1)} ${at(middle)},${at(end0)} ${at(x0)},${at(end0)}Z`;
}
