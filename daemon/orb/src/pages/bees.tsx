import { queen } from "../api/queen";
import type { Worker } from "../api/types";
import { Badge } from "../components/badge";
import { Hex } from "../components/hex";
import { Card, PageHead } from "../components/layout";
import { Empty, Loaded } from "../components/states";
import { LongTable, type Column } from "../components/table";
import { Age } from "../components/time";
import { useBeat } from "../data/live";
import { useLoad } from "../data/load";
import { live } from "../data/site";
import { group } from "../format/money";
import { duration } from "../format/time";
import { href } from "../router";
import { NeedsQueen } from "./needs-queen";

const COLUMNS: readonly Column<Worker>[] = [
    { name: "Bee", show: (bee) => <a href={href("bee", bee.worker)}>{bee.name}</a> },
    { name: "State", show: (bee) => <Badge state={bee.approval === "waiting" ? "waiting" : bee.status} />, share: 1.2 },
    { name: "Device", show: (bee) => bee.device.name, wide: true, share: 1.6 },
    { name: "Key", show: (bee) => <Hex value={bee.worker} kind="bee" />, wide: true, share: 1.2 },
    { name: "Jobs", show: (bee) => group(bee.jobs_completed), number: true, share: 0.6 },
    { name: "Ready", show: (bee) => duration(bee.ready_seconds), number: true, wide: true },
    {
        name: "Heard",
        show: (bee) => (bee.last_heartbeat === "0" ? <span class="unknown">never</span> : <Age at={bee.last_heartbeat} />),
        number: true,
    },
];

export function Bees() {
    const beat = useBeat((event) => /^(worker\.|job\.(claimed|completed|failed))/.test(event.kind));
    const load = useLoad(live.value ? "workers" : null, queen.workers, beat);
    if (!live.value) return <NeedsQueen title="Bees">What each bee earned is in the epochs.</NeedsQueen>;
    return (
        <>
            <PageHead title="Bees">
                <p class="lede">
                    Each bee is a device that works for the queen. It earns for jobs, and for the seconds in which it stood ready.
                </p>
            </PageHead>
            <Card>
                <Loaded load={load} lines={6}>
                    {(bees) =>
                        bees.length === 0 ? (
                            <Empty title="No bee has registered">Start one with swarmd bee, then approve it with swarm bee approve.</Empty>
                        ) : (
                            <LongTable label="Bees" columns={COLUMNS} count={bees.length} row={(at) => bees[at]} />
                        )
                    }
                </Loaded>
            </Card>
        </>
    );
}
