// Ends the rack: the demo ends what it started, and what a test started in its place is ended by its id.
import { readFileSync, rmSync } from "node:fs";
import { until } from "./machine";

export async function stop(): Promise<void> {
    const file = process.env["ORB_RACK"]!;
    const { pid, base, others = [] } = JSON.parse(readFileSync(file, "utf8")) as { pid: number; base: string; others?: number[] };
    for (const other of others) end(other);
    end(pid);
    await until("the demo's end", 60, () => !runs(pid) && others.every((other) => !runs(other)));
    rmSync(base, { recursive: true, force: true });
}

function end(pid: number): void {
    if (!runs(pid)) return;
    process.kill(pid, "SIGCONT");
    process.kill(pid, "SIGTERM");
}

function runs(pid: number): boolean {
    try {
        // Whose state is Z has ended, and waits for its parent to look.
        return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
    } catch {
        return false;
    }
}
