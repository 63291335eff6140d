import { useEffect } from "preact/hooks";
import { Hex } from "../components/hex";
import { Card, PageHead } from "../components/layout";
import { Empty, Loaded } from "../components/states";
import { useLoad } from "../data/load";
import { parseQuery, type Query } from "../data/search";
import { index } from "../data/site";
import { find, type Hit } from "../data/find";
import { href, replace, route } from "../router";

/** Finds what was typed; goes there when it is one thing. */
export function SearchPage() {
    const text = route.value.path.slice(1).join("/");
    const query = parseQuery(text);
    const load = useLoad(`${text} ${index.value?.block.number ?? ""}`, (signal) => find(signal, query));
    const only = load.state === "ready" && load.value.length === 1 ? load.value[0] : undefined;
    useEffect(() => {
        if (only) replace(only.link);
    }, [only]);
    return (
        <>
            <PageHead kicker="search" title={text || "What for?"} />
            <Loaded load={load}>{(hits) => (hits.length === 0 ? <Nothing query={query} /> : <Hits hits={hits} />)}</Loaded>
        </>
    );
}

function Hits({ hits }: { hits: readonly Hit[] }) {
    return (
        <Card title={`${hits.length} places`}>
            <ul class="hits">
                {hits.map(({ link, what, where }) => (
                    <li key={link}>
                        <a href={link}>{what}</a> <span class="faint">{where}</span>
                    </li>
                ))}
            </ul>
        </Card>
    );
}

function Nothing({ query }: { query: Query }) {
    switch (query.kind) {
        case "unknown":
            return (
                <Empty title="That is nothing this page knows">
                    It finds jobs (job-002-0848), epochs (epoch-002 or 2), addresses (0x and 40 digits), transactions, roots and other
                    hashes (0x and 64 digits) and names (clinic.eth).
                </Empty>
            );
        case "hash":
            return (
                <Empty title="No epoch has this hash">
                    It is neither a root, a seal, a bundle nor a transaction of an epoch. <Hex value={query.hash} kind="tx" /> may still be
                    on the chain.
                </Empty>
            );
        case "name":
            return <Empty title="No such name">The chain confirms no address for {query.name}, or this site does not know it.</Empty>;
        default:
            return (
                <Empty title="Not here">
                    Nothing of this escrow has this name. See the <a href={href("epochs")}>epochs</a>.
                </Empty>
            );
    }
}
