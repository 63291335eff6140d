import { useEffect, useState } from "preact/hooks";
import type { IndexContract, PendingChange } from "../api/types";
import { explorerLink, Hex } from "../components/hex";
import { Card, Fact, Facts, PageHead, Stat } from "../components/layout";
import { Money } from "../components/money";
import { Empty, Notice } from "../components/states";
import { Countdown, Moment } from "../components/time";
import { index, rpc } from "../data/site";
import { compare, type Compared } from "../data/contract-read";
import { soundness } from "../data/soundness";
import { group } from "../format/money";
import { duration } from "../format/time";
import { href } from "../router";

export function Contract() {
    const site = index.value;
    if (!site) return null;
    const { contract } = site;
    const sound = soundness(contract);
    const block = explorerLink("block", site.block.number);
    return (
        <>
            <PageHead kicker={`chain ${site.chain_id}`} title="The escrow">
                <Hex value={site.escrow} kind="account" whole named={false} />
            </PageHead>
            {contract.stopped && (
                <Notice tone="bad" title="Settlement is stopped" alert>
                    An epoch was voided. The guardian has to resume; withdrawals, claims and proofs go on.
                </Notice>
            )}
            {contract.paused_until && (
                <Notice tone="wait" title="Deposits and settlement are paused">
                    The pause lapses by itself in <Countdown to={contract.paused_until} />.
                </Notice>
            )}
            <div class="stats">
                <Stat name="It holds" under="USDC, by the token's own books">
                    <Money amount={contract.token_balance} unit={false} />
                </Stat>
                <Stat name="It owes" under="to all clients and payees">
                    <Money amount={contract.liabilities} unit={false} />
                </Stat>
                <Stat
                    name={sound.solvent ? "To spare" : "It lacks"}
                    under={sound.solvent ? "sent to it by mistake, or rounding" : "this must never be"}
                >
                    <Money amount={sound.solvent ? sound.spare : sound.missing} unit={false} />
                </Stat>
                <Stat name="Epochs settled" link={href("epochs")}>
                    {group(contract.last_epoch)}
                </Stat>
            </div>
            <ChainSays contract={contract} escrow={site.escrow} />
            <div class="columns">
                <Card
                    title="Who may do what"
                    note="Nothing here can move a client's money except a signed seal, within the client's own cap."
                >
                    <Facts>
                        <Fact name="Owner" hint="Schedules new roles; they count after the role delay. Nothing else.">
                            <Hex value={contract.owner} kind="account" />
                        </Fact>
                        <Fact name="Guardian" hint="Voids an epoch within its window, pauses for a while, resumes. Moves no money.">
                            <Hex value={contract.guardian} kind="account" />
                        </Fact>
                        <Fact name={`Settlers, ${contract.threshold} of ${contract.settlers.length}`} hint="Sign seals.">
                            {contract.settlers.map((settler) => (
                                <div key={settler}>
                                    <Hex value={settler} kind="account" />
                                </div>
                            ))}
                        </Fact>
                        <Fact name="USDC">
                            <Hex value={site.token} kind="account" />
                        </Fact>
                    </Facts>
                    <h3>Changes on their way</h3>
                    {contract.pending.length === 0 ? (
                        <Empty title="None">Who holds which role stays as it is.</Empty>
                    ) : (
                        contract.pending.map((change) => <Pending key={change.role} change={change} />)
                    )}
                </Card>
                <Card title="Its limits" note="Fixed at deployment: nobody can change them.">
                    <Facts>
                        <Fact name="Challenge window" hint="So long anyone may prove a fault before an epoch is final.">
                            {duration(contract.window)}
                        </Fact>
                        <Fact name="Exit delay" hint="From asking for a withdrawal to taking it. Longer than the window.">
                            {duration(contract.exit_delay)}
                        </Fact>
                        <Fact
                            name="Role delay"
                            hint="From scheduling a new role to applying it. Longer than the exit: clients can leave before it counts."
                        >
                            {duration(contract.role_delay)}
                        </Fact>
                        <Fact name="Settlement timeout" hint="If no epoch becomes final for so long, clients leave at once.">
                            {duration(contract.settlement_timeout)}
                        </Fact>
                        <Fact name="Clients may leave at once from">
                            <Moment at={contract.escape_at} />
                        </Fact>
                        <Fact name="Longest pause">{duration(contract.max_pause)}</Fact>
                        <Fact name="A seal lives">{duration(contract.max_seal_age)}</Fact>
                        <Fact name="Entries of an epoch" hint="Charges and credits together.">
                            {group(contract.max_entries)}
                        </Fact>
                        <Fact name="Cap per epoch" hint="Of a client who set none: the most that one epoch may charge.">
                            <Money amount={contract.default_cap} />
                        </Fact>
                    </Facts>
                </Card>
            </div>
            <p class="note">
                As of block{" "}
                {block ? (
                    <a href={block} target="_blank" rel="noopener noreferrer">
                        {group(site.block.number)} ↗
                    </a>
                ) : (
                    group(site.block.number)
                )}
                , <Moment at={site.block.time} age={false} /> UTC.
            </p>
        </>
    );
}

function Pending({ change }: { change: PendingChange }) {
    return (
        <Notice tone="wait" title={`New ${change.role}`}>
            {change.account && <Hex value={change.account} kind="account" />}
            {change.settlers?.map((settler) => (
                <Hex key={settler} value={settler} kind="account" />
            ))}
            {change.threshold && <span> {change.threshold} must sign.</span>}
            <p>
                May be applied from <Moment at={change.applies_at} />, and no more after <Moment at={change.lapses_at} />.
            </p>
        </Notice>
    );
}

/** Reads the roles from a node by itself: the index may be old, or lie. */
function ChainSays({ contract, escrow }: { contract: IndexContract; escrow: string }) {
    const [compared, setCompared] = useState<Compared | null>(null);
    const node = rpc.value;
    useEffect(() => {
        setCompared(null);
        if (node === null) return undefined;
        const stop = new AbortController();
        void compare(node, escrow, contract, stop.signal).then((found) => {
            if (!stop.signal.aborted) setCompared(found);
        });
        return () => stop.abort();
    }, [node, escrow, contract]);
    if (node === null) {
        return (
            <Notice tone="plain" title="From the index, not checked here">
                <a href={href("settings")}>Name a node</a> of the chain, and this page asks the contract itself.
            </Notice>
        );
    }
    if (compared === null) return <p class="note">Asking the contract through {node}…</p>;
    if (compared.failure !== null) {
        return (
            <Notice tone="wait" title="The node did not answer" alert>
                {compared.failure} What is shown is from the index. <a href={href("settings")}>Choose another node</a>.
            </Notice>
        );
    }
    return compared.differences.length === 0 ? (
        <Notice tone="good" title="The contract itself says the same">
            Owner, guardian, settlers and threshold, read through {node}.
        </Notice>
    ) : (
        <Notice tone="bad" title="The contract says something else" alert>
            {compared.differences.join("; ")}. Believe the contract.
        </Notice>
    );
}
