import { queen } from "../api/queen";
import type { Epoch, Index, Job } from "../api/types";
import { Badge } from "../components/badge";
import { Comb, type Cell } from "../components/comb";
import { condense, Feed } from "../components/feed";
import { Hex } from "../components/hex";
import { Card, PageHead, Stat } from "../components/layout";
import { Money } from "../components/money";
import { Empty, Loaded, Notice } from "../components/states";
import { Table, type Column } from "../components/table";
import { Age } from "../components/time";
import { events, useBeat } from "../data/live";
import { useLoad } from "../data/load";
import { index } from "../data/site";
import { epochNumber } from "../format/ids";
import { group, sum, usdc } from "../format/money";
import { href } from "../router";
import { soundness } from "../data/soundness";

/** Jobs that the overview lists. */
const JOBS_SHOWN = 8;
/** Events that the overview lists. */
const EVENTS_SHOWN = 10;

export function Overview() {
    const site = index.value;
    if (!site) return null;
    return (
        <>
            <PageHead title={site.live ? "The rack, now" : "The rack, as the chain has it"}>
                <p class="lede">
                    Jobs are paid in USDC, settled in epochs, and every epoch can be checked by anyone, here or without this page.
                </p>
            </PageHead>
            <Warnings site={site} />
            {site.live ? <LiveOverview site={site} /> : <StaticOverview site={site} />}
        </>
    );
}

function Warnings({ site }: { site: Index }) {
    const sound = soundness(site.contract);
    return (
        <>
            {!sound.solvent && (
                <Notice tone="bad" title="The escrow holds less USDC than it owes" alert>
                    It lacks ${usdc(sound.missing)}. See the <a href={href("contract")}>contract</a>.
                </Notice>
            )}
            {site.contract.stopped && (
                <Notice tone="bad" title="Settlement is stopped" alert>
                    An epoch was voided; the guardian has to resume. Withdrawals and claims go on.
                </Notice>
            )}
        </>
    );
}

function LiveOverview({ site }: { site: Index }) {
    const beat = useBeat((event) => /^(job\.(?!progress)|epoch\.|worker\.)/.test(event.kind));
    const stats = useLoad("stats", queen.stats, beat);
    const epochs = useLoad("epochs", (signal) => queen.epochs(signal), beat);
    const jobs = useLoad("jobs", (signal) => queen.jobs(signal, {}), beat);
    const power = useLoad("power", queen.power, beat);
    return (
        <>
            <Loaded load={stats} lines={2}>
                {({ jobs: byState, bees, total_revenue, mean_execution_ms }) => (
                    <div class="stats">
                        <Stat
                            name="Jobs done"
                            link={href("jobs")}
                            under={`${count(byState, ["pending", "claimed", "processing"])} on their way`}
                        >
                            {group(byState["completed"] ?? 0)}
                        </Stat>
                        <Stat name="Revenue, final" link={href("epochs")} under={`${usdc(unsettled(epochs, site))} not final yet`}>
                            <Money amount={total_revenue} unit={false} />
                        </Stat>
                        <Stat name="Bees" link={href("bees")} under={`${count(bees, Object.keys(bees))} registered`}>
                            {group(count(bees, ["online", "busy"]))} <small>online</small>
                        </Stat>
                        <Stat name="Time a job takes" under="mean of the last jobs">
                            {mean_execution_ms ? `${(mean_execution_ms / 1000).toFixed(1)} s` : <span class="unknown">none yet</span>}
                        </Stat>
                        <Stat
                            name="Power now"
                            link={href("power")}
                            under={
                                power.state === "ready" && power.value.load.quality !== "unknown"
                                    ? power.value.load.quality
                                    : "no meter answers"
                            }
                        >
                            {power.state === "ready" && typeof power.value.load.watts === "number" ? (
                                `${group(power.value.load.watts)} W`
                            ) : (
                                <span class="unknown">unknown</span>
                            )}
                        </Stat>
                    </div>
                )}
            </Loaded>
            <Card title="Epochs" actions={<a href={href("epochs")}>All epochs</a>}>
                <Loaded load={epochs}>{({ items }) => <Comb cells={items.map(cellOf)} />}</Loaded>
            </Card>
            <div class="columns">
                <Card title="Latest jobs" actions={<a href={href("jobs")}>All jobs</a>}>
                    <Loaded load={jobs} lines={6}>
                        {({ items }) =>
                            items.length === 0 ? (
                                <Empty title="No job yet">The first one appears here by itself.</Empty>
                            ) : (
                                <Table
                                    label="Latest jobs"
                                    columns={JOB_COLUMNS}
                                    rows={items.slice(0, JOBS_SHOWN)}
                                    id={(job) => job.job_id}
                                />
                            )
                        }
                    </Loaded>
                </Card>
                <Card title="Happening">
                    {events.value.length === 0 ? (
                        <Empty title="Quiet">Nothing has happened since this page was opened.</Empty>
                    ) : (
                        <Feed events={condense(events.value).slice(0, EVENTS_SHOWN)} />
                    )}
                </Card>
            </div>
        </>
    );
}

function StaticOverview({ site }: { site: Index }) {
    const good = site.epochs.filter(({ status }) => status !== "void");
    const cells = site.epochs
        .map((epoch) => ({
            epoch: epoch.epoch,
            status: epoch.status,
            revenue: epoch.charged,
            receipts: epoch.receipts,
            sealedAt: epoch.sealed_at,
        }))
        .reverse();
    return (
        <>
            <div class="stats">
                <Stat name="Epochs" link={href("epochs")} under={`${group(site.epochs.length - good.length)} void`}>
                    {group(site.epochs.length)}
                </Stat>
                <Stat name="Jobs settled" under="in epochs that stand">
                    {group(sum(good.map(({ receipts }) => receipts)))}
                </Stat>
                <Stat name="Revenue settled" under="in epochs that stand">
                    <Money amount={sum(good.map(({ charged }) => charged))} unit={false} />
                </Stat>
                <Stat name="The escrow holds" link={href("contract")} under={`owes ${usdc(site.contract.liabilities)}`}>
                    <Money amount={site.contract.token_balance} unit={false} />
                </Stat>
            </div>
            <Card title="Epochs" actions={<a href={href("epochs")}>All epochs</a>}>
                {cells.length === 0 ? <Empty title="No epoch is settled yet" /> : <Comb cells={cells} />}
            </Card>
        </>
    );
}

/** Columns of a list of jobs. */
export const JOB_COLUMNS: readonly Column<Job>[] = [
    { name: "Job", show: (job) => <a href={href("job", job.job_id)}>{job.job_id}</a>, share: 1.2 },
    { name: "State", show: (job) => <Badge state={job.status} />, share: 1.1 },
    { name: "Type", show: (job) => job.job_type, wide: true },
    { name: "Client", show: (job) => <Hex value={job.client} kind="client" />, wide: true, share: 1.4 },
    { name: "Fee", show: (job) => <Money amount={job.fee} unit={false} />, number: true, share: 0.7 },
    { name: "Submitted", show: (job) => <Age at={job.submitted_at} />, number: true, wide: true },
];

function cellOf(epoch: Epoch): Cell {
    return {
        epoch: epochNumber(epoch.epoch_id),
        status: epoch.status,
        revenue: epoch.total_revenue,
        receipts: epoch.jobs_count,
        sealedAt: epoch.sealed_at ?? null,
    };
}

function count(by: Readonly<Record<string, number>>, states: readonly string[]): number {
    return states.reduce((total, state) => total + (by[state] ?? 0), 0);
}

function unsettled(epochs: ReturnType<typeof useLoad<{ items: Epoch[] }>>, site: Index): bigint {
    if (epochs.state === "ready")
        return sum(
            epochs.value.items
                .filter(({ status }) => status !== "finalized" && status !== "void")
                .map(({ total_revenue }) => total_revenue),
        );
    return sum(site.epochs.filter(({ status }) => status === "included").map(({ charged }) => charged));
}
