import { useMemo } from "preact/hooks";
import { queen } from "../api/queen";
import { Badge } from "../components/badge";
import { Chart } from "../components/chart";
import { Hex } from "../components/hex";
import { Card, PageHead } from "../components/layout";
import { Money } from "../components/money";
import { Empty } from "../components/states";
import { LongTable, type Column } from "../components/table";
import { Moment } from "../components/time";
import { useBeat } from "../data/live";
import { useLoad } from "../data/load";
import { index, live } from "../data/site";
import { epochName, epochNumber } from "../format/ids";
import { group } from "../format/money";
import { day } from "../format/time";
import { href } from "../router";

interface Row {
    readonly epoch: string;
    readonly status: string;
    readonly receipts: string;
    readonly revenue: string;
    readonly sealedAt: string | null;
    readonly root: string | null;
}

const COLUMNS: readonly Column<Row>[] = [
    { name: "Epoch", show: ({ epoch }) => <a href={href("epoch", epoch)}>{epochName(epoch)}</a> },
    { name: "State", show: ({ status }) => <Badge state={status} /> },
    { name: "Jobs", show: ({ receipts }) => group(receipts), number: true, share: 0.6 },
    { name: "Revenue", show: ({ revenue }) => <Money amount={revenue} exact unit={false} />, number: true },
    {
        name: "Sealed",
        show: ({ sealedAt }) => (sealedAt ? <Moment at={sealedAt} age={false} /> : <span class="faint">open</span>),
        wide: true,
        share: 1.4,
    },
    { name: "Root", show: ({ root }) => (root ? <Hex value={root} /> : <span class="faint">none yet</span>), wide: true, share: 1.2 },
];

export function Epochs() {
    const site = index.value;
    const beat = useBeat((event) => event.kind.startsWith("epoch."));
    const open = useLoad(live.value ? "open" : null, (signal) => queen.epochs(signal), beat);
    const settled = site?.epochs ?? [];
    const rows = useMemo(() => {
        const known = new Set(settled.map(({ epoch }) => epoch));
        const unsettled = open.state === "ready" ? open.value.items.filter(({ epoch_id }) => !known.has(epochNumber(epoch_id))) : [];
        return [
            ...unsettled.map((epoch): Row => ({
                epoch: epochNumber(epoch.epoch_id),
                status: epoch.status,
                receipts: epoch.jobs_count,
                revenue: epoch.total_revenue,
                sealedAt: epoch.sealed_at ?? null,
                root: epoch.receipts_root ?? null,
            })),
            ...[...settled]
                .reverse()
                .map((epoch): Row => ({
                    epoch: epoch.epoch,
                    status: epoch.status,
                    receipts: epoch.receipts,
                    revenue: epoch.charged,
                    sealedAt: epoch.sealed_at,
                    root: epoch.receipts_root,
                })),
        ];
    }, [settled, open]);
    return (
        <>
            <PageHead title="Epochs">
                <p class="lede">
                    An epoch gathers the jobs of a period into one tree. Its root, every charge and every payout go to the chain together,
                    signed by the settlers; it is final when its challenge window has passed.
                </p>
            </PageHead>
            {settled.length > 1 && (
                <Card title="Revenue by epoch">
                    <Chart
                        label="Revenue by epoch, USDC"
                        x={settled.map(({ epoch }) => Number(epoch))}
                        series={[
                            { name: "Revenue", values: settled.map(({ charged }) => Number(charged) / 1e6), tone: "honey", bars: true },
                        ]}
                        unit="$"
                        time={false}
                    />
                    <p class="note">
                        From {day(settled[0]?.sealed_at ?? 0)} to {day(settled.at(-1)?.sealed_at ?? 0)}. Void epochs moved no money.
                    </p>
                </Card>
            )}
            <Card>
                {rows.length === 0 ? (
                    <Empty title="No epoch is settled yet">The first one appears here when it is on the chain.</Empty>
                ) : (
                    <LongTable label="Epochs" columns={COLUMNS} count={rows.length} row={(at) => rows[at]} />
                )}
            </Card>
        </>
    );
}
