import { expect, test } from "vitest";
import { bps, group, sum, usdc, usdcExact, usdcParts } from "./money";

test("amounts keep two to six decimals, exactly", () => {
    expect(usdc("0")).toBe("0.00");
    expect(usdc("1")).toBe("0.000001");
    expect(usdc("100000")).toBe("0.10");
    expect(usdc("65100")).toBe("0.0651");
    expect(usdc("1234567891")).toBe("1,234.567891");
    expect(usdc(-2000n)).toBe("−0.002");
});

test("what a float cannot hold stays exact", () => {
    expect(usdc("18446744073709551615")).toBe("18,446,744,073,709.551615");
    expect(usdcExact("9007199254740993")).toBe("9007199254.740993");
    expect(sum(["100000", "200000"])).toBe(300000n);
    expect(sum(Array<string>(10).fill("100000"))).toBe(1_000_000n);
});

test("parts align at six digits", () => {
    expect(usdcParts("100000")).toEqual({ sign: "", whole: "0", decimals: ".10", zeros: "0000" });
    expect(usdcParts("1234567891").zeros).toBe("");
});

test("a spreadsheet gets a plain number of six decimals", () => {
    expect(usdcExact("1234567891")).toBe("1234.567891");
    expect(usdcExact(-1n)).toBe("-0.000001");
});

test("what is no integer is refused", () => {
    expect(() => usdc("0.1")).toThrow(SyntaxError);
    expect(() => usdc("<b>")).toThrow(SyntaxError);
});

test("digits are grouped, shares are whole basis points", () => {
    expect(group(1234567)).toBe("1,234,567");
    expect(group("999")).toBe("999");
    expect(bps("65100", "100000")).toBe(6510);
    expect(bps("1", "0")).toBe(0);
});
