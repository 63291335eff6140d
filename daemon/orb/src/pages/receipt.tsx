import { useMemo, useState } from "preact/hooks";
import { Badge } from "../components/badge";
import { Hex } from "../components/hex";
import { Card, Fact, Facts, PageHead } from "../components/layout";
import { Money } from "../components/money";
import { PathTree } from "../components/path-tree";
import { Empty, Loaded, Notice } from "../components/states";
import { Steps, useRun, Verdict } from "../components/steps";
import { Moment } from "../components/time";
import { download } from "../data/download";
import { useLoad } from "../data/load";
import { findReceipt, type Found } from "../data/receipts";
import { index, rpc, settledEpoch } from "../data/site";
import { energy } from "../format/energy";
import { parseJob } from "../format/ids";
import { group, usdc } from "../format/money";
import { duration } from "../format/time";
import { href, route } from "../router";
import { pathNodes, readProof, readTabReceipt, receiptSteps, verifyReceipt, type ReceiptProof } from "../verify";
import { ReadTab } from "../components/read-tab";
import { NotFound } from "./not-found";

export function ReceiptPage({ id }: { id: string }) {
    const job = parseJob(id);
    const epoch = route.value.query.get("epoch") ?? null;
    const load = useLoad(job ? `${id} ${epoch}` : null, (signal) => findReceipt(signal, id, epoch));
    if (!job) return <NotFound />;
    return (
        <Loaded load={load} lines={10} missing="There is no receipt" title={id}>
            {(found) => (found ? <Shown id={id} found={found} /> : <None id={id} />)}
        </Loaded>
    );
}

function None({ id }: { id: string }) {
    return (
        <>
            <PageHead kicker={<a href={href("job", id)}>{id}</a>} title="No receipt" />
            <Empty title="No settled epoch has a receipt of this job">
                A job has one when it completed and its epoch was sealed. Failed, cancelled and expired jobs never have one: nothing is
                charged for them.
            </Empty>
        </>
    );
}

function Shown({ id, found }: { id: string; found: Found }) {
    const proof = useMemo(() => read(found.document), [found]);
    const plan = useMemo(() => receiptSteps(), []);
    const [round, setRound] = useState(1);
    const site = index.value;
    const run = useRun(`${id} ${rpc.value} ${round}`, plan, (signal) =>
        verifyReceipt(found.document, { rpc: rpc.value, signal, ...(site ? { escrow: site.escrow, chainId: site.chain_id } : {}) }),
    );
    if (proof === null) {
        return (
            <>
                <PageHead kicker={<a href={href("job", id)}>{id}</a>} title="Receipt" />
                <Verdict run={run} what="This receipt" />
                <Card title="Step by step">
                    <Steps run={run} />
                </Card>
            </>
        );
    }
    const settled = site ? settledEpoch(site, String(proof.epoch)) : undefined;
    // Only what the contract said is drawn as the chain's: a step that could not be checked says nothing.
    const chainRoot = run.steps.find((step) => step.id === "chain-root")?.state;
    const rootOnChain = chainRoot === "pass" ? proof.root : chainRoot === "fail" ? (settled?.receipts_root ?? null) : null;
    return (
        <>
            <PageHead kicker={<a href={href("job", id)}>{id}</a>} title="Receipt">
                <span>
                    leaf {group(proof.index)} of {group(proof.size)} in <a href={href("epoch", proof.epoch)}>epoch {String(proof.epoch)}</a>
                </span>
                {settled && <Badge state={settled.status} />}
                <Money amount={proof.receipt.fee} />
            </PageHead>
            <div aria-live="polite">
                {settled?.status === "void" && (
                    <Notice tone="bad" title="Its epoch is void">
                        The receipt stands in a tree that was undone. Nobody paid for it there; the job settles again in a later epoch.
                    </Notice>
                )}
                <Verdict run={run} what="This receipt" />
            </div>
            <div class="columns columns-even">
                <div>
                    <Card
                        title="The path, drawn"
                        note="Each node is the SHA-256 of its two children. With the neighbours' hashes on the side, the leaf alone gives the root; change one byte of the receipt and it gives another."
                    >
                        <PathTree nodes={pathNodes(proof)} onChain={rootOnChain} />
                    </Card>
                    <Leaf proof={proof} />
                    <Signed proof={proof} />
                </div>
                <Card
                    title="Step by step"
                    actions={
                        <>
                            <button
                                type="button"
                                onClick={() => download("receipt.json", "application/json", JSON.stringify(found.document))}
                            >
                                Save receipt.json
                            </button>
                            <button type="button" onClick={() => setRound((count) => count + 1)}>
                                Check again
                            </button>
                        </>
                    }
                >
                    <Steps run={run} />
                </Card>
            </div>
            <Card
                title="Ask the contract yourself"
                note="In a block explorer's Read tab, without this page: the contract answers whether the receipt is in the epoch, and where the epoch stands."
            >
                <ReadTab call={readTabReceipt(proof)} />
            </Card>
        </>
    );
}

// A damaged document is told step by step by the verifier; there is only nothing to draw.
function read(document: unknown): ReceiptProof | null {
    try {
        return readProof(document);
    } catch {
        return null;
    }
}

function Leaf({ proof }: { proof: ReceiptProof }) {
    const { receipt, order } = proof;
    const joules = energy(receipt.energyMillijoules);
    return (
        <Card title="The leaf, field by field" note="480 bytes: these fifteen fields, 32 bytes each.">
            <Facts>
                <Fact name="Job" hint="The epoch in which it was submitted, and its number there.">
                    {String(receipt.jobEpoch)}, {String(receipt.jobSeq)}
                </Fact>
                <Fact name="Client" hint="Who pays.">
                    <Hex value={receipt.client} kind="client" />
                </Fact>
                <Fact name="Worker" hint="The bee's key, which signed the execution.">
                    <Hex value={receipt.worker} kind="bee" />
                </Fact>
                <Fact name="Fee" hint={`At most ${usdc(order.order.maxFee)}, which the order allows.`}>
                    <Money amount={receipt.fee} exact />
                </Fact>
                <Fact
                    name="Client's total"
                    hint="Running total of this client's fees in this epoch, this one included: two neighbours prove it."
                >
                    <Money amount={receipt.clientTotal} exact />
                </Fact>
                <Fact name="Started">
                    <Moment at={String(receipt.startedAt)} age={false} />
                </Fact>
                <Fact name="Completed" hint={`It took ${duration(Number(receipt.completedAt - receipt.startedAt))}.`}>
                    <Moment at={String(receipt.completedAt)} age={false} />
                </Fact>
                <Fact name="Energy" hint="Of the device during the job. What no meter read is unknown, never 0.">
                    {joules ?? <span class="unknown">unknown</span>}
                </Fact>
                <Fact name="Order" hint="SHA-256 of the client's order with its signature.">
                    <Hex value={receipt.order} />
                </Fact>
                <Fact name="Model" hint="Digest of the model package that ran.">
                    <Hex value={receipt.model} />
                </Fact>
                <Fact name="Input" hint="Salted digest: it commits to the study without showing which.">
                    <Hex value={receipt.input} />
                </Fact>
                <Fact name="Result" hint="Salted digest of the result's files.">
                    <Hex value={receipt.result} />
                </Fact>
                <Fact name="Execution" hint="What the worker signed; binds chain and escrow.">
                    <Hex value={receipt.execution} />
                </Fact>
                <Fact name="Power" hint="Digest of the power record.">
                    <Hex value={receipt.power} />
                </Fact>
            </Facts>
        </Card>
    );
}

function Signed({ proof }: { proof: ReceiptProof }) {
    const { order, execution } = proof;
    return (
        <Card title="What was signed" note="The client's order and the worker's statement, as they were signed (EIP-712).">
            <Facts>
                <Fact name="Order: highest fee">
                    <Money amount={order.order.maxFee} exact />
                </Fact>
                <Fact name="Order: nonce" hint="Used once by this client.">
                    {String(order.order.nonce)}
                </Fact>
                <Fact name="Order: deadline">
                    <Moment at={String(order.order.deadline)} age={false} />
                </Fact>
                <Fact name="Client's signature">
                    <Hex value={order.signature} whole />
                </Fact>
                <Fact name="Engine" hint="SHA-256 of the engine's description: backend, version, precision, device.">
                    <Hex value={execution.engine} />
                </Fact>
                <Fact name="Device" hint="SHA-256 of the GPU's UUID, or of the CPU's name.">
                    <Hex value={execution.device} />
                </Fact>
                <Fact name="Worker's signature">
                    <Hex value={proof.executionSignature} whole />
                </Fact>
                <Fact name="Escrow">
                    <Hex value={proof.escrow} kind="contract" />
                </Fact>
                <Fact name="Chain">{String(proof.chainId)}</Fact>
            </Facts>
            <p class="note">Both signatures are commitments. That a GPU really ran is not shown by a signature; re-execution shows it.</p>
        </Card>
    );
}
