import { useState } from "preact/hooks";
import { Card, PageHead } from "../components/layout";
import { Notice } from "../components/states";
import { ownRpc, theme } from "../data/prefs";
import { index, rpc } from "../data/site";

/** What the reader chooses: the node that is asked, and the colours. */
export function Settings() {
    return (
        <>
            <PageHead title="Settings">
                <p class="lede">Kept in this browser, and nowhere else.</p>
            </PageHead>
            <Node />
            <Colours />
        </>
    );
}

function Node() {
    const [text, setText] = useState(ownRpc.value ?? "");
    const [refused, setRefused] = useState(false);
    const submit = (event: SubmitEvent): void => {
        event.preventDefault();
        const typed = text.trim();
        setRefused(typed !== "" && !isWeb(typed));
        if (typed === "") ownRpc.value = null;
        else if (isWeb(typed)) ownRpc.value = typed;
    };
    const named = index.value?.rpcs ?? [];
    return (
        <Card
            title="The chain, through whom?"
            note="Proofs end at the contract, which is read through a JSON-RPC node. Who serves this page could also serve a node that lies: name one that you trust."
        >
            {refused && (
                <Notice tone="bad" title="That is no web address" alert>
                    It must begin with https:// or http://.
                </Notice>
            )}
            <form class="open" onSubmit={submit}>
                <label>
                    Address of the node
                    <input
                        type="text"
                        inputMode="url"
                        value={text}
                        onInput={(event) => setText(event.currentTarget.value)}
                        placeholder={named[0] ?? "https://…"}
                        spellcheck={false}
                        autocomplete="off"
                    />
                </label>
                <button type="submit" class="primary">
                    Use it
                </button>
                {ownRpc.value !== null && (
                    <button
                        type="button"
                        onClick={() => {
                            ownRpc.value = null;
                            setText("");
                        }}
                    >
                        Use the site's
                    </button>
                )}
            </form>
            <p>
                Now asked: {rpc.value ? <code>{rpc.value}</code> : <span class="unknown">none: only the arithmetic can be checked</span>}
                {rpc.value !== null && ownRpc.value === null && " (named by this site)"}
            </p>
            {index.value?.live && named.length > 0 && ownRpc.value !== null && !named.includes(ownRpc.value) && (
                <Notice tone="wait" title="This queen's page may ask only nodes that she allows">
                    Her Content-Security-Policy names {named.join(", ")}. To ask your own, open an exported copy (swarm orb export) or check
                    without this page.
                </Notice>
            )}
        </Card>
    );
}

const COLOURS = [
    { value: null, text: "As the system" },
    { value: "light", text: "Light" },
    { value: "dark", text: "Dark" },
] as const;

function Colours() {
    return (
        <Card title="Colours">
            <fieldset class="choice">
                <legend class="unseen">Colours</legend>
                {COLOURS.map(({ value, text }) => (
                    <label key={text}>
                        <input type="radio" name="theme" checked={theme.value === value} onChange={() => (theme.value = value)} /> {text}
                    </label>
                ))}
            </fieldset>
        </Card>
    );
}

function isWeb(text: string): boolean {
    return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
