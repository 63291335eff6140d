import { useMemo } from "preact/hooks";
import { queen } from "../api/queen";
import type { AccountWork, Sample, Worker } from "../api/types";
import { Badge } from "../components/badge";
import { Chart, type Series } from "../components/chart";
import { Hex } from "../components/hex";
import { Card, Fact, Facts, PageHead, Stat } from "../components/layout";
import { Money } from "../components/money";
import { Empty, Loaded, Notice } from "../components/states";
import { Table, type Column } from "../components/table";
import { Age, Moment } from "../components/time";
import { accountFile } from "../data/bundle";
import { useBeat } from "../data/live";
import { useLoad } from "../data/load";
import { live } from "../data/site";
import { isAddress, short } from "../format/hex";
import { epochNumber } from "../format/ids";
import { group } from "../format/money";
import { duration } from "../format/time";
import { href } from "../router";
import { NotFound } from "./not-found";

export function Bee({ id }: { id: string }) {
    const address = id.toLowerCase();
    const valid = isAddress(address);
    const beat = useBeat((event) => event.worker === address);
    const bee = useLoad(valid && live.value ? address : null, (signal) => queen.worker(signal, address), beat);
    const samples = useLoad(valid && live.value ? address : null, (signal) => queen.samples(signal, address), beat);
    const account = useLoad(valid ? address : null, (signal) => accountFile(signal, address));
    if (!valid) return <NotFound />;
    return (
        <>
            {live.value ? (
                <Loaded load={bee} lines={6} missing="No bee has this key" title={short(address)}>
                    {(value) => <Now bee={value} />}
                </Loaded>
            ) : (
                <PageHead kicker="bee" title={short(address)}>
                    <Hex value={address} kind="account" />
                </PageHead>
            )}
            {live.value && (
                <Loaded load={samples} missing="Nothing was measured">
                    {(values) => <Charts samples={values} />}
                </Loaded>
            )}
            <Card title="What it earned" note="By epoch, from the bundles: work by fees, readiness by seconds.">
                <Loaded load={account} missing="No settled epoch names it yet">
                    {({ work }) =>
                        work.length === 0 ? (
                            <Empty title="No settled epoch names it yet" />
                        ) : (
                            <Table label="Earnings by epoch" columns={WORK_COLUMNS} rows={[...work].reverse()} id={({ epoch }) => epoch} />
                        )
                    }
                </Loaded>
            </Card>
            <Card title="Canary record" note="Canary jobs have known answers: they show whether a bee really computes.">
                <Empty title="None yet">
                    No canary job was given to this bee. Until there are some, its executions are its word, signed.
                </Empty>
            </Card>
        </>
    );
}

function Now({ bee }: { bee: Worker }) {
    return (
        <>
            <PageHead kicker="bee" title={bee.name}>
                <Badge state={bee.approval === "waiting" ? "waiting" : bee.status} />
                <Hex value={bee.worker} kind="account" />
                <span>{bee.device.name}</span>
            </PageHead>
            {!bee.ready && bee.not_ready_reason && (
                <Notice tone="wait" title="Not ready">
                    {bee.not_ready_reason}
                </Notice>
            )}
            <div class="stats">
                <Stat name="Jobs done">{group(bee.jobs_completed)}</Stat>
                <Stat name="Ready this epoch">{duration(bee.ready_seconds)}</Stat>
                <Stat name="Heard">
                    {bee.last_heartbeat === "0" ? <span class="unknown">never</span> : <Age at={bee.last_heartbeat} />}
                </Stat>
                <Stat name="Works on">
                    {bee.current_jobs.length === 0 ? (
                        <span class="unknown">nothing</span>
                    ) : (
                        bee.current_jobs.map((job) => (
                            <a key={job} href={href("job", job)}>
                                {job}
                            </a>
                        ))
                    )}
                </Stat>
            </div>
            <Card title="The device">
                <Facts>
                    <Fact name="Device">{bee.device.name}</Fact>
                    <Fact name="UUID">{bee.device.uuid ?? <span class="unknown">none: no GPU</span>}</Fact>
                    <Fact name="Memory">{group(bee.device.memory_mib)} MiB</Fact>
                    <Fact name="Engines">
                        {bee.engines.map((engine) => (
                            <div key={engine}>{engine}</div>
                        ))}
                    </Fact>
                    <Fact name="Paid to">
                        {bee.payee ? <Hex value={bee.payee} kind="account" /> : <span class="unknown">not approved yet</span>}
                    </Fact>
                    <Fact name="Registered">
                        <Moment at={bee.registered_at} />
                    </Fact>
                </Facts>
            </Card>
        </>
    );
}

const WORK_COLUMNS: readonly Column<AccountWork>[] = [
    { name: "Epoch", show: ({ epoch }) => <a href={href("epoch", epochNumber(epoch))}>{epoch}</a> },
    { name: "State", show: ({ status }) => <Badge state={status} /> },
    { name: "Jobs", show: ({ receipts }) => group(receipts), number: true },
    { name: "Ready", show: ({ ready_seconds }) => duration(ready_seconds), number: true, wide: true },
    { name: "Work", show: ({ work }) => <Money amount={work} exact unit={false} />, number: true },
    { name: "Readiness", show: ({ readiness }) => <Money amount={readiness} exact unit={false} />, number: true },
];

function Charts({ samples }: { samples: readonly Sample[] }) {
    const x = useMemo(() => samples.map(({ at }) => Number(at)), [samples]);
    const charts: readonly { title: string; unit: string; range?: readonly [number, number]; series: Series }[] = [
        {
            title: "Utilisation",
            unit: "%",
            range: [0, 100],
            series: { name: "Utilisation", tone: "honey", values: samples.map((sample) => sample.utilisation_percent) },
        },
        { title: "Memory", unit: "MiB", series: { name: "Memory", tone: "blue", values: samples.map((sample) => sample.memory_used_mib) } },
        {
            title: "Temperature",
            unit: "°C",
            range: [20, 100],
            series: { name: "Temperature", tone: "red", values: samples.map((sample) => sample.temperature_celsius) },
        },
        {
            title: "Power",
            unit: "W",
            series: {
                name: "Power",
                tone: "green",
                values: samples.map((sample) =>
                    sample.power_milliwatts === null || sample.power_milliwatts === undefined
                        ? null
                        : Number(sample.power_milliwatts) / 1000,
                ),
            },
        },
    ];
    return (
        <div class="grid">
            {charts.map(({ title, unit, range, series }) => (
                <Card key={title} title={title}>
                    {series.values.every((value) => value === null || value === undefined) ? (
                        <Empty title="Unknown">Nothing on this box measures it.</Empty>
                    ) : (
                        <Chart label={title} x={x} series={[series]} unit={unit} height={150} {...(range ? { range } : {})} />
                    )}
                </Card>
            ))}
        </div>
    );
}
