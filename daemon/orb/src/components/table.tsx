import { Component, type ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

/** A column of a table: its head, and what a row shows in it. */
export interface Column<T> {
    readonly name: string;
    readonly show: (row: T, position: number) => ComponentChildren;
    /** Numbers stand to the right. */
    readonly number?: boolean;
    /** Left out where there is little room. */
    readonly wide?: boolean;
    /** Its share of the width in a long table; 1 when absent. */
    readonly share?: number;
}

interface Props<T> {
    readonly label: string;
    readonly columns: readonly Column<T>[];
    readonly rows: readonly T[];
    readonly id: (row: T) => string;
}

/** A table of a few rows. */
export function Table<T>({ label, columns, rows, id }: Props<T>) {
    return (
        <div class="table-frame" tabIndex={0} role="region" aria-label={label}>
            <table>
                <thead>
                    <tr>
                        {columns.map((column) => (
                            <th key={column.name} scope="col" class={classes(column)}>
                                {column.name}
                            </th>
                        ))}
                    </tr>
                </thead>
                <tbody>
                    {rows.map((row, position) => (
                        <tr key={id(row)}>
                            {columns.map((column) => (
                                <td key={column.name} class={classes(column)}>
                                    {column.show(row, position)}
                                </td>
                            ))}
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}

/** Height of a row of a long table, pixels; the style sheet has the same. */
const ROW_PIXELS = 44;
/** Rows that are drawn beyond each edge of what is seen. */
const ROWS_BEYOND = 10;
/** Up to here a table is short enough to be drawn whole. */
const ROWS_WHOLE_MAX = 60;

interface LongProps<T> extends Omit<Props<T>, "rows" | "id"> {
    readonly count: number;
    /** The row at a position; undefined while it is on its way. */
    readonly row: (position: number) => T | undefined;
    /** Told which rows are seen, so that their page can be fetched. */
    readonly onSeen?: (first: number, end: number) => void;
}

/** A table of any length: only the rows that are seen exist. */
export function LongTable<T>({ label, columns, count, row, onSeen }: LongProps<T>) {
    const frame = useRef<HTMLDivElement>(null);
    const [top, setTop] = useState(0); // The first row that is seen.
    const [height, setHeight] = useState(600);
    useEffect(() => {
        const element = frame.current;
        if (!element) return undefined;
        const observer = new ResizeObserver(() => setHeight(element.clientHeight));
        observer.observe(element);
        return () => observer.disconnect();
    }, []);
    const whole = usePrinting() || count <= ROWS_WHOLE_MAX;
    const first = whole ? 0 : Math.max(0, top - ROWS_BEYOND);
    const end = whole ? count : Math.min(count, top + Math.ceil(height / ROW_PIXELS) + ROWS_BEYOND);
    useEffect(() => onSeen?.(first, end), [first, end, count]);
    const grid = columns.map((column) => `minmax(0, ${column.share ?? 1}fr)`).join(" ");
    const narrow = columns
        .filter((column) => !column.wide)
        .map((column) => `minmax(0, ${column.share ?? 1}fr)`)
        .join(" ");
    return (
        <div
            class={whole ? "long" : "long long-scrolls"}
            role="table"
            aria-label={label}
            aria-rowcount={count + 1}
            style={{ "--columns": grid, "--columns-narrow": narrow }}
        >
            <div class="long-row long-head" role="row" aria-rowindex={1}>
                {columns.map((column) => (
                    <span key={column.name} role="columnheader" class={classes(column)}>
                        {column.name}
                    </span>
                ))}
            </div>
            <div
                class="long-body"
                role="rowgroup"
                ref={frame}
                tabIndex={0}
                aria-label={`${label}, rows`}
                onScroll={(event) => setTop(Math.floor(event.currentTarget.scrollTop / ROW_PIXELS))}
            >
                <div role="presentation" style={{ height: `${first * ROW_PIXELS}px` }} />
                {Array.from({ length: end - first }, (_, offset) => {
                    const position = first + offset;
                    return <Row<T> key={position} position={position} value={row(position)} columns={columns} />;
                })}
                <div role="presentation" style={{ height: `${(count - end) * ROW_PIXELS}px` }} />
            </div>
        </div>
    );
}

interface RowProps<T> {
    readonly position: number;
    /** Undefined while it is on its way. */
    readonly value: T | undefined;
    readonly columns: readonly Column<T>[];
}

/** A row of a long table. One that stays in view while the table scrolls is not drawn again. */
class Row<T> extends Component<RowProps<T>> {
    override shouldComponentUpdate(next: RowProps<T>): boolean {
        return next.value !== this.props.value || next.columns !== this.props.columns;
    }

    override render({ position, value, columns }: RowProps<T>) {
        return (
            <div class="long-row" role="row" aria-rowindex={position + 2}>
                {columns.map((column) => (
                    <span key={column.name} role="cell" class={classes(column)}>
                        {value === undefined ? <i class="ghost" /> : column.show(value, position)}
                    </span>
                ))}
            </div>
        );
    }
}

/** Whether the page is being printed: paper does not scroll. */
function usePrinting(): boolean {
    const [printing, setPrinting] = useState(false);
    useEffect(() => {
        const stop = new AbortController();
        const { signal } = stop;
        addEventListener("beforeprint", () => setPrinting(true), { signal });
        addEventListener("afterprint", () => setPrinting(false), { signal });
        return () => stop.abort();
    }, []);
    return printing;
}

function classes<T>(column: Column<T>): string {
    return `${column.number ? "num" : ""} ${column.wide ? "wide" : ""}`.trim();
}
