// The queen's routes that the pages read. Only a live site has them.
import { fetchJson } from "./http";
import type { Balance, Client, Epoch, EpochPayout, Health, Job, Model, Page, Power, Sample, Stats, Why, Worker } from "./types";

/** Items of a list that are asked for at once. */
export const PAGE_ITEMS = 100;

function get<T>(signal: AbortSignal, ...words: string[]): Promise<T> {
    return fetchJson<T>(`api/v1/${words.map(encodeURIComponent).join("/")}`, { signal });
}

function list<T>(signal: AbortSignal, path: string, query: Record<string, string | null | undefined>): Promise<Page<T>> {
    const given = Object.entries(query).flatMap(([name, value]) => (value ? [[name, value]] : []));
    const text = new URLSearchParams([["limit", String(PAGE_ITEMS)], ...given]);
    return fetchJson<Page<T>>(`api/v1/${path}?${text}`, { signal });
}

export const queen = {
    stats: (signal: AbortSignal) => get<Stats>(signal, "stats"),
    health: (signal: AbortSignal) => fetchJson<Health>("health", { signal }),
    models: (signal: AbortSignal) => get<Model[]>(signal, "models"),
    power: (signal: AbortSignal) => get<Power>(signal, "power"),
    epoch: (signal: AbortSignal, id: string) => get<Epoch>(signal, "epochs", id),
    epochs: (signal: AbortSignal, after?: string | null) => list<Epoch>(signal, "epochs", { after }),
    epochJobs: (signal: AbortSignal, id: string, after?: string | null) =>
        list<Job>(signal, `epochs/${encodeURIComponent(id)}/jobs`, { after }),
    payouts: (signal: AbortSignal, id: string) => get<EpochPayout[]>(signal, "epochs", id, "payouts"),
    jobs: (signal: AbortSignal, query: { client?: string; status?: string | undefined; after?: string | null | undefined }) =>
        list<Job>(signal, "jobs", query),
    job: (signal: AbortSignal, id: string) => get<Job>(signal, "jobs", id),
    why: (signal: AbortSignal, id: string) => get<Why>(signal, "jobs", id, "why"),
    receipt: (signal: AbortSignal, id: string) => get<unknown>(signal, "jobs", id, "receipt"),
    workers: (signal: AbortSignal) => get<Worker[]>(signal, "workers"),
    worker: (signal: AbortSignal, address: string) => get<Worker>(signal, "workers", address),
    samples: (signal: AbortSignal, address: string) => get<Sample[]>(signal, "workers", address, "samples"),
    client: (signal: AbortSignal, id: string) => get<Client>(signal, "clients", id),
    balance: (signal: AbortSignal, id: string) => get<Balance>(signal, "clients", id, "balance"),
};
