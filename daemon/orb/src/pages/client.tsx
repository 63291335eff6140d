import { queen } from "../api/queen";
import type { AccountFile, AccountLine, Balance, Job } from "../api/types";
import { Badge } from "../components/badge";
import { Hex } from "../components/hex";
import { Card, PageHead, Stat } from "../components/layout";
import { Money } from "../components/money";
import { Paged } from "../components/paged";
import { Empty, Loaded } from "../components/states";
import { LongTable, type Column } from "../components/table";
import { Moment } from "../components/time";
import { accountFile } from "../data/bundle";
import { useBeat } from "../data/live";
import { download } from "../data/download";
import { useLoad } from "../data/load";
import { nameOf } from "../data/names";
import { index, live } from "../data/site";
import { statement, statementCsv, type StatementLine } from "../data/statement";
import { isAddress, short } from "../format/hex";
import { epochNumber } from "../format/ids";
import { utc } from "../format/time";
import { href } from "../router";
import { NotFound } from "./not-found";
import { JOB_COLUMNS } from "./overview";

/** An address: its account in the escrow, as a statement. */
export function Client({ id }: { id: string }) {
    const address = id.toLowerCase();
    const valid = isAddress(address);
    const beat = useBeat((event) => event.client === address);
    const file = useLoad(valid ? address : null, (signal) => accountFile(signal, address), beat);
    const balance = useLoad(valid && live.value ? address : null, (signal) => queen.balance(signal, address), beat);
    if (!valid) return <NotFound />;
    const name = nameOf(address);
    return (
        <>
            <PageHead kicker="account" title={name ?? short(address, 6)}>
                <Hex value={address} kind="account" whole named={false} />
            </PageHead>
            {balance.state === "ready" && <Balances balance={balance.value} />}
            <Card
                title="Statement"
                note="What moved in the escrow, from the chain. Amounts are exact to a millionth of a USDC."
                actions={
                    file.state === "ready" && (
                        <>
                            <button
                                type="button"
                                onClick={() => download(`statement-${address}.csv`, "text/csv;charset=utf-8", statementCsv(file.value))}
                            >
                                CSV
                            </button>
                            <button type="button" onClick={() => print()}>
                                Print
                            </button>
                        </>
                    )
                }
            >
                <Loaded load={file} lines={6} missing="The escrow never saw this address">
                    {(account) => <Statement account={account} />}
                </Loaded>
            </Card>
            {live.value && (
                <Card title="Its jobs">
                    <Paged<Job>
                        label="Jobs of the client"
                        columns={JOB_COLUMNS}
                        id={(job) => job.job_id}
                        about={address}
                        beat={beat}
                        load={(signal, after) => queen.jobs(signal, { client: address, after })}
                        empty="It ordered no job"
                    />
                </Card>
            )}
        </>
    );
}

function Balances({ balance }: { balance: Balance }) {
    return (
        <div class="stats">
            <Stat name="May be spent" under="for new orders">
                <Money amount={balance.available} unit={false} />
            </Stat>
            <Stat name="In the escrow" under={BigInt(balance.unconfirmed) > 0n ? "more is on its way" : "less what is settled"}>
                <Money amount={balance.balance} unit={false} />
            </Stat>
            <Stat name="Reserved" under="for jobs on their way">
                <Money amount={balance.reserved} unit={false} />
            </Stat>
            <Stat name="Not settled yet" under="completed jobs">
                <Money amount={balance.unsettled} unit={false} />
            </Stat>
            <Stat name="Cap this epoch" under="used of the most it may spend">
                <Money amount={balance.cap_used} unit={false} />{" "}
                <small>
                    of <Money amount={balance.cap} unit={false} />
                </small>
            </Stat>
        </div>
    );
}

const KINDS: Readonly<Record<AccountLine["kind"], string>> = {
    deposited: "Deposit",
    withdrawal_requested: "Withdrawal asked for",
    withdrawn: "Withdrawal",
    cap_changed: "New cap per epoch",
    signer_added: "Order signer added",
    signer_removed: "Order signer removed",
    charged: "Charged",
    credited: "Credited",
    claimed: "Claimed",
};

const COLUMNS: readonly Column<StatementLine>[] = [
    { name: "When", show: ({ line }) => <Moment at={line.at} age={false} />, share: 1.5, wide: true },
    {
        name: "What",
        show: ({ line }) => (
            <>
                {KINDS[line.kind]}
                {line.epoch && (
                    <>
                        {" "}
                        in <a href={href("epoch", epochNumber(line.epoch))}>{line.epoch}</a>
                    </>
                )}{" "}
                {line.status && line.status !== "finalized" && <Badge state={line.status} />}
            </>
        ),
        share: 1.5,
    },
    { name: "Other side", show: ({ line }) => (line.other ? <Hex value={line.other} kind="account" /> : ""), wide: true, share: 1.2 },
    { name: "Transaction", show: ({ line }) => <Hex value={line.transaction} kind="tx" />, wide: true, share: 1.2 },
    {
        name: "Amount",
        show: ({ line, moves }) =>
            moves === null ? (
                line.amount ? (
                    <span class="faint">
                        <Money amount={line.amount} exact unit={false} />
                    </span>
                ) : (
                    ""
                )
            ) : (
                <Money amount={moves} exact unit={false} />
            ),
        number: true,
    },
    { name: "Balance", show: ({ balance }) => <Money amount={balance} exact unit={false} />, number: true },
];

function Statement({ account }: { account: AccountFile }) {
    const lines = statement(account.lines);
    if (lines.length === 0) return <Empty title="Nothing moved yet" />;
    return (
        <>
            <p class="print-only">
                Account {account.account}, escrow {index.value?.escrow} on chain {index.value?.chain_id}, as of block{" "}
                {index.value?.block.number} ({utc(index.value?.block.time ?? 0)} UTC)
            </p>
            <LongTable label="Statement" columns={COLUMNS} count={lines.length} row={(at) => lines[at]} />
        </>
    );
}
