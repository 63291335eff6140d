/** The steps of a run: what each is called, what its failure shows, and how a result is made. */
import type { PlannedStep, Step } from "./types";

/** id, title, what a pass makes certain, what a failure shows. */
export type Plan = readonly (readonly [id: string, title: string, passed: string, failed: string])[];

/** The steps that need the chain, and why they are not certain without it. */
export const NO_CHAIN = "No node of the chain was named, so this could not be compared with what the contract stores.";

export function planned(plan: Plan): PlannedStep[] {
    return plan.map(([id, title]) => ({ id, title }));
}

/** Makes the results of a plan's steps. */
export class Results<Id extends string> {
    private readonly byId: Map<string, Plan[number]>;
    private readonly given = new Set<string>();

    constructor(private readonly plan: Plan) {
        this.byId = new Map(plan.map((step) => [step[0], step]));
    }

    private make(id: Id, rest: Omit<Step, "id" | "title">): Step {
        this.given.add(id);
        return { id, title: this.byId.get(id)![1], ...rest };
    }

    /** What was computed, what it must be, and whether it is. `note` replaces the meaning. */
    judge(id: Id, holds: boolean, computed: string, expected: string, note?: string): Step {
        const [, , passed, failed] = this.byId.get(id)!;
        return this.make(id, { state: holds ? "pass" : "fail", computed, expected, meaning: note ?? (holds ? passed : failed) });
    }

    /** Two values that must be the same. */
    same(id: Id, computed: string, expected: string): Step {
        return this.judge(id, computed === expected, computed, expected);
    }

    unknown(id: Id, why: string, computed = ""): Step {
        return this.make(id, { state: "unknown", computed, expected: "", meaning: why });
    }

    /** Everything that has no result yet is unknown for one reason. */
    *rest(why: string): Generator<Step> {
        for (const [id] of this.plan) if (!this.given.has(id)) yield this.unknown(id as Id, why);
    }
}
