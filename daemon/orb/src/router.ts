// Routes live in the fragment, so that the page works from any folder: #/epoch/2, #/job/job-002-0848.
import { signal } from "@preact/signals";

/** Where the reader is: the words of the path, and what follows `?`. */
export interface Route {
    readonly path: readonly string[];
    readonly query: ReadonlyMap<string, string>;
}

/** Reads a fragment. Anything unreadable in it is taken literally. */
export function parseRoute(fragment: string): Route {
    const [path = "", query = ""] = fragment.replace(/^#?\/?/, "").split("?", 2);
    return {
        path: path.split("/").filter(Boolean).map(decode),
        query: new Map(new URLSearchParams(query)),
    };
}

/** The fragment of a place. */
export function href(...path: readonly (string | bigint | number)[]): string {
    return `#/${path.map((word) => encodeURIComponent(String(word))).join("/")}`;
}

/** Where the reader is now. */
export const route = signal<Route>(parseRoute(""));

/** Follows the address bar from now on. */
export function startRouter(): void {
    const follow = (): void => {
        route.value = parseRoute(location.hash);
    };
    addEventListener("hashchange", follow);
    follow();
}

/** Goes to a place. */
export function go(fragment: string): void {
    location.hash = fragment;
}

function decode(word: string): string {
    try {
        return decodeURIComponent(word);
    } catch {
        return word;
    }
}

/** Goes to a place, so that "back" does not lead to the present one. */
export function replace(fragment: string): void {
    location.replace(fragment);
}
