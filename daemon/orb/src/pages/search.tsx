import { useEffect } from "preact/hooks";
import { Hex } from "../components/hex";
import { Card, PageHead } from "../components/layout";
import { Empty, Loaded } from "../components/states";
import { useLoad } from "../data/load";
import { parseQuery, type Query } from "../data/search";
import { index, rpc } from "../data/site";
import { find, type Hit } from "../data/find";
import { href, replace, route } from "../router";

/** Of what was typed, how much the title shows. */
const TITLE_MAX = 80;

/** Finds what was typed; goes there when it is one thing. */
export function SearchPage() {
    const text = route.value.path.slice(1).join("/");
    const query = parseQuery(text);
    // A name is read anew when the reader names another node, and not with every block.
    const beat = query.kind === "name" ? (rpc.value ?? "") : (index.value?.block.number ?? "");
    const load = useLoad(`${text} ${index.value !== null} ${beat}`, (signal) => find(signal, query));
    const only = load.state === "ready" && load.value.length === 1 && !load.value[0]?.pause ? load.value[0] : undefined;
    useEffect(() => {
        if (only) replace(only.link);
    }, [only]);
    return (
        <>
            <PageHead kicker="search" title={text.length > TITLE_MAX ? `${text.slice(0, TITLE_MAX)}…` : text || "What for?"} />
            <Loaded load={load}>{(hits) => (hits.length === 0 ? <Nothing query={query} /> : <Hits hits={hits} />)}</Loaded>
        </>
    );
}

function Hits({ hits }: { hits: readonly Hit[] }) {
    return (
        <Card title={hits.length === 1 ? "One place" : `${hits.length} places`}>
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
        case "no-name":
            return <Empty title="That is no name that can be trusted">{query.refused}</Empty>;
        case "name":
            return <NoName name={query.name} />;
        default:
            return (
                <Empty title="Not here">
                    Nothing of this escrow has this name. See the <a href={href("epochs")}>epochs</a>.
                </Empty>
            );
    }
}

/** Why a name led nowhere. */
function NoName({ name }: { name: string }) {
    const registry = index.value?.ens;
    if (!registry)
        return (
            <Empty title="Names are not looked up here">
                This site names no ENS registry, so nobody can say what {name} stands for. Search for the address (0x and 40 digits).
            </Empty>
        );
    if (rpc.value === null)
        return (
            <Empty title="Nobody to ask">
                The index knows no address of that name. To look {name} up in the registry on chain {registry.chain_id},{" "}
                <a href={href("settings")}>name a node</a>.
            </Empty>
        );
    return (
        <Empty title="This name leads to no address">
            The ENS registry <Hex value={registry.registry} named={false} /> on chain {registry.chain_id} has no address for {name}, says{" "}
            {rpc.value}.
        </Empty>
    );
}
