// The rack under test: the real demo, with its chain, queen and bees as processes.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { program } from "./machine";

/** What `start.ts` leaves for the tests. */
export interface Rack {
    /** The demo's process. */
    pid: number;
    /** Its directory. */
    dir: string;
    queen: string;
    rpc: string;
    chain_id: string;
    escrow: string;
    /** The settled epoch, and its bundle. */
    epoch: string;
    bundle: string;
    jobs: { job_id: string; input: string; out: string }[];
    homes: { client: string; operator: string; guardian: string };
    /** A second epoch that the guardian voided, and the job in it. */
    voided: { epoch: string; job: string };
    /** A static export of the same, made by `swarm orb export`. */
    exported: string;
}

export function rack(): Rack {
    return JSON.parse(readFileSync(process.env["ORB_RACK"]!, "utf8")) as Rack;
}

/** The `swarm` command line with `--json`. */
export function swarm<T>(at: Pick<Rack, "queen" | "rpc">, home: string, ...args: string[]): T {
    const all = ["--json", "--home", home, "--queen", at.queen, "--rpc", at.rpc, ...args];
    return JSON.parse(execFileSync(program("swarm"), all, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })) as T;
}

/** A JSON-RPC call to the rack's chain. */
export async function ask(rpc: string, method: string, ...params: unknown[]): Promise<unknown> {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const response = await fetch(rpc, { method: "POST", headers: { "content-type": "application/json" }, body });
    const { result, error } = (await response.json()) as { result?: unknown; error?: { message: string } };
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
}
