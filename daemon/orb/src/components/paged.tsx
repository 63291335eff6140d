import { useEffect, useRef, useState } from "preact/hooks";
import { Failure } from "../api/http";
import type { Page } from "../api/types";
import { Empty, Failed, Skeleton } from "./states";
import { LongTable, type Column } from "./table";

interface Props<T> {
    readonly label: string;
    readonly columns: readonly Column<T>[];
    /** What the list is of; another one starts afresh. */
    readonly about: string;
    readonly load: (signal: AbortSignal, after: string | null) => Promise<Page<T>>;
    readonly empty: string;
    /** The first page is fetched again when it changes. */
    readonly beat?: number;
}

/** A list of the queen's, fetched page by page as it is scrolled. */
export function Paged<T>({ label, columns, about, load, empty, beat = 0 }: Props<T>) {
    const [rows, setRows] = useState<readonly T[] | null>(null);
    const [next, setNext] = useState<string | null>(null);
    const [failure, setFailure] = useState<Failure | null>(null);
    const busy = useRef(false);
    const stop = useRef(new AbortController());
    const more = async (after: string | null, before: readonly T[]): Promise<void> => {
        if (busy.current) return;
        busy.current = true;
        const { signal } = stop.current;
        try {
            const page = await load(signal, after);
            if (signal.aborted) return;
            setRows([...before, ...page.items]);
            setNext(page.next ?? null);
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
        void more(null, []);
        return () => stop.current.abort();
    }, [about, beat]);
    if (rows === null) return failure ? <Failed failure={failure} /> : <Skeleton lines={6} />;
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
                    if (next !== null && end >= rows.length) void more(next, rows);
                }}
            />
        </>
    );
}
