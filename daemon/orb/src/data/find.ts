import { Failure } from "../api/http";
import { queen } from "../api/queen";
import type { Index } from "../api/types";
import { href } from "../router";
import { type Hex, type Resolved, resolveName, Rpc, RpcError } from "../verify";
import { accountFile } from "./bundle";
import { findReceipt } from "./receipts";
import type { Query } from "./search";
import { index, rpc } from "./site";

/** A place that a search leads to. */
export interface Hit {
    readonly link: string;
    readonly what: string;
    readonly where: string;
    /** Shown before the reader goes there, because it is more than a way: what a name stands for. */
    readonly pause?: boolean;
}

/** Where the thing that was asked for is: nowhere, at one place, or at several. */
export async function find(signal: AbortSignal, query: Query): Promise<Hit[]> {
    const site = index.value;
    if (!site) return [];
    switch (query.kind) {
        case "job":
            return findJob(signal, query.id, site);
        case "epoch":
            return findEpoch(signal, query.id, String(query.number), site);
        case "address":
            return findAddress(signal, query.address, site);
        case "hash":
            return findHash(query.hash, site);
        case "name":
            return findName(signal, query.name, site);
        case "unknown":
        case "no-name":
            return [];
    }
}

async function findJob(signal: AbortSignal, id: string, site: Index): Promise<Hit[]> {
    if (site.live) return (await there(queen.job(signal, id))) ? [{ link: href("job", id), what: id, where: "job" }] : [];
    return (await findReceipt(signal, id, null)) ? [{ link: href("receipt", id), what: id, where: "receipt" }] : [];
}

async function findEpoch(signal: AbortSignal, id: string, number: string, site: Index): Promise<Hit[]> {
    const settled = site.epochs.some(({ epoch }) => epoch === number);
    return settled || (site.live && (await there(queen.epoch(signal, id))))
        ? [{ link: href("epoch", number), what: id, where: "epoch" }]
        : [];
}

async function findAddress(signal: AbortSignal, address: string, site: Index): Promise<Hit[]> {
    if (address === site.escrow.toLowerCase()) return [{ link: href("contract"), what: "The escrow", where: "contract" }];
    const [bee, account] = await Promise.all([
        site.live && there(queen.worker(signal, address)),
        accountFile(signal, address).catch(missing),
    ]);
    const hits: Hit[] = [];
    if (bee || account?.work.length) hits.push({ link: href("bee", address), what: address, where: "bee" });
    if (account && (account.lines.length > 0 || hits.length === 0))
        hits.push({ link: href("client", address), what: address, where: "account in the escrow" });
    return hits;
}

function findHash(hash: string, site: Index): Hit[] {
    return site.epochs.flatMap((epoch) => {
        const names: Readonly<Record<string, string | undefined>> = {
            transaction: epoch.transaction,
            root: epoch.receipts_root,
            seal: epoch.seal_hash,
            bundle: epoch.bundle,
            "charge vector": epoch.charges,
            "payout vector": epoch.payouts,
            "void transaction": epoch.void?.transaction,
        };
        const name = Object.keys(names).find((key) => names[key] === hash);
        return name ? [{ link: href("epoch", epoch.epoch), what: epoch.epoch_id, where: name }] : [];
    });
}

/** What a name stands for: by the reader's own node where it can tell, else as the index has it from the chain. */
async function findName(signal: AbortSignal, name: string, site: Index): Promise<Hit[]> {
    const bound = Object.entries(site.names).filter(([, held]) => held.name === name);
    const own = await ask(signal, name, site);
    if (own && !(own instanceof RpcError)) {
        const { address, block } = own;
        return address ? [hit(name, address, `${address}, read at block ${block} through ${rpc.value}`)] : [];
    }
    if (bound.length > 0) return bound.map(([address, { block }]) => hit(name, address, `${address}, as the index read it at block ${block}`));
    const client = site.live && site.ens ? await queen.client(signal, name).catch(missing) : null;
    if (client) return [hit(name, client.client, `${client.client}, as the queen says`)];
    if (own) throw new Failure("refused", `The name ${name} could not be looked up: ${own.message}.`);
    return [];
}

function hit(name: string, address: string, where: string): Hit {
    return { link: href("search", address), what: name, where, pause: true };
}

/** Asks the reader's node; null when there is none to ask. */
async function ask(signal: AbortSignal, name: string, site: Index): Promise<Resolved | RpcError | null> {
    if (!site.ens || rpc.value === null) return null;
    return resolveName(new Rpc(rpc.value, { signal }), site.ens.registry as Hex, BigInt(site.ens.chain_id), name).catch((error: unknown) => {
        if (error instanceof RpcError) return error;
        throw error;
    });
}

async function there(asked: Promise<unknown>): Promise<boolean> {
    return (await asked.catch(missing)) !== null;
}

// What is not there, or cannot be asked for in this form, is no hit; a queen who is away is an error.
function missing(error: unknown): null {
    if (error instanceof Failure && (error.kind === "missing" || error.kind === "refused")) return null;
    throw error;
}
