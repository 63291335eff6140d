type O<T> = T | null | undefined;
export type Event = {
    seq: string;
    at: string;
    kind: string;
    job?: O<string>;
    client?: O<string>;
    worker?: O<string>;
    epoch?: O<string>;
    data: Record<string, unknown>;
};
export type EpochStatus = "active" | "sealing" | "sealed" | "submitted" | "included" | "finalized" | "void";
export type Epoch = {
    epoch_id: string;
    status: EpochStatus;
    started_at: string;
    sealed_at?: O<string>;
    jobs_count: string;
    total_revenue: string;
    total_revenue_usd: string;
    receipts_root?: O<string>;
    seal_hash?: O<string>;
    bundle?: O<string>;
    cid?: O<string>;
    transaction?: O<string>;
    final_at?: O<string>;
    note?: O<string>;
};
export type JobStatus = "pending" | "claimed" | "processing" | "completed" | "failed" | "dead" | "cancelled" | "expired";
export type Job = {
    job_id: string;
    status: JobStatus;
    job_type: string;
    client: string;
    client_ens?: O<string>;
    model: string;
    fee: string;
    fee_usd: string;
    worker?: O<string>;
    attempts: number;
    stage?: O<string>;
    progress_bps?: O<number>;
    error?: O<string>;
    submitted_at: string;
    deadline: string;
    started_at?: O<string>;
    completed_at?: O<string>;
    execution_ms?: O<string>;
    settled_in?: O<string>;
    poe_hash?: O<string>;
    engine?: O<string>;
    energy_millijoules?: O<string>;
};
export type WhyBee = { worker: string; name?: O<string>; eligible: boolean; code: string; reason: string };
export type Why = { job_id: string; status: JobStatus; summary: string; moves_on_at?: O<string>; ahead: string; bees: WhyBee[] };
export type Worker = {
    worker: string;
    name: string;
    status: string;
    approval: "waiting" | "approved";
    payee?: O<string>;
    device: { name: string; uuid?: O<string>; memory_mib: number };
    models: string[];
    engines: string[];
    ready: boolean;
    not_ready_reason?: O<string>;
    current_jobs: string[];
    jobs_completed: string;
    ready_seconds: string;
    last_heartbeat: string;
    registered_at: string;
};
export type Sample = {
    at: string;
    utilisation_percent?: O<number>;
    memory_used_mib?: O<number>;
    temperature_celsius?: O<number>;
    power_milliwatts?: O<string>;
    ready: boolean;
};
export type Page<T> = { items: T[]; next?: O<string> };
export type Stats = { jobs: Record<string, number>; bees: Record<string, number>; mean_execution_ms?: O<number>; total_revenue: string };
export type Health = { status: string; version: string; ledger: boolean; chain: string; bees_online: number; notes: string[] };
export type Model = {
    digest: string;
    name: string;
    version: string;
    licence: string;
    job_type: string;
    fee: string;
    fee_usd: string;
    memory_mib: number;
    bees_online: number;
};
export type Balance = {
    client: string;
    balance: string;
    unconfirmed: string;
    reserved: string;
    unsettled: string;
    withdrawing: string;
    available: string;
    available_usd: string;
    cap: string;
    cap_used: string;
};
export type Client = { client: string; ens?: O<BoundName>; balance: Balance; total_spent: string; total_jobs: string };
export type BoundName = { name: string; block: string };
export type JobResult = {
    job_id: string;
    result: { sha256: string; size: string };
    cid: string;
    manifest: string;
    salt: string;
    execution: { result: string };
    engine: string;
    kept_until: string;
};
export type Pools = { protocol: string; operator: string; work: string; readiness: string };
export type Rates = { protocolBps: number; operatorBps: number; workBps: number };
export type IndexSummary = {
    cid?: O<string>;
    bytes: string;
    pages: number;
    workers?: O<number>;
    rates: Rates;
    pools: Pools;
    signers: string[];
};
export type IndexEpoch = {
    epoch: string;
    epoch_id: string;
    status: EpochStatus;
    void?: O<{ reason: string; at: string; block: string; transaction: string }>;
    sealed_at: string;
    settled_at: string;
    final_at: string;
    transaction: string;
    block: string;
    receipts_root: string;
    seal_hash: string;
    previous: string;
    bundle: string;
    receipts: string;
    charged: string;
    charges: string;
    payouts: string;
    clients: number;
    payees: number;
    bundle_state: "unchecked" | "missing" | "differs" | "damaged" | "complete";
    bundle_detail?: O<string>;
    summary?: O<IndexSummary>;
};
export type PendingChange = {
    role: "owner" | "guardian" | "settlers";
    account?: O<string>;
    settlers?: O<string[]>;
    threshold?: O<string>;
    applies_at: string;
    lapses_at: string;
};
export type IndexContract = {
    owner: string;
    guardian: string;
    settlers: string[];
    threshold: string;
    pending: PendingChange[];
    window: string;
    exit_delay: string;
    role_delay: string;
    settlement_timeout: string;
    max_seal_age: string;
    max_pause: string;
    max_entries: string;
    default_cap: string;
    last_epoch: string;
    stopped: boolean;
    paused_until?: O<string>;
    escape_at: string;
    liabilities: string;
    token_balance: string;
};
export type Index = {
    version: number;
    live: boolean;
    name?: O<string>;
    explorer?: O<string>;
    rpcs: string[];
    chain_id: string;
    escrow: string;
    token: string;
    deployed_block: string;
    block: { number: string; hash: string; time: string };
    contract: IndexContract;
    epochs: IndexEpoch[];
    names: Record<string, BoundName>;
};
export type Amount = { account: string; amount: string };
export type EpochFile = { version: number; epoch_id: string; charges: Amount[]; credits: Amount[] };
export type LineKind =
    | "deposited"
    | "withdrawal_requested"
    | "withdrawn"
    | "cap_changed"
    | "signer_added"
    | "signer_removed"
    | "charged"
    | "credited"
    | "claimed";
export type AccountLine = {
    at: string;
    block: string;
    transaction: string;
    kind: LineKind;
    amount?: O<string>;
    other?: O<string>;
    effective_at?: O<string>;
    epoch?: O<string>;
    status?: O<EpochStatus>;
};
export type AccountWork = {
    epoch: string;
    status: EpochStatus;
    payee: string;
    receipts: string;
    fees: string;
    ready_seconds: string;
    work: string;
    readiness: string;
};
export type AccountFile = { version: number; account: string; lines: AccountLine[]; work: AccountWork[] };
export type Agent = {
    worker: string;
    payee: string;
    receipts: string;
    fees: string;
    readySeconds: string;
    work: string;
    readiness: string;
};
export type PayoutPart = { kind: "protocol" | "operator" | "work" | "readiness"; worker?: O<string>; amount: string };
export type ClientCharge = { client: string; receipts: string; amount: string };
export type Payout = { payee: string; amount: string; parts: PayoutPart[] };
export type Receipt = {
    jobEpoch: string;
    jobSeq: string;
    client: string;
    worker: string;
    order: string;
    model: string;
    input: string;
    result: string;
    execution: string;
    power: string;
    fee: string;
    clientTotal: string;
    startedAt: string;
    completedAt: string;
    energyMillijoules: string;
};
export type PowerRecord = { meter: string; quality: string; ageSeconds?: O<number>; solar: unknown; battery: unknown; grid: unknown };
export type JobEntry = {
    receipt: Receipt;
    order: { order: Record<string, string>; signature: string };
    execution: Record<string, string>;
    executionSignature: string;
    engine: string;
    power: PowerRecord;
};
export type JobsPage = { first: string; jobs: JobEntry[] };
export type Summary = {
    epochId: string;
    receiptCount: string;
    sealedAt: string;
    rates: Rates;
    pools: Pools;
    protocolPayee: string;
    operatorPayee: string;
    pages: { file: string; first: string; count: string }[];
    files: Record<string, string>;
};
export type EpochPayout = { payee: string; amount: string; amount_usd: string; parts: PayoutPart[]; status: string };
export type Quality = "good" | "stale" | "estimated" | "unknown";
export type Flow = { watts?: O<number>; quality: Quality; age_seconds?: O<number> };
export type Power = {
    solar: Flow;
    battery: Flow;
    load: Flow;
    grid: Flow;
    battery_percent: { percent?: O<number>; quality: Quality; age_seconds?: O<number> };
    ladder: { state: string; reason: string; since?: O<string> };
    series: { at: string; solar?: O<number>; battery?: O<number>; load?: O<number>; grid?: O<number> }[];
};
