// The API's messages and the published files, by their names in the queen's OpenAPI document. schema.d.ts is
// generated from it: scripts/schema.
import type { components } from "./schema";

type Schemas = components["schemas"];

export type AccountFile = Schemas["AccountFile"];
export type AccountLine = Schemas["AccountLine"];
export type AccountWork = Schemas["AccountWork"];
export type Agent = Schemas["Agent"];
export type Amount = Schemas["Amount"];
export type Balance = Schemas["Balance"];
export type Client = Schemas["Client"];
export type ClientCharge = Schemas["ClientCharge"];
export type Epoch = Schemas["Epoch"];
export type EpochFile = Schemas["EpochFile"];
export type EpochPayout = Schemas["EpochPayout"];
export type EpochStatus = Schemas["EpochStatus"];
export type Flow = Schemas["PowerReading"];
export type Health = Schemas["Health"];
export type Index = Schemas["Index"];
export type IndexContract = Schemas["IndexContract"];
export type IndexEpoch = Schemas["IndexEpoch"];
export type Job = Schemas["Job"];
export type JobEntry = Schemas["JobEntry"];
export type JobResult = Schemas["JobResult"];
export type JobsPage = Schemas["JobsPage"];
export type Model = Schemas["ModelInfo"];
export type Payout = Schemas["Payout"];
export type PendingChange = Schemas["PendingChange"];
export type Pools = Schemas["Pools"];
export type Power = Schemas["SitePower"];
export type Quality = Schemas["Quality"];
export type Rates = Schemas["Rates"];
export type Sample = Schemas["WorkerSample"];
export type Stats = Schemas["Stats"];
export type Summary = Schemas["Summary"];
export type Why = Schemas["Why"];
export type Worker = Schemas["Worker"];

/** An event of the feed: a stream of text to OpenAPI, so that the document has no schema of it. */
export interface Event {
    /** Position in the feed. */
    readonly seq: string;
    /** Unix seconds. */
    readonly at: string;
    /** Such as `job.completed`. */
    readonly kind: string;
    readonly job?: string | null;
    readonly client?: string | null;
    readonly worker?: string | null;
    readonly epoch?: string | null;
    /** More, by kind. */
    readonly data: Readonly<Record<string, unknown>>;
}

/** A page of a list. */
export interface Page<T> {
    readonly items: T[];
    /** `after` of the next page; absent or null at the end. */
    readonly next?: string | null;
}
