import { useState } from "preact/hooks";
import { queen } from "../api/queen";
import type { Epoch, IndexEpoch } from "../api/types";
import { Badge } from "../components/badge";
import { PageHead, Tabs } from "../components/layout";
import { Money } from "../components/money";
import { Empty, Loaded, Notice } from "../components/states";
import { Countdown, Moment } from "../components/time";
import { useBeat } from "../data/live";
import { useLoad } from "../data/load";
import { index, live, settledEpoch } from "../data/site";
import { epochName, parseEpoch } from "../format/ids";
import { group } from "../format/money";
import { href, route } from "../router";
import { EpochBundle } from "./epoch-bundle";
import { EpochMoney } from "./epoch-money";
import { EpochReceipts } from "./epoch-receipts";
import { EpochSeal } from "./epoch-seal";
import { EpochVerify } from "./epoch-verify";
import { NotFound } from "./not-found";
import { OpenEpoch } from "./epoch-open";

const TABS = [
    { id: "seal", text: "Seal" },
    { id: "money", text: "Money" },
    { id: "receipts", text: "Receipts" },
    { id: "bundle", text: "Bundle" },
    { id: "verify", text: "Verify" },
] as const;

export function EpochPage({ id }: { id: string }) {
    const number = parseEpoch(id);
    if (number === null) return <NotFound />;
    const settled = index.value ? settledEpoch(index.value, String(number)) : undefined;
    return settled ? <Settled epoch={settled} /> : <Unsettled epoch={String(number)} />;
}

function Settled({ epoch }: { epoch: IndexEpoch }) {
    const asked = route.value.query.get("tab");
    const current = TABS.find((tab) => tab.id === asked)?.id ?? "seal";
    const [tabs] = useState(() =>
        TABS.map((tab) => ({
            ...tab,
            link: tab.id === "seal" ? href("epoch", epoch.epoch) : `${href("epoch", epoch.epoch)}?tab=${tab.id}`,
        })),
    );
    return (
        <>
            <PageHead kicker={<Neighbours epoch={epoch} />} title={<>Epoch {epoch.epoch}</>}>
                <Badge state={epoch.status} />
                <span>
                    {group(epoch.receipts)} {epoch.receipts === "1" ? "job" : "jobs"}
                </span>
                <Money amount={epoch.charged} />
                {epoch.status === "included" && (
                    <span>
                        final in <Countdown to={epoch.final_at} />
                    </span>
                )}
                {epoch.status === "finalized" && (
                    <span>
                        final since <Moment at={epoch.final_at} age={false} /> UTC
                    </span>
                )}
            </PageHead>
            {epoch.void && (
                <Notice tone="bad" title="This epoch is void">
                    It was undone on <Moment at={epoch.void.at} />: “{epoch.void.reason}”. No client paid for it and nobody was paid by it;
                    its jobs settle again in a later epoch.
                </Notice>
            )}
            <Tabs label="Parts of the epoch" items={tabs} current={current} />
            {current === "seal" && <EpochSeal epoch={epoch} />}
            {current === "money" && <EpochMoney epoch={epoch} />}
            {current === "receipts" && <EpochReceipts epoch={epoch} />}
            {current === "bundle" && <EpochBundle epoch={epoch} />}
            {current === "verify" && <EpochVerify epoch={epoch} />}
        </>
    );
}

function Neighbours({ epoch }: { epoch: IndexEpoch }) {
    const all = index.value?.epochs ?? [];
    const at = all.findIndex((other) => other.epoch === epoch.epoch);
    const [before, after] = [all[at - 1], all[at + 1]];
    return (
        <>
            {before && <a href={href("epoch", before.epoch)}>← {before.epoch_id}</a>} {epoch.epoch_id}{" "}
            {after && <a href={href("epoch", after.epoch)}>{after.epoch_id} →</a>}
        </>
    );
}

/** An epoch that is not on the chain yet: only the queen knows it. */
function Unsettled({ epoch }: { epoch: string }) {
    const beat = useBeat((event) => event.kind.startsWith("epoch.") || event.kind === "job.completed");
    const load = useLoad<Epoch>(live.value ? epoch : null, (signal) => queen.epoch(signal, epoch), beat);
    if (!live.value) {
        return (
            <>
                <PageHead kicker={epochName(epoch)} title={`Epoch ${epoch}`} />
                <Empty title="The chain has no such epoch">
                    As of this copy it was not settled. Epochs that are still open are known to their queen only.
                </Empty>
            </>
        );
    }
    return (
        <Loaded load={load} lines={6} missing={`There is no ${epochName(epoch)}`} title={`Epoch ${epoch}`}>
            {(value) => <OpenEpoch epoch={value} />}
        </Loaded>
    );
}
