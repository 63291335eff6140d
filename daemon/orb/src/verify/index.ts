/**
 * Verifies what SwarmOS publishes, from bytes: no queen is believed. Runs in a browser, in a Web Worker and in Node.
 *
 *     for await (const step of verifyReceipt(document, { rpc })) show(step);
 *     for await (const update of verifyEpoch(read, { rpc })) show(update);
 *     for await (const update of verifyEpochInWorker("https://…/audit/epoch-001/", { rpc })) show(update);
 *
 * Formats and rules are those of the protocol page; nothing here knows the queen's API except the shape of one receipt.
 */
export type {
    BundleReader,
    Execution,
    Hex,
    Options,
    Order,
    PathNode,
    PlannedStep,
    Progress,
    ReadTabCall,
    ReadTabInput,
    Receipt,
    ReceiptProof,
    State,
    Step,
    Update,
} from "./types";
export { bundleAt, receiptFromBundle } from "./bundle";
export { readProof } from "./documents";
export { epochSteps, verifyEpoch } from "./epoch";
export { type AccountView, type EpochStatus, type EpochView, Escrow } from "./escrow";
export { verifyEpochInWorker } from "./in-worker";
export { readTabEpoch, readTabLeaf, readTabReceipt } from "./kit";
export { type Resolved, resolveName } from "./names";
export { Malformed } from "./read";
export { receiptSteps, verifyReceipt } from "./receipt";
export { Rpc, RpcError } from "./rpc";
export { pathNodes } from "./tree";
