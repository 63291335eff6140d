import { expect, test } from "vitest";
import { layOut, ribbon } from "./sankey";

test("blocks stand in order, to scale, and do not overlap", () => {
    const blocks = layOut(
        [
            { id: "a", amount: 93n },
            { id: "b", amount: 7n },
            { id: "c", amount: 0n },
        ],
        300,
    );
    expect(blocks.map(({ id }) => id)).toEqual(["a", "b", "c"]);
    const [a, b, c] = blocks;
    expect(a!.height / b!.height).toBeCloseTo(93 / 7, 2);
    expect(b!.y).toBeGreaterThanOrEqual(a!.y + a!.height);
    expect(c!.y).toBeGreaterThanOrEqual(b!.y + b!.height);
    expect(layOut([], 300)).toEqual([]);
    expect(layOut([{ id: "a", amount: 0n }], 300)).toEqual([]);
});

test("a ribbon is a closed outline", () => {
    expect(ribbon(0, [0, 10], 100, [20, 30])).toBe("M0.0,0.0C50.0,0.0 50.0,20.0 100.0,20.0V30.0C50.0,30.0 50.0,10.0 0.0,10.0Z");
});
