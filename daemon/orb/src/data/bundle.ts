// The files of an epoch's bundle, as they lie beside the page, and what the chain emitted for it.
import { fetchJson } from "../api/http";
import type { AccountFile, Agent, ClientCharge, EpochFile, JobEntry, JobsPage, Payout, Summary } from "../api/types";
import { epochName } from "../format/ids";

/** Receipts in one file of a bundle. */
export const PAGE_RECEIPTS = 10_000;

/** Where a bundle's folder is, relative to the page, with a slash at its end. */
export function bundleFolder(epoch: string): string {
    return `audit/${epochName(epoch)}/`;
}

/** Name of a page of receipts. */
export function pageName(number: number): string {
    return `jobs/${String(number).padStart(5, "0")}.json`;
}

function file<T>(signal: AbortSignal, epoch: string, name: string): Promise<T> {
    return fetchJson<T>(bundleFolder(epoch) + name, { signal });
}

export const bundle = {
    summary: (signal: AbortSignal, epoch: string) => file<Summary>(signal, epoch, "SUMMARY.json"),
    agents: (signal: AbortSignal, epoch: string) => file<Agent[]>(signal, epoch, "agents.json"),
    clients: (signal: AbortSignal, epoch: string) => file<ClientCharge[]>(signal, epoch, "clients.json"),
    payouts: (signal: AbortSignal, epoch: string) => file<Payout[]>(signal, epoch, "payouts.json"),
};

/** What the chain emitted for an epoch: there even when the bundle is not. */
export function chainFile(signal: AbortSignal, epoch: string): Promise<EpochFile> {
    return fetchJson<EpochFile>(`chain/${epochName(epoch)}.json`, { signal });
}

/** What the chain and the bundles say of an address. */
export function accountFile(signal: AbortSignal, address: string): Promise<AccountFile> {
    return fetchJson<AccountFile>(`accounts/${address.toLowerCase()}.json`, { signal });
}

/** Pages of receipts that are kept; one may have 10 MB. */
const PAGES_KEPT = 4;
const kept = new Map<string, Promise<JobEntry[]>>();

/** The receipts of one page, in the order of the leaves. */
export function receiptsPage(epoch: string, number: number): Promise<JobEntry[]> {
    const key = bundleFolder(epoch) + pageName(number);
    const held = kept.get(key);
    if (held) return held;
    const fetched = fetchJson<JobsPage>(key).then((page) => page.jobs);
    kept.set(key, fetched);
    fetched.catch(() => kept.delete(key));
    for (const old of [...kept.keys()].slice(0, -PAGES_KEPT)) kept.delete(old);
    return fetched;
}
