import { useState } from "preact/hooks";
import { nameOf } from "../data/names";
import { index } from "../data/site";
import { isZero, short } from "../format/hex";
import { href } from "../router";

/** What a hash or address is, which says where it leads. */
export type HexKind = "client" | "bee" | "account" | "contract" | "tx" | "hash";

interface Props {
    readonly value: string;
    readonly kind?: HexKind;
    /** All of it, wrapped, instead of its ends. */
    readonly whole?: boolean;
    /** Says whose it is, when the chain confirmed a name for it. */
    readonly named?: boolean;
}

/** A hash or an address: short, whole on hover and focus, with a button that copies it. */
export function Hex({ value, kind = "hash", whole = false, named = true }: Props) {
    if (isZero(value)) return <span class="faint">none</span>;
    const name = named ? nameOf(value) : undefined;
    const text = whole ? value : short(value);
    const label = name ?? text;
    const inside = place(kind, value);
    const outside = explorerLink(kind, value);
    return (
        <span class={whole ? "hex hex-whole" : "hex"}>
            {inside ? (
                <a href={inside} title={value} class={name ? "hex-name" : "hex-text"}>
                    {label}
                </a>
            ) : (
                <span title={value} class={name ? "hex-name" : "hex-text"}>
                    {label}
                </span>
            )}
            <Copy value={value} />
            {outside && (
                <a
                    class="icon-link"
                    href={outside}
                    target="_blank"
                    rel="noopener noreferrer"
                    aria-label={`${short(value)} in the block explorer`}
                    title="In the block explorer"
                >
                    ↗
                </a>
            )}
        </span>
    );
}

/** Copies a text. */
export function Copy({ value }: { value: string }) {
    const [done, setDone] = useState(false);
    const copy = async (): Promise<void> => {
        await navigator.clipboard.writeText(value).then(
            () => setDone(true),
            () => setDone(false),
        );
        setTimeout(() => setDone(false), 1_200);
    };
    return (
        <button type="button" class="copy" onClick={() => void copy()} aria-label={`Copy ${short(value)}`} title="Copy">
            <svg viewBox="0 0 16 16" aria-hidden="true">
                {done ? <path d="M3 8.5 6.5 12 13 4.5" /> : <path d="M5.5 5.5V3h8v8H11M2.5 5.5h8v8h-8z" />}
            </svg>
        </button>
    );
}

/** The address of a thing at the configured block explorer; null without one, or when it is no web address. */
export function explorerLink(kind: HexKind | "block", value: string): string | null {
    const base = index.value?.explorer;
    const words: Partial<Record<HexKind | "block", string>> = {
        tx: "tx",
        block: "block",
        client: "address",
        bee: "address",
        account: "address",
        contract: "address",
    };
    const word = words[kind];
    if (!base || !word || !/^https?:\/\//.test(base)) return null;
    return `${base}/${word}/${encodeURIComponent(value)}`;
}

function place(kind: HexKind, value: string): string | null {
    if (kind === "client" || kind === "account") return href("client", value);
    if (kind === "bee") return href("bee", value);
    if (kind === "contract") return href("contract");
    return null;
}
