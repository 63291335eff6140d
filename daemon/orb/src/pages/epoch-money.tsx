import type { Agent, Amount, IndexEpoch, Payout, Pools, Rates } from "../api/types";
import { Flow, PART_NAMES, percent } from "../components/flow";
import { Hex } from "../components/hex";
import { Card } from "../components/layout";
import { Money } from "../components/money";
import { Empty, Loaded, Notice } from "../components/states";
import { LongTable, type Column } from "../components/table";
import { bundle, chainFile } from "../data/bundle";
import { useLoad } from "../data/load";
import { duration } from "../format/time";
import { group, sum, usdc } from "../format/money";

/** Who paid, who is paid, and how each amount comes about. */
export function EpochMoney({ epoch }: { epoch: IndexEpoch }) {
    const chain = useLoad(epoch.epoch, (signal) => chainFile(signal, epoch.epoch));
    const payouts = useLoad(epoch.epoch, (signal) => bundle.payouts(signal, epoch.epoch));
    const agents = useLoad(epoch.epoch, (signal) => bundle.agents(signal, epoch.epoch));
    const summary = epoch.summary;
    if (epoch.charged === "0")
        return <Empty title="No money moved">An epoch without receipts is sealed too: it keeps the chain of seals whole.</Empty>;
    return (
        <>
            <Card title="Where every dollar goes" note="To scale, from what clients paid to who is credited.">
                {summary ? (
                    <Loaded load={payouts} lines={6} missing="payouts.json is not here">
                        {(lines) => <Flow revenue={epoch.charged} pools={summary.pools} payouts={lines} />}
                    </Loaded>
                ) : (
                    <Empty title="The bundle is not here">
                        What each amount consists of is in the bundle. The amounts themselves are on the chain, below.
                    </Empty>
                )}
            </Card>
            {summary && <Rule revenue={epoch.charged} pools={summary.pools} rates={summary.rates} />}
            <Loaded load={chain} lines={6} missing="What the chain emitted is not here">
                {({ charges, credits }) => (
                    <>
                        <Differences epoch={epoch} charges={charges} credits={credits} />
                        <div class="columns columns-even">
                            <Card title={`${group(charges.length)} ${charges.length === 1 ? "client" : "clients"} charged`}>
                                <LongTable label="Charges" columns={CHARGES} count={charges.length} row={(at) => charges[at]} />
                            </Card>
                            <Card title={`${group(credits.length)} ${credits.length === 1 ? "payee" : "payees"} credited`}>
                                <LongTable
                                    label="Credits"
                                    columns={creditColumns(payouts.state === "ready" ? payouts.value : [])}
                                    count={credits.length}
                                    row={(at) => credits[at]}
                                />
                            </Card>
                        </div>
                    </>
                )}
            </Loaded>
            <Card
                title="Workers"
                note="Work is shared by the fees of each worker's receipts, readiness by the seconds it was ready. What a division leaves over goes, one µUSDC each, to the largest remainders."
            >
                <Loaded load={agents} missing="agents.json is not here">
                    {(lines) => <LongTable label="Workers" columns={AGENTS} count={lines.length} row={(at) => lines[at]} />}
                </Loaded>
            </Card>
        </>
    );
}

const CHARGES: readonly Column<Amount>[] = [
    { name: "Client", show: ({ account }) => <Hex value={account} kind="client" />, share: 1.4 },
    { name: "Charged", show: ({ amount }) => <Money amount={amount} exact unit={false} />, number: true },
];

const AGENTS: readonly Column<Agent>[] = [
    { name: "Worker", show: ({ worker }) => <Hex value={worker} kind="bee" />, share: 1.3 },
    { name: "Paid to", show: ({ payee }) => <Hex value={payee} kind="account" />, wide: true, share: 1.3 },
    { name: "Jobs", show: ({ receipts }) => group(receipts), number: true, wide: true, share: 0.5 },
    { name: "Ready", show: ({ readySeconds }) => duration(readySeconds), number: true, wide: true },
    { name: "Work", show: ({ work }) => <Money amount={work} exact unit={false} />, number: true },
    { name: "Readiness", show: ({ readiness }) => <Money amount={readiness} exact unit={false} />, number: true },
];

function creditColumns(payouts: readonly Payout[]): readonly Column<Amount>[] {
    const byPayee = new Map(payouts.map((payout) => [payout.payee, payout]));
    const why = ({ account }: Amount): string => {
        const kinds = new Set(byPayee.get(account)?.parts.map(({ kind }) => PART_NAMES[kind]) ?? []);
        return [...kinds].join(", ");
    };
    return [
        { name: "Payee", show: ({ account }) => <Hex value={account} kind="account" />, share: 1.3 },
        { name: "For", show: why, wide: true, share: 1.2 },
        { name: "Credited", show: ({ amount }) => <Money amount={amount} exact unit={false} />, number: true },
    ];
}

/** The arithmetic, line by line, with the rounding. */
function Rule({ revenue, pools, rates }: { revenue: string; pools: Pools; rates: Rates }) {
    const g = BigInt(revenue);
    const pool = g - BigInt(pools.protocol) - BigInt(pools.operator);
    const lines = [
        { name: PART_NAMES.protocol, how: `⌊${group(g)} × ${rates.protocolBps} ÷ 10,000⌋`, amount: pools.protocol },
        { name: PART_NAMES.operator, how: `⌊${group(g)} × ${rates.operatorBps} ÷ 10,000⌋`, amount: pools.operator },
        { name: PART_NAMES.work, how: `⌊${group(pool)} × ${rates.workBps} ÷ 10,000⌋`, amount: pools.work },
        { name: PART_NAMES.readiness, how: "what is left", amount: pools.readiness },
    ];
    const total = sum(lines.map(({ amount }) => amount));
    return (
        <Card
            title="The rule"
            note="In µUSDC, each division rounded down. Fees come off the top; the rest is split into work and readiness, and what rounding leaves stays in the last line."
        >
            <div class="table-frame" tabIndex={0} role="region" aria-label="The rule">
                <table class="rule">
                    <tbody>
                        {lines.map(({ name, how, amount }) => (
                            <tr key={name}>
                                <th scope="row">{name}</th>
                                <td class="how">{how}</td>
                                <td class="num">{group(amount)}</td>
                                <td class="num faint">{percent(amount, g)}</td>
                                <td class="num">
                                    <Money amount={amount} exact />
                                </td>
                            </tr>
                        ))}
                    </tbody>
                    <tfoot>
                        <tr>
                            <th scope="row">Revenue</th>
                            <td class="how">
                                {total === g ? "the lines add up to it" : `the lines add up to ${group(total)}: this is wrong`}
                            </td>
                            <td class="num">{group(g)}</td>
                            <td class="num faint">100 %</td>
                            <td class="num">
                                <Money amount={g} exact />
                            </td>
                        </tr>
                    </tfoot>
                </table>
            </div>
        </Card>
    );
}

/** Says so when the chain's own figures do not agree with one another. */
function Differences({ epoch, charges, credits }: { epoch: IndexEpoch; charges: readonly Amount[]; credits: readonly Amount[] }) {
    const charged = sum(charges.map(({ amount }) => amount));
    const credited = sum(credits.map(({ amount }) => amount));
    if (charged === BigInt(epoch.charged) && credited === charged) return null;
    return (
        <Notice tone="bad" title="The sums differ" alert>
            Charges are ${usdc(charged)}, credits ${usdc(credited)}, the seal says ${usdc(epoch.charged)}.
        </Notice>
    );
}
