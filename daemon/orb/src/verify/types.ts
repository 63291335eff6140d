/** What the verifier says and is asked. Amounts are µUSDC, times are Unix seconds, both `bigint`. */

/** Lower-case hexadecimal with `0x`. */
export type Hex = `0x${string}`;

/**
 * - `pass`: computed here, and equal to what it must be.
 * - `fail`: computed here, and different: `meaning` says what that shows.
 * - `unknown`: could not be computed; `meaning` says what is missing. Never a success.
 */
export type State = "pass" | "fail" | "unknown";

/** One thing that was checked. All texts are plain text and come partly from strangers: never HTML. */
export interface Step {
    /** Stable name of the check, such as `path`; unique within one run. */
    id: string;
    /** What is checked, in a few words. */
    title: string;
    state: State;
    /** What was computed here, from bytes. */
    computed: string;
    /** What it was compared with, and empty when there is nothing to compare. */
    expected: string;
    /** Of a failure: what it shows. Of an unknown: what is missing. Of a pass: what is now certain. */
    meaning: string;
}

/** How far a long run is. */
export interface Progress {
    /** What is being done, such as `signatures of jobs/00003.json`. */
    what: string;
    done: number;
    total: number;
}

/** What a long run says next. */
export type Update = { step: Step } | { progress: Progress };

/** A step that a run will take, so that a page can show it before its result is there. */
export interface PlannedStep {
    id: string;
    title: string;
}

/** What a verification may ask and trust. */
export interface Options {
    /** JSON-RPC address of a node of the chain; null: every step that needs the chain is `unknown`. */
    rpc: string | null;
    /** The escrow that the asker trusts. A document that names another one fails. */
    escrow?: string;
    /** The EIP-155 chain id that the asker trusts, decimal. */
    chainId?: string;
    /** Ends the run early; the iterator throws the signal's reason. */
    signal?: AbortSignal;
    /** For tests and for Node without a global fetch. */
    fetch?: typeof fetch;
}

/** Reads a file of a bundle by its name, such as `jobs/00000.json`. */
export type BundleReader = (name: string) => Promise<Uint8Array>;

/** A receipt, as `abi.encode` has its fields. */
export interface Receipt {
    jobEpoch: bigint;
    jobSeq: bigint;
    client: Hex;
    worker: Hex;
    order: Hex;
    model: Hex;
    input: Hex;
    result: Hex;
    execution: Hex;
    power: Hex;
    fee: bigint;
    clientTotal: bigint;
    startedAt: bigint;
    completedAt: bigint;
    energyMillijoules: bigint;
}

/** A client's order (EIP-712 `JobOrder`). */
export interface Order {
    client: Hex;
    model: Hex;
    input: Hex;
    maxFee: bigint;
    nonce: bigint;
    deadline: bigint;
}

/** What a worker states (EIP-712 `Execution`). */
export interface Execution {
    jobEpoch: bigint;
    jobSeq: bigint;
    order: Hex;
    model: Hex;
    input: Hex;
    result: Hex;
    engine: Hex;
    device: Hex;
    startedAt: bigint;
    completedAt: bigint;
    energyMillijoules: bigint;
    power: Hex;
}

/** A receipt with all that shows it was settled: the API's `GET /api/v1/jobs/{id}/receipt`, read. */
export interface ReceiptProof {
    receipt: Receipt;
    order: { order: Order; signature: Hex };
    execution: Execution;
    executionSignature: Hex;
    epoch: bigint;
    index: bigint;
    size: bigint;
    path: Hex[];
    root: Hex;
    chainId: bigint;
    escrow: Hex;
}

/** A step of the way from a leaf up to the root, for drawing. */
export interface PathNode {
    /** 0 is the leaf. */
    level: number;
    /** The hash at this level on the leaf's own way. */
    hash: Hex;
    /** What is hashed with it to get the next one; null at the root. */
    sibling: Hex | null;
    /** On which side the sibling stands; null at the root. */
    siblingSide: "left" | "right" | null;
    /** The leaves that this node covers: `first` to `first + count`. */
    first: bigint;
    count: bigint;
}

/** One value to type or paste into a block explorer's Read tab. */
export interface ReadTabInput {
    /** The parameter's name in the contract. */
    name: string;
    /** Its Solidity type. */
    type: string;
    /** The value in the form that Etherscan's family (Basescan) takes: structs and arrays as JSON arrays. */
    value: string;
    /** For a struct, its fields one by one, as Blockscout asks for them. */
    fields?: { name: string; type: string; value: string }[];
}

/** A function of the contract, with everything to type into a block explorer's Read tab. */
export interface ReadTabCall {
    /** The contract's address. */
    contract: Hex;
    /** The function's name in the list of the Read tab. */
    function: string;
    /** Its full signature, for a command line such as `cast call`. */
    signature: string;
    inputs: ReadTabInput[];
    /** The same as raw calldata, for `eth_call`. */
    data: Hex;
    /** What the explorer must answer when all is well, output by output. */
    answers: { name: string; type: string; value: string }[];
}
