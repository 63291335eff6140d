import { queen } from "../api/queen";
import type { Event, Job, Why } from "../api/types";
import { Badge } from "../components/badge";
import { condense } from "../components/feed";
import { Hex } from "../components/hex";
import { Card, Fact, Facts, PageHead } from "../components/layout";
import { Money } from "../components/money";
import { Empty, Loaded, Notice } from "../components/states";
import { Table, type Column } from "../components/table";
import { Moment } from "../components/time";
import { TimeLine } from "../components/time-line";
import { useBeat, useJobEvents } from "../data/live";
import { useLoad } from "../data/load";
import { live } from "../data/site";
import { energy } from "../format/energy";
import { epochNumber, parseJob } from "../format/ids";
import { relative } from "../format/time";
import { now } from "../data/clock";
import { href } from "../router";
import { NeedsQueen } from "./needs-queen";
import { NotFound } from "./not-found";
import { Picture } from "./picture";

/** States in which a job still moves. */
const OPEN = ["pending", "claimed", "processing", "failed"];

export function JobPage({ id }: { id: string }) {
    const beat = useBeat((event) => event.job === id || event.kind.startsWith("epoch."));
    const known = parseJob(id) !== null && live.value;
    const job = useLoad(known ? id : null, (signal) => queen.job(signal, id), beat);
    if (parseJob(id) === null) return <NotFound />;
    if (!live.value) {
        return (
            <NeedsQueen title={id}>
                Its <a href={href("receipt", id)}>receipt</a> is in the bundle of its epoch, if it was settled.
            </NeedsQueen>
        );
    }
    return (
        <Loaded load={job} lines={8} missing={`There is no ${id}`} title={id}>
            {(value) => <Shown job={value} beat={beat} />}
        </Loaded>
    );
}

function Shown({ job, beat }: { job: Job; beat: number }) {
    const why = useLoad(OPEN.includes(job.status) ? job.job_id : null, (signal) => queen.why(signal, job.job_id), beat);
    const events = useJobEvents(job.job_id);
    return (
        <>
            <PageHead kicker={job.job_type} title={job.job_id}>
                <Badge state={job.status} />
                <Money amount={job.fee} />
                {job.settled_in && (
                    <span>
                        settled in <a href={href("epoch", epochNumber(job.settled_in))}>{job.settled_in}</a>
                    </span>
                )}
            </PageHead>
            {job.error && job.status !== "completed" && (
                <Notice tone="bad" title="The last attempt failed">
                    {job.error}
                </Notice>
            )}
            <Card title="Its way">
                <TimeLine job={job} events={events} />
            </Card>
            {why.state === "ready" && <WhyCard why={why.value} />}
            <div class="columns">
                <Card title="The job">
                    <Facts>
                        <Fact name="Client">
                            <Hex value={job.client} kind="client" />
                        </Fact>
                        <Fact name="Fee" hint="Charged only when the job completes.">
                            <Money amount={job.fee} exact />
                        </Fact>
                        <Fact name="Model">
                            <Hex value={job.model} />
                        </Fact>
                        <Fact name="Bee">{job.worker ? <Hex value={job.worker} kind="bee" /> : <span class="unknown">none yet</span>}</Fact>
                        <Fact name="Attempts">{job.attempts}</Fact>
                        <Fact name="Deadline">
                            <Moment at={job.deadline} />
                        </Fact>
                        <Fact name="Engine" hint="What ran, in the worker's signed words.">
                            {job.engine ?? <span class="unknown">not known yet</span>}
                        </Fact>
                        <Fact name="Energy" hint="What no meter read is unknown, never 0.">
                            {energy(job.energy_millijoules) ?? <span class="unknown">unknown</span>}
                        </Fact>
                        {job.poe_hash && (
                            <Fact name="Proof-of-execution hash" hint="SHA-256 over job, result and worker: a commitment, not evidence.">
                                <Hex value={job.poe_hash} />
                            </Fact>
                        )}
                    </Facts>
                    {job.status === "completed" && (
                        <p>
                            <a class="button" href={href("receipt", job.job_id)}>
                                Receipt, verified step by step
                            </a>
                        </p>
                    )}
                </Card>
                <div>
                    {job.status === "completed" && <Picture job={job} />}
                    <Card title="What happened">
                        {events.length === 0 ? (
                            <Empty title="Nothing is recorded">Events of long ago are not kept; the receipt is.</Empty>
                        ) : (
                            <Events lines={events} />
                        )}
                    </Card>
                </div>
            </div>
        </>
    );
}

function Events({ lines }: { lines: readonly Event[] }) {
    return (
        <ol class="feed">
            {condense([...lines].reverse()).map((event) => (
                <li key={event.seq} class="feed-line">
                    <span class="feed-what">{event.kind}</span>
                    <span class="feed-kind">
                        {[event.data["stage"], event.data["reason"], event.data["error"]]
                            .filter((text) => typeof text === "string")
                            .join(" · ")}
                    </span>
                    <span class="feed-age">{relative(event.at, now.value)}</span>
                </li>
            ))}
        </ol>
    );
}

const BEE_COLUMNS: readonly Column<Why["bees"][number]>[] = [
    { name: "Bee", show: ({ worker, name }) => <a href={href("bee", worker)}>{name ?? worker}</a> },
    {
        name: "Could take it",
        show: ({ eligible }) => (eligible ? <span class="badge tone-good">yes</span> : <span class="badge tone-plain">no</span>),
    },
    { name: "Why", show: ({ reason }) => reason },
];

function WhyCard({ why }: { why: Why }) {
    return (
        <Card title="Why it is where it is" note={why.summary}>
            <Facts>
                <Fact name="Before it in the queue">{why.ahead}</Fact>
                {why.moves_on_at && (
                    <Fact name="Moves on by itself">
                        <Moment at={why.moves_on_at} />
                    </Fact>
                )}
            </Facts>
            <Table label="Why each bee has not taken it" columns={BEE_COLUMNS} rows={why.bees} id={({ worker }) => worker} />
        </Card>
    );
}
