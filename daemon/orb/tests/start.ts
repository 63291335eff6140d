// Starts the real demo and waits until its story is told; then a second epoch, which the guardian voids.
import { spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, program, until } from "./machine";
import { type Rack, swarm } from "./rack";
import { stop } from "./stop";

/** The story takes half a minute on two cores, and much longer when they are busy. */
const STORY_SECONDS_MAX = 300;
const EPOCH_SECONDS_MAX = 60;

interface Epoch {
    epoch: { status: string; note: string | null };
}

/** Starts a rack, unless $ORB_RACK names the description of one that is up already (to work on a test). Gives what ends it. */
export default async function start(): Promise<() => Promise<void>> {
    if (process.env["ORB_RACK"]) return async () => undefined;
    const base = mkdtempSync(join(tmpdir(), "swarmos-orb-"));
    const dir = join(base, "demo");
    const said = join(base, "demo.txt");
    const out = openSync(said, "w");
    const [port, chainPort] = [await freePort(), await freePort()];
    const args = ["demo", "--dir", dir, "--port", String(port), "--chain-port", String(chainPort)];
    const demo = spawn(program("swarmd"), args, { stdio: ["ignore", out, out], detached: true });
    process.env["ORB_RACK"] = join(base, "rack.json");
    // What stop.ts needs is there before anything can fail.
    writeFileSync(process.env["ORB_RACK"], JSON.stringify({ pid: demo.pid, base, dir }));
    await until("the demo's story", STORY_SECONDS_MAX, () => {
        if (demo.exitCode !== null) throw new Error(`the demo ended early:\n${readFileSync(said, "utf8").slice(-3000)}`);
        return readFileSync(said, "utf8").includes("stay up");
    });

    const told = JSON.parse(readFileSync(join(dir, "summary.json"), "utf8")) as Omit<Rack, "pid" | "dir" | "voided" | "exported">;
    const voided = await voidAnEpoch(told, base);
    const exported = join(base, "export");
    swarm(told, told.homes.operator, "orb", "export", exported);
    demo.unref();
    const rack: Rack & { base: string } = { ...told, pid: demo.pid!, base, dir, voided, exported };
    writeFileSync(process.env["ORB_RACK"], JSON.stringify(rack));
    return stop;
}

/** One more job, sealed and settled; then the guardian voids its epoch within the window. */
async function voidAnEpoch(at: Omit<Rack, "pid" | "dir" | "voided" | "exported">, base: string): Promise<Rack["voided"]> {
    const { client, operator, guardian } = at.homes;
    const scan = join(process.env["SWARM_CACHE"] ?? join(process.env["HOME"]!, ".cache/swarmos"), "scan/ch2.nii.gz");
    const out = join(base, "third");
    // `--again`: the same scan is ordered and paid a second time.
    const { job_id } = swarm<{ job_id: string }>(at, client, "submit", scan, "--type", "brain_mri", "--again", "--out", out);
    const { epoch_id } = swarm<{ epoch_id: string }>(at, operator, "seal");
    const reaches = (status: string) =>
        until(`${epoch_id} becomes ${status}`, EPOCH_SECONDS_MAX, () => swarm<Epoch>(at, operator, "epoch", "show", epoch_id).epoch.status === status);
    await reaches("included");
    swarm(at, guardian, "contract", "void", String(Number(epoch_id.split("-")[1])));
    await reaches("void");
    return { epoch: epoch_id, job: job_id };
}
