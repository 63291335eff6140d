import { useLoad } from "../data/load";
import { Hex } from "../components/hex";
import { Card, PageHead } from "../components/layout";
import { ReadTab } from "../components/read-tab";
import { Loaded, Notice } from "../components/states";
import { bundleFolder, receiptsPage } from "../data/bundle";
import { index } from "../data/site";
import { epochName, jobName } from "../format/ids";
import { href } from "../router";
import { bundleAt, readProof, readTabEpoch, readTabLeaf, readTabReceipt, receiptFromBundle } from "../verify";

/** The stranger's kit: three ways that need neither this page nor our code. */
export function Verify() {
    const site = index.value;
    const epoch = site?.epochs.findLast(
        ({ status, receipts, bundle_state }) => status !== "void" && receipts !== "0" && bundle_state !== "missing",
    );
    const escrow = site?.escrow ?? "0x…";
    const name = epoch ? epochName(epoch.epoch) : "epoch-001";
    return (
        <>
            <PageHead title="Verify it yourself">
                <p class="lede">
                    You need not believe the queen, the operator or this page. What you need to trust: the contract's address, from somebody
                    you trust, and a node or block explorer of the chain.
                </p>
            </PageHead>
            <Notice tone="plain" title="What is certain, and what is not">
                The chain holds one hash an epoch and every charge and payout. From the public bundle anyone recomputes them. It is certain
                who ordered, who was charged and that each worker signed what it did. It is not certain that a GPU really ran: a signature
                is a commitment, not evidence.
            </Notice>
            <Card title="1 · With a block explorer" note="No code at all: the contract checks a receipt by itself.">
                {epoch ? (
                    <Example epoch={epoch.epoch} />
                ) : (
                    <p>
                        When an epoch is settled, an example with everything to paste stands here. The contract is{" "}
                        {site ? <Hex value={escrow} kind="contract" whole /> : "named by index.json"}.
                    </p>
                )}
            </Card>
            <Card
                title="2 · With a script of 150 lines"
                note="Python's standard library only, none of our code, and short enough to be read first. RPC-URL is a node that you trust."
            >
                <ol>
                    <li>
                        Get <code>scripts/verify-receipt.py</code> and <code>scripts/verify-epoch.py</code> of the project, side by side,
                        and read them.
                    </li>
                    <li>
                        One receipt: save <code>receipt.json</code> from its page, then
                        <pre tabIndex={0}>
                            <code>python3 verify-receipt.py receipt.json RPC-URL {escrow}</code>
                        </pre>
                    </li>
                    <li>
                        A whole epoch, with every charge and payout: get the files that{" "}
                        <a href={epoch ? `${href("epoch", epoch.epoch)}?tab=bundle` : href("epochs")}>its bundle page</a> lists into{" "}
                        <code>{name}/</code>, then
                        <pre tabIndex={0}>
                            <code>python3 verify-epoch.py {name} RPC-URL</code>
                        </pre>
                    </li>
                </ol>
            </Card>
            <Card
                title="3 · With a Certificate Transparency library"
                note="The tree is RFC 9162's, the one that logs of web certificates use. Any of its libraries checks a path."
            >
                <ol>
                    <li>
                        <pre tabIndex={0}>
                            <code>npm install @transmute/rfc9162{"\n"}scripts/verify-ct receipt.json RPC-URL</code>
                        </pre>
                    </li>
                    <li>
                        By hand, with any other library: a leaf's input is the receipt's <code>abi.encode</code>: 480 bytes. The library
                        puts 0x00 before a leaf and 0x01 before a node, and hashes with SHA-256.
                    </li>
                    <li>
                        Take index, size and path from <a href={href("epochs")}>a receipt</a>, and check the inclusion proof against the
                        root.
                    </li>
                    <li>Read the root of the epoch from the contract, by the block explorer as above, and compare.</li>
                </ol>
            </Card>
        </>
    );
}

/** The first receipt of an epoch, ready to paste. */
function Example({ epoch }: { epoch: string }) {
    const load = useLoad(epoch, async (signal) => {
        const base = new URL(bundleFolder(epoch), document.baseURI).href;
        const [first] = await receiptsPage(epoch, 0);
        const document_ = await receiptFromBundle(bundleAt(base, { signal }), { index: 0n });
        return { job: first ? jobName(first.receipt.jobEpoch, first.receipt.jobSeq) : "", proof: readProof(document_) };
    });
    return (
        <Loaded load={load} lines={6} missing="The bundle is not here">
            {({ job, proof }) => (
                <>
                    <p>
                        For example <a href={href("receipt", job)}>the receipt of {job}</a>:
                    </p>
                    <ReadTab call={readTabReceipt(proof)} />
                    <h3>What the contract stores of the epoch</h3>
                    <ReadTab call={readTabEpoch(proof)} />
                    <h3>The leaf, as the contract makes it</h3>
                    <ReadTab call={readTabLeaf(proof)} />
                </>
            )}
        </Loaded>
    );
}
