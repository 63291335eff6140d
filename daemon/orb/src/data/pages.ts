import type { Page } from "../api/types";

/** A list as far as it was fetched: its rows, and where it goes on; null at its end. */
export interface List<T> {
    readonly rows: readonly T[];
    readonly next: string | null;
}

/** A list with its next page. */
export function extended<T>({ rows }: List<T>, page: Page<T>): List<T> {
    return { rows: [...rows, ...page.items], next: page.next ?? null };
}

/** A list whose first page came anew: old rows stay below it where the two meet, else it starts afresh. */
export function refreshed<T>(list: List<T>, page: Page<T>, id: (row: T) => string): List<T> {
    const last = page.items.at(-1);
    const joint = last === undefined ? -1 : list.rows.findIndex((row) => id(row) === id(last));
    const below = joint < 0 ? [] : list.rows.slice(joint + 1);
    return { rows: [...page.items, ...below], next: below.length > 0 ? list.next : (page.next ?? null) };
}
