import type { ComponentChildren } from "preact";
import { Pulse } from "./components/feed";
import { Hex } from "./components/hex";
import { Search } from "./components/search";
import { theme } from "./data/prefs";
import { index, live } from "./data/site";
import { group } from "./format/money";
import { utc } from "./format/time";
import { href, route } from "./router";

interface Place {
    readonly text: string;
    readonly link: string;
    /** First words of the routes that belong to it. */
    readonly words: readonly (string | undefined)[];
    /** Only a queen knows it. */
    readonly live?: boolean;
}

const PLACES: readonly Place[] = [
    { text: "Overview", link: href(), words: [undefined] },
    { text: "Epochs", link: href("epochs"), words: ["epochs", "epoch", "receipt"] },
    { text: "Jobs", link: href("jobs"), words: ["jobs", "job"], live: true },
    { text: "Bees", link: href("bees"), words: ["bees", "bee"], live: true },
    { text: "Power", link: href("power"), words: ["power"], live: true },
    { text: "Contract", link: href("contract"), words: ["contract"] },
    { text: "Verify it yourself", link: href("verify"), words: ["verify"] },
];

/** What is around every page. */
export function Shell({ children }: { children: ComponentChildren }) {
    const word = route.value.path[0];
    return (
        <>
            <a class="skip" href="#main" onClick={skip}>
                Skip to the page
            </a>
            <header class="top">
                <div class="top-row">
                    <a class="brand" href={href()}>
                        <svg viewBox="0 0 32 32" aria-hidden="true">
                            <path d="M16 1.5 28.6 8.75v14.5L16 30.5 3.4 23.25V8.75z" class="brand-cell" />
                            <circle cx="16" cy="16" r="6.5" class="brand-orb" />
                            <circle cx="18.2" cy="13.8" r="2" class="brand-glint" />
                        </svg>
                        <span>SwarmOrb</span>
                        {index.value?.name && <span class="brand-rack">{index.value.name}</span>}
                    </a>
                    <Search />
                    <Pulse />
                    <a class="tool" href={href("settings")} aria-label="Settings" title="Settings">
                        <svg viewBox="0 0 20 20" aria-hidden="true">
                            <path d="M3 6h8m4 0h2M3 14h2m4 0h8M11 6a2 2 0 1 0 4 0 2 2 0 1 0-4 0M5 14a2 2 0 1 0 4 0 2 2 0 1 0-4 0" />
                        </svg>
                    </a>
                    <ThemeButton />
                </div>
                <nav class="places" aria-label="Pages">
                    {PLACES.filter((place) => live.value || !place.live).map(({ text, link, words }) => (
                        <a key={text} href={link} aria-current={words.includes(word) ? "page" : undefined}>
                            {text}
                        </a>
                    ))}
                </nav>
            </header>
            <main id="main" tabIndex={-1}>
                {children}
            </main>
            <Foot />
        </>
    );
}

// The fragment is the route, so the link cannot do it by itself.
function skip(event: MouseEvent): void {
    event.preventDefault();
    document.getElementById("main")?.focus();
}

function ThemeButton() {
    const dark = theme.value === "dark" || (theme.value === null && matchMedia("(prefers-color-scheme: dark)").matches);
    return (
        <button
            type="button"
            class="tool"
            onClick={() => (theme.value = dark ? "light" : "dark")}
            aria-label={dark ? "Light colours" : "Dark colours"}
            title={dark ? "Light colours" : "Dark colours"}
        >
            <svg viewBox="0 0 20 20" aria-hidden="true">
                {dark ? (
                    <path d="M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 1 0 0-7M10 1.5v2M10 16.5v2M1.5 10h2M16.5 10h2M4 4l1.4 1.4M14.6 14.6 16 16M4 16l1.4-1.4M14.6 5.4 16 4" />
                ) : (
                    <path d="M16.5 12A7 7 0 0 1 8 3.5a7 7 0 1 0 8.5 8.5z" />
                )}
            </svg>
        </button>
    );
}

function Foot() {
    const site = index.value;
    if (!site) return null;
    return (
        <footer class="foot">
            <p>
                Chain {site.chain_id} · escrow <Hex value={site.escrow} kind="contract" /> · as of block {group(site.block.number)},{" "}
                {utc(site.block.time)} UTC
            </p>
            <p>Research use, not for diagnosis. Nothing on this page has to be believed: every figure can be checked against the chain.</p>
        </footer>
    );
}
