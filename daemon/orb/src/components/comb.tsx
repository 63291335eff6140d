// The time line: epochs as cells of a comb. A cell is filled by its revenue, on a square-root scale so that small
// epochs are seen beside a large one; the border says whether it is final.
import type { EpochStatus } from "../api/types";
import { bps, group, usdc } from "../format/money";
import { relative } from "../format/time";
import { chainNow } from "../data/site";
import { href } from "../router";
import { toneOf, wordOf } from "./badge";

/** An epoch as the comb shows it. */
export interface Cell {
    readonly epoch: string;
    readonly status: EpochStatus;
    readonly revenue: string;
    readonly receipts: string;
    /** Unix seconds of the seal; null while it is open. */
    readonly sealedAt: string | null;
}

/** Cells that are drawn; older epochs are in the list. */
const CELLS_MAX = 60;

/** What the look of a cell says. */
function Legend() {
    return (
        <p class="comb-legend">
            <span class="key key-active">open</span>
            <span class="key key-included">in its challenge window</span>
            <span class="key key-finalized">final</span>
            <span class="key key-void">void</span>
            <span>filled by revenue, on a square-root scale</span>
        </p>
    );
}

/** Newest first. */
export function Comb({ cells }: { cells: readonly Cell[] }) {
    const shown = cells.slice(0, CELLS_MAX);
    const most = shown.reduce((most, { revenue }) => (BigInt(revenue) > most ? BigInt(revenue) : most), 1n);
    return (
        <>
            <nav class="comb" aria-label="Epochs, newest first" tabIndex={0}>
                <ol>
                    {shown.map((cell) => (
                        <li key={cell.epoch}>
                            <a class={`cell cell-${cell.status} tone-${toneOf(cell.status)}`} href={href("epoch", cell.epoch)}>
                                <span class="cell-shape" aria-hidden="true">
                                    <span class="cell-honey" style={{ height: `${Math.round(Math.sqrt(bps(cell.revenue, most)))}%` }} />
                                </span>
                                <span class="cell-text">
                                    <span class="cell-number">
                                        <span class="unseen">Epoch </span>
                                        {cell.epoch}
                                    </span>
                                    <span class={usdc(cell.revenue).length > 6 ? "cell-money cell-money-long" : "cell-money"}>
                                        ${usdc(cell.revenue)}
                                    </span>
                                    <span class="cell-state">
                                        {group(cell.receipts)} {cell.receipts === "1" ? "job" : "jobs"}
                                    </span>
                                    <span class="cell-state">
                                        {wordOf(cell.status)}
                                        <span class="unseen">{cell.sealedAt && `, sealed ${relative(cell.sealedAt, chainNow.value)}`}</span>
                                    </span>
                                </span>
                            </a>
                        </li>
                    ))}
                </ol>
            </nav>
            <Legend />
        </>
    );
}
