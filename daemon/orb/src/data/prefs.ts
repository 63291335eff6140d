import { effect, signal } from "@preact/signals";

/** What the reader chose, kept in this browser. */
function kept(key: string) {
    const value = signal<string | null>(read(key));
    effect(() => write(key, value.value));
    return value;
}

/** JSON-RPC address of a node that the reader trusts; null: the one that the site names. */
export const ownRpc = kept("orb.rpc");

/** `light` or `dark`; null: as the system has it. */
export const theme = kept("orb.theme");

effect(() => {
    const chosen = theme.value;
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset["theme"] = chosen;
    else delete document.documentElement.dataset["theme"];
});

// A browser may forbid storage; then a choice lasts as long as the page.
function read(key: string): string | null {
    try {
        return localStorage.getItem(key);
    } catch {
        return null;
    }
}

function write(key: string, value: string | null): void {
    try {
        if (value === null) localStorage.removeItem(key);
        else localStorage.setItem(key, value);
    } catch {
        return;
    }
}
