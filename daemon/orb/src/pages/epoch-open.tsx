import { queen } from "../api/queen";
import type { Epoch, Job } from "../api/types";
import { Badge } from "../components/badge";
import { Hex } from "../components/hex";
import { Card, Fact, Facts, PageHead } from "../components/layout";
import { Money } from "../components/money";
import { Paged } from "../components/paged";
import { Notice } from "../components/states";
import { Moment } from "../components/time";
import { epochNumber } from "../format/ids";
import { group } from "../format/money";
import { JOB_COLUMNS } from "./overview";

const WHERE: Readonly<Record<string, string>> = {
    active: "It is open: jobs that complete now belong to it. Nothing of it is on the chain yet, so nothing of it can be verified yet.",
    sealing: "It is closed; its tree and its bundle are being built.",
    sealed: "The settlers signed it; it waits to be sent to the chain.",
    submitted: "It is on its way into a block.",
};

/** An epoch that is not on the chain yet. */
export function OpenEpoch({ epoch }: { epoch: Epoch }) {
    return (
        <>
            <PageHead kicker={epoch.epoch_id} title={`Epoch ${epochNumber(epoch.epoch_id)}`}>
                <Badge state={epoch.status} />
                <span>
                    {group(epoch.jobs_count)} {epoch.jobs_count === "1" ? "job" : "jobs"}
                </span>
                <Money amount={epoch.total_revenue} />
            </PageHead>
            <Notice
                tone={epoch.status === "active" ? "busy" : "wait"}
                title={epoch.status === "active" ? "Still open" : "On its way to the chain"}
            >
                {WHERE[epoch.status]} {epoch.note}
            </Notice>
            <Card title="What the queen says">
                <Facts>
                    <Fact name="Opened">
                        <Moment at={epoch.started_at} />
                    </Fact>
                    {epoch.sealed_at && (
                        <Fact name="Sealed">
                            <Moment at={epoch.sealed_at} />
                        </Fact>
                    )}
                    {epoch.receipts_root && (
                        <Fact name="Root">
                            <Hex value={epoch.receipts_root} whole />
                        </Fact>
                    )}
                    {epoch.transaction && (
                        <Fact name="Transaction">
                            <Hex value={epoch.transaction} kind="tx" whole />
                        </Fact>
                    )}
                </Facts>
            </Card>
            <Card title="Its jobs so far">
                <Paged<Job>
                    label="Jobs of the epoch"
                    columns={JOB_COLUMNS}
                    id={(job) => job.job_id}
                    about={epoch.epoch_id}
                    load={(signal, after) => queen.epochJobs(signal, epoch.epoch_id, after)}
                    empty="No job has completed in it yet"
                />
            </Card>
        </>
    );
}
