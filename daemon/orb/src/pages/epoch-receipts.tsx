import { useCallback, useEffect, useState } from "preact/hooks";
import type { IndexEpoch, JobEntry } from "../api/types";
import { Hex } from "../components/hex";
import { Card } from "../components/layout";
import { Money } from "../components/money";
import { Empty, Notice } from "../components/states";
import { LongTable, type Column } from "../components/table";
import { PAGE_RECEIPTS, receiptsPage } from "../data/bundle";
import { jobName } from "../format/ids";
import { group } from "../format/money";
import { duration } from "../format/time";
import { href } from "../router";

const COLUMNS: readonly Column<JobEntry>[] = [
    { name: "Leaf", show: (_, at) => <span class="faint">{group(at)}</span>, share: 0.5 },
    { name: "Job", show: ({ receipt }) => <JobLink job={jobName(receipt.jobEpoch, receipt.jobSeq)} />, share: 1.1 },
    { name: "Client", show: ({ receipt }) => <Hex value={receipt.client} kind="client" />, wide: true, share: 1.3 },
    { name: "Worker", show: ({ receipt }) => <Hex value={receipt.worker} kind="bee" />, wide: true, share: 1.3 },
    {
        name: "Took",
        show: ({ receipt }) => duration(Number(receipt.completedAt) - Number(receipt.startedAt)),
        number: true,
        wide: true,
        share: 0.6,
    },
    { name: "Fee", show: ({ receipt }) => <Money amount={receipt.fee} exact unit={false} />, number: true },
];

function JobLink({ job }: { job: string }) {
    return (
        <a href={href("receipt", job)} title={`Receipt of ${job}`}>
            {job}
        </a>
    );
}

/** The leaves of the tree, in their order. */
export function EpochReceipts({ epoch }: { epoch: IndexEpoch }) {
    const [pages, setPages] = useState<ReadonlyMap<number, readonly JobEntry[]>>(new Map());
    const [failure, setFailure] = useState<string | null>(null);
    const fetchPage = useCallback(
        (number: number): void => {
            receiptsPage(epoch.epoch, number).then(
                (entries) => setPages((before) => (before.has(number) ? before : new Map(before).set(number, entries))),
                (error: unknown) => setFailure(error instanceof Error ? error.message : String(error)),
            );
        },
        [epoch.epoch],
    );
    useEffect(() => {
        if (epoch.receipts !== "0") fetchPage(0);
    }, [fetchPage]);
    if (epoch.receipts === "0") return <Empty title="No receipts">No job was completed in this epoch.</Empty>;
    return (
        <Card
            title={`${group(epoch.receipts)} ${epoch.receipts === "1" ? "receipt" : "receipts"}`}
            note="In the order of the leaves: by client, then job."
        >
            {failure !== null && (
                <Notice tone="bad" title="The bundle's receipts are not here">
                    {failure}
                </Notice>
            )}
            <LongTable
                label="Receipts"
                columns={COLUMNS}
                count={Number(epoch.receipts)}
                row={(at) => pages.get(Math.floor(at / PAGE_RECEIPTS))?.[at % PAGE_RECEIPTS]}
                onSeen={(first, end) => {
                    for (let page = Math.floor(first / PAGE_RECEIPTS); page * PAGE_RECEIPTS < end; page += 1)
                        if (!pages.has(page)) fetchPage(page);
                }}
            />
        </Card>
    );
}
