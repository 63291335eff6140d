import { useMemo, useState } from "preact/hooks";
import type { IndexEpoch } from "../api/types";
import { Card } from "../components/layout";
import { ProgressBar, Steps, useRun, Verdict } from "../components/steps";
import { bundleFolder } from "../data/bundle";
import { index, rpc } from "../data/site";
import { group } from "../format/money";
import { href } from "../router";
import { epochSteps, verifyEpochInWorker } from "../verify";

/** Recomputes the whole epoch in this browser. */
export function EpochVerify({ epoch }: { epoch: IndexEpoch }) {
    const [round, setRound] = useState(0);
    const plan = useMemo(() => epochSteps(), []);
    const key = round === 0 ? null : `${epoch.epoch} ${rpc.value} ${round}`;
    const run = useRun(key, plan, (signal) =>
        verifyEpochInWorker(new URL(bundleFolder(epoch.epoch), document.baseURI).href, {
            rpc: rpc.value,
            signal,
            ...(index.value ? { escrow: index.value.escrow, chainId: index.value.chain_id } : {}),
        }),
    );
    const running = round > 0 && !run.done;
    return (
        <Card
            title="Recompute everything"
            note={
                <>
                    This browser fetches the bundle, hashes all {group(epoch.receipts)} leaves, checks every signature, divides the money by
                    the rule and compares it all with what the contract stores
                    {rpc.value ? ` (through ${rpc.value})` : ""}. It believes neither the queen nor this site's index.{" "}
                    <a href={href("settings")}>Choose the node</a> or <a href={href("verify")}>do it without this page</a>.
                </>
            }
            actions={
                <button type="button" class="primary" disabled={running} onClick={() => setRound((count) => count + 1)}>
                    {round === 0 ? "Verify this epoch" : running ? "Verifying…" : "Verify again"}
                </button>
            }
        >
            <div aria-live="polite">
                <ProgressBar run={run} />
                {round > 0 && <Verdict run={run} what="This epoch" />}
            </div>
            <Steps run={run} />
        </Card>
    );
}
