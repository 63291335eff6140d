import type { IndexEpoch } from "../api/types";
import { explorerLink, Hex } from "../components/hex";
import { Card, Fact, Facts } from "../components/layout";
import { Money } from "../components/money";
import { Empty } from "../components/states";
import { Countdown, Moment } from "../components/time";
import { index } from "../data/site";
import { group } from "../format/money";
import { href } from "../router";

/** What was signed, who signed it, and where it stands on the chain. */
export function EpochSeal({ epoch }: { epoch: IndexEpoch }) {
    const block = explorerLink("block", epoch.block);
    return (
        <>
            <Stages epoch={epoch} />
            <div class="columns">
                <Card
                    title="The seal"
                    note="What the settlers signed (EIP-712). The contract keeps its hash; every field below is fixed by it."
                >
                    <Facts>
                        <Fact name="Root of the receipts" hint="The top of the tree: one hash that stands for every receipt of the epoch.">
                            <Hex value={epoch.receipts_root} whole />
                        </Fact>
                        <Fact name="Receipts">{group(epoch.receipts)}</Fact>
                        <Fact name="Charged = paid out">
                            <Money amount={epoch.charged} exact />
                        </Fact>
                        <Fact name="Charges" hint={`Hash of what ${epoch.clients} ${epoch.clients === 1 ? "client pays" : "clients pay"}.`}>
                            <Hex value={epoch.charges} whole />
                        </Fact>
                        <Fact name="Payouts" hint={`Hash of what ${epoch.payees} ${epoch.payees === 1 ? "payee gets" : "payees get"}.`}>
                            <Hex value={epoch.payouts} whole />
                        </Fact>
                        <Fact name="Bundle" hint="SHA-256 of SUMMARY.json, which names every other file of the bundle.">
                            <Hex value={epoch.bundle} whole />
                        </Fact>
                        <Fact name="Sealed">
                            <Moment at={epoch.sealed_at} />
                        </Fact>
                        <Fact name="Seal hash">
                            <Hex value={epoch.seal_hash} whole />
                        </Fact>
                        <Fact name="Seal before" hint="Seals are chained: none can be left out or put in later.">
                            <Hex value={epoch.previous} whole />
                        </Fact>
                    </Facts>
                </Card>
                <div>
                    <Signers epoch={epoch} />
                    <Card title="On the chain">
                        <Facts>
                            <Fact name="Transaction">
                                <Hex value={epoch.transaction} kind="tx" />
                            </Fact>
                            <Fact name="Block">
                                {block ? (
                                    <a href={block} target="_blank" rel="noopener noreferrer">
                                        {group(epoch.block)} ↗
                                    </a>
                                ) : (
                                    group(epoch.block)
                                )}
                            </Fact>
                            <Fact name="Settled">
                                <Moment at={epoch.settled_at} />
                            </Fact>
                            <Fact name="Escrow">
                                <Hex value={index.value?.escrow ?? ""} kind="contract" />
                            </Fact>
                            {epoch.void && (
                                <Fact name="Voided by">
                                    <Hex value={epoch.void.transaction} kind="tx" />
                                </Fact>
                            )}
                        </Facts>
                        <p class="note">
                            All of this was read from the chain. <a href={`${href("epoch", epoch.epoch)}?tab=verify`}>Recompute it here</a>.
                        </p>
                    </Card>
                </div>
            </div>
        </>
    );
}

function Signers({ epoch }: { epoch: IndexEpoch }) {
    const contract = index.value?.contract;
    const signers = epoch.summary?.signers;
    return (
        <Card
            title="Who signed"
            note={
                contract
                    ? `The contract takes a seal that ${contract.threshold} of its ${contract.settlers.length} settlers signed.`
                    : undefined
            }
        >
            {signers ? (
                <ul class="signers">
                    {signers.map((signer) => (
                        <li key={signer}>
                            <Hex value={signer} kind="account" />
                            <span class="faint">{contract?.settlers.includes(signer) ? "settler" : "settler then, not any more"}</span>
                        </li>
                    ))}
                </ul>
            ) : (
                <Empty title="Signatures are in the bundle">
                    The bundle is not here. That enough settlers signed, the contract has checked itself.
                </Empty>
            )}
        </Card>
    );
}

/** Sealed → settled → window → final, with the time between. */
function Stages({ epoch }: { epoch: IndexEpoch }) {
    const over = epoch.status === "void";
    const final = epoch.status === "finalized";
    return (
        <ol class="stages" aria-label="How far the epoch is">
            <li class="stage stage-done">
                <strong>Sealed</strong>
                <Moment at={epoch.sealed_at} age={false} />
            </li>
            <li class="stage stage-done">
                <strong>Settled on chain</strong>
                <Moment at={epoch.settled_at} age={false} />
            </li>
            {over ? (
                <li class="stage stage-void">
                    <strong>Void</strong>
                    <Moment at={epoch.void?.at ?? epoch.settled_at} age={false} />
                </li>
            ) : (
                <>
                    <li class={final ? "stage stage-done" : "stage stage-now"}>
                        <strong>Challenge window</strong>
                        {final ? (
                            <span>passed, nobody proved a fault</span>
                        ) : (
                            <span>
                                anyone may prove a fault for <Countdown to={epoch.final_at} />
                            </span>
                        )}
                    </li>
                    <li class={final ? "stage stage-done" : "stage"}>
                        <strong>Final</strong>
                        <Moment at={epoch.final_at} age={false} />
                    </li>
                </>
            )}
        </ol>
    );
}
