import { expect, test } from "vitest";
import { energy } from "./energy";

test("not measured is not 0", () => {
    expect(energy("18446744073709551615")).toBeNull();
    expect(energy(null)).toBeNull();
    expect(energy("0")).toBe("0 J");
});

test("joules, then watt-hours", () => {
    expect(energy("12345")).toBe("12.345 J");
    expect(energy("5400000")).toBe("1.5 Wh");
});
