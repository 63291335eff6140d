/** One receipt, step by step: from its bytes to the contract's own answer. */
import { hex } from "./bytes";
import { agreement, executionSigned, orderSigners } from "./agreement";
import { capital, connect, orderSignerOf, sealedBefore, time } from "./chain";
import { readProof } from "./documents";
import { Domain, encodeReceipt } from "./eip712";
import { said } from "./rpc";
import { recover } from "./signature";
import { planned, type Plan, Results } from "./steps";
import { climb, leafHash } from "./tree";
import type { Options, PlannedStep, ReceiptProof, Step } from "./types";

const PLAN = [
    ["form", "Every field has its form", "The document can be read, and nothing in it is out of its range.",
        "This is not a receipt's document as the protocol has it. Nothing else in it can be checked."],
    ["escrow", "It names the chain and the escrow that you trust", "Everything below is bound to this chain and this escrow.",
        "The document is about another chain or another contract. Whatever it proves, it proves nothing about this escrow."],
    ["order-commitment", "The receipt names the order beside it", "The receipt settles exactly this order with exactly this signature.",
        "The order shown is not the one that was settled: the order, its signature or the receipt was changed."],
    ["order-fields", "Client, model and input are those of the order", "The client, the model and the input are what the client ordered.",
        "The receipt charges another client, or for another model or input, than the order says. On chain this voids the epoch."],
    ["fee", "The fee is at most what the client allowed", "The client is charged no more than it signed for.",
        "The client is charged more than its order allows. On chain this voids the epoch."],
    ["deadline", "The job was completed before the order's deadline", "The work came in time.",
        "The order had lapsed when the job was completed. On chain this voids the epoch."],
    ["order-signature", "The client signed the order", "Only the client, or a signer that it registered in the escrow, could have made this order.",
        "Nobody who may order for this client signed this order. On chain this voids the epoch."],
    ["execution-digest", "The receipt names the execution beside it", "The receipt settles exactly this statement of the worker, on this chain and escrow.",
        "The execution shown is not the one that was settled, or it was made for another chain or escrow."],
    ["execution-fields", "Job, order, result, power, times and energy are those of the execution", "The receipt repeats what the worker stated.",
        "The receipt says something else than the worker stated."],
    ["times", "The times follow one another", "Submitted, started and completed in this order.",
        "The job was completed before it started, or submitted after the epoch that settles it."],
    ["execution-signature", "The worker signed the execution", "The worker stands by what it stated. That a GPU really ran is not shown by a signature.",
        "The worker that is to be paid did not sign this execution."],
    ["leaf", "The contract makes the same leaf of these bytes", "The contract and this page agree on the receipt's 480 bytes.",
        "This page and the contract hash the receipt differently: one of them is not what it claims to be."],
    ["path", "The path leads from the leaf to the root", "The receipt stands at this place of the epoch's tree, and at no other.",
        "This receipt is not in the tree at this place: a byte of the receipt, the path, the place or the root was changed."],
    ["chain-id", "The node is of the right chain", "The answers below are of the chain that the receipt names.",
        "The node serves another chain, so it cannot confirm anything about this receipt."],
    ["chain-domain", "The contract has the same signing domain", "Orders, executions and seals are bound to this very contract.",
        "The contract at this address is not the escrow that orders and executions were signed for."],
    ["chain-epoch", "The epoch was settled", "Enough settlers signed this epoch, and the contract took it.",
        "The contract knows no such epoch: this receipt was never settled."],
    ["chain-root", "The contract stores the same root and the same number of receipts", "The tree above is the one that was settled.",
        "The contract stores another root or count: the document is about a tree that was never settled."],
    ["chain-receipt", "The contract itself finds the receipt in the epoch", "The chain confirms the receipt, whatever this page computes.",
        "The contract does not find this receipt in the epoch."],
    ["chain-status", "The epoch counts", "The epoch is final: nobody can undo it.",
        "The epoch is void: its charges and credits were undone. Its jobs settle again in a later epoch."],
] as const satisfies Plan;
type Id = (typeof PLAN)[number][0];

/** The steps of a receipt, in the order in which they come. */
export function receiptSteps(): PlannedStep[] {
    return planned(PLAN);
}

/** Verifies the API's document of a receipt. Never throws for what the document or the node says. */
export async function* verifyReceipt(document: unknown, options: Options): AsyncGenerator<Step> {
    const results = new Results<Id>(PLAN);
    let proof: ReceiptProof;
    try {
        proof = readProof(document);
    } catch (error) {
        yield results.judge("form", false, said(error), "a receipt's document");
        yield* results.rest("The document could not be read.");
        return;
    }
    yield results.judge("form", true, `job ${proof.receipt.jobEpoch}-${proof.receipt.jobSeq} in epoch ${proof.epoch}`, "");
    yield escrowStep(results, proof, options);

    const domain = new Domain(proof.chainId, proof.escrow);
    const connecting = connect(options, proof.chainId, proof.escrow);
    const executionDigest = domain.executionDigest(proof.execution);
    const found = {
        ...agreement(proof, executionDigest, proof.epoch),
        "execution-signature": executionSigned(recover(executionDigest, proof.executionSignature), proof.receipt),
    };
    const tell = (id: keyof typeof found) => results.judge(id, found[id].holds, found[id].computed, found[id].expected);
    for (const id of ["order-commitment", "order-fields", "fee", "deadline"] as const) yield tell(id);
    const chain = await connecting;
    yield await orderSignature(results, proof, domain, chain, options);
    for (const id of ["execution-digest", "execution-fields", "times", "execution-signature"] as const) yield tell(id);

    const leaf = leafHash(encodeReceipt(proof.receipt));
    if ("why" in chain) {
        yield results.unknown("leaf", chain.why, hex(leaf));
        yield pathStep(results, proof, leaf);
        if (chain.chainId !== null) yield results.same("chain-id", `${chain.chainId}`, `${proof.chainId}`);
        yield* results.rest(chain.why);
        return;
    }
    const { escrow } = chain;
    const ask = async <T>(id: Id, question: () => Promise<T>, answer: (value: T) => Step): Promise<Step> => {
        try {
            return answer(await question());
        } catch (error) {
            options.signal?.throwIfAborted();
            return results.unknown(id, `${capital(said(error))}.`);
        }
    };
    yield await ask("leaf", () => escrow.receiptLeaf(proof.receipt), (theirs) => results.same("leaf", hex(leaf), theirs));
    yield pathStep(results, proof, leaf);
    yield results.same("chain-id", `${chain.chainId}`, `${proof.chainId}`);
    yield await ask("chain-domain", () => escrow.domainSeparator(), (theirs) => results.same("chain-domain", hex(domain.separator), theirs));

    const viewing = escrow.epoch(proof.epoch);
    viewing.catch(() => undefined);
    yield await ask("chain-epoch", () => viewing, (view) => results.judge("chain-epoch", view.status !== "none",
        view.status === "none" ? "no such epoch" : `settled at ${time(view.settledAt)}, seal ${view.sealHash}`, "a settled epoch"));
    yield await ask("chain-root", () => viewing, (view) => results.same("chain-root",
        `${proof.root}, ${proof.size} receipts`, `${view.receiptsRoot}, ${view.receiptCount} receipts`));
    yield await ask("chain-receipt", () => escrow.verifyReceipt(proof), ({ included }) =>
        results.judge("chain-receipt", included, `included: ${included}`, "included: true"));
    yield await ask("chain-status", () => viewing, (view) => statusStep(results, view));
}

function escrowStep(results: Results<Id>, proof: ReceiptProof, options: Options): Step {
    const named = `chain ${proof.chainId}, escrow ${proof.escrow}`;
    if (options.escrow === undefined && options.chainId === undefined) {
        return results.unknown("escrow", "Nobody said which escrow to trust. Compare this address with one from a source of your own.", named);
    }
    const trusted = `chain ${options.chainId ?? proof.chainId}, escrow ${options.escrow?.toLowerCase() ?? proof.escrow}`;
    return results.same("escrow", named, trusted);
}

async function orderSignature(
    results: Results<Id>, proof: ReceiptProof, domain: Domain, chain: Awaited<ReturnType<typeof connect>>, options: Options,
): Promise<Step> {
    const { client } = proof.receipt;
    const { isClient, signers } = orderSigners(proof, domain);
    if (isClient) return results.judge("order-signature", true, `signed by ${client}`, client);
    if (signers.length === 0) return results.judge("order-signature", false, "the signature is not valid for any key", client);
    const who = `signed by ${signers.join(" or, as a message, by ")}`;
    if ("why" in chain) {
        return results.unknown("order-signature", `The client itself did not sign. Whether it registered this signer only the chain knows. ${chain.why}`, who);
    }
    try {
        const signer = await orderSignerOf(chain.escrow, client, signers, await sealedBefore(chain.escrow, proof.epoch));
        return results.judge("order-signature", signer !== null, signer === null ? who : `signed by ${signer}`, `${client} or an order signer that it registered`);
    } catch (error) {
        options.signal?.throwIfAborted();
        return results.unknown("order-signature", `${capital(said(error))}.`, who);
    }
}

function pathStep(results: Results<Id>, proof: ReceiptProof, leaf: Uint8Array): Step {
    const nodes = climb(leaf, proof.index, proof.size, proof.path);
    if (nodes === null) {
        return results.judge("path", false, `leaf ${proof.index} of ${proof.size} with ${proof.path.length} hashes`, "a path of the tree's height");
    }
    return results.same("path", nodes.at(-1)!.hash, proof.root);
}

/** Where the epoch stands; pending counts, but not for ever yet. */
function statusStep(results: Results<Id>, view: { status: string; finalAt: bigint }): Step {
    if (view.status === "pending") {
        const note = `The challenge window is open until ${time(view.finalAt)}: until then a proven fault or the guardian can still undo it.`;
        return results.judge("chain-status", true, "pending", "final, or pending in its challenge window", note);
    }
    return results.judge("chain-status", view.status === "final", view.status, "final, or pending in its challenge window");
}
