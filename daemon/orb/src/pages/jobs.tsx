import { queen } from "../api/queen";
import type { Job } from "../api/types";
import { Card, PageHead, Tabs } from "../components/layout";
import { Paged } from "../components/paged";
import { useBeat } from "../data/live";
import { live } from "../data/site";
import { href, route } from "../router";
import { JOB_COLUMNS } from "./overview";
import { NeedsQueen } from "./needs-queen";

const STATES = ["all", "pending", "processing", "completed", "dead", "cancelled", "expired"] as const;

export function Jobs() {
    const asked = route.value.query.get("state");
    const state = STATES.find((word) => word === asked) ?? "all";
    const beat = useBeat((event) => /^job\.(?!progress)/.test(event.kind));
    if (!live.value) return <NeedsQueen title="Jobs">Settled jobs are in their epochs, as receipts.</NeedsQueen>;
    return (
        <>
            <PageHead title="Jobs" />
            <Tabs
                label="Jobs by state"
                items={STATES.map((word) => ({
                    id: word,
                    text: word,
                    link: word === "all" ? href("jobs") : `${href("jobs")}?state=${word}`,
                }))}
                current={state}
            />
            <Card>
                <Paged<Job>
                    label="Jobs, newest first"
                    columns={JOB_COLUMNS}
                    id={(job) => job.job_id}
                    about={state}
                    beat={beat}
                    load={(signal, after) => queen.jobs(signal, { status: state === "all" ? undefined : state, after })}
                    empty={state === "all" ? "No job yet" : `No job is ${state}`}
                />
            </Card>
        </>
    );
}
