import { useEffect, useRef, useState } from "preact/hooks";
import { Failure } from "../api/http";
import type { Page } from "../api/types";
import { extended, refreshed, type List } from "../data/pages";
import { Empty, Failed, Skeleton } from "./states";
import { LongTable, type Column } from "./table";

interface Props<T> {
    readonly label: string;
    readonly columns: readonly Column<T>[];
    /** What the list is of; another one starts afresh. */
    readonly about: string;
    readonly load: (signal: AbortSignal, after: string | null) => Promise<Page<T>>;
    readonly id: (row: T) => string;
    readonly empty: string;
    /** The first page is fetched again when it changes, and put before the rows that are there. */
    readonly beat?: number;
}

const EMPTY: List<never> = { rows: [], next: null };

/** A list of the queen's, fetched page by page as it is scrolled. */
export function Paged<T>({ label, columns, about, load, id, empty, beat = 0 }: Props<T>) {
    const [list, setList] = useState<List<T> | null>(null);
    const [failure, setFailure] = useState<Failure | null>(null);
    const busy = useRef(false);
    const stop = useRef(new AbortController());
    const shown = useRef(about);
    const fetchPage = async (after: string | null, join: (page: Page<T>) => List<T>): Promise<void> => {
        if (busy.current) return;
        busy.current = true;
        const { signal } = stop.current;
        try {
            const page = await load(signal, after);
            if (signal.aborted) return;
            setList(join(page));
            setFailure(null);
        } catch (error) {
            if (!signal.aborted) setFailure(error instanceof Failure ? error : new Failure("damaged", String(error)));
        } finally {
            if (!signal.aborted) busy.current = false;
        }
    };
    useEffect(() => {
        stop.current = new AbortController();
        busy.current = false;
        const before = shown.current === about && list ? list : EMPTY;
        shown.current = about;
        if (before === EMPTY) setList(null);
        void fetchPage(null, (page) => refreshed(before, page, id));
        return () => stop.current.abort();
    }, [about, beat]);
    if (list === null) return failure ? <Failed failure={failure} /> : <Skeleton lines={6} />;
    const { rows, next } = list;
    if (rows.length === 0) return <Empty title={empty} />;
    // A row more than there is says that more is to come, and fetches it when it is seen.
    const count = rows.length + (next === null ? 0 : 1);
    return (
        <>
            {failure && <Failed failure={failure} />}
            <LongTable
                label={label}
                columns={columns}
                count={count}
                row={(at) => rows[at]}
                onSeen={(_, end) => {
                    if (next !== null && end >= rows.length) void fetchPage(next, (page) => extended(list, page));
                }}
            />
        </>
    );
}
