import { expect, test } from "vitest";
import { day, duration, iso, relative, utc } from "./time";

test("times are UTC", () => {
    expect(utc("1764170000")).toBe("2025-11-26 15:13:20");
    expect(iso(1764170000)).toBe("2025-11-26T15:13:20Z");
    expect(day("1764170000")).toBe("26 Nov");
});

test("a time that no calendar has is shown as it came", () => {
    expect(utc("18446744073709551615")).toBe("18446744073709551615");
    expect(iso("nonsense")).toBe("nonsense");
});

test("durations have their two largest units", () => {
    expect(duration(0)).toBe("0 s");
    expect(duration(59)).toBe("59 s");
    expect(duration("185")).toBe("3 min 5 s");
    expect(duration(3600)).toBe("1 h");
    expect(duration(86_400 + 7_200 + 59)).toBe("1 d 2 h");
    expect(duration(-5)).toBe("0 s");
});

test("ages and countdowns", () => {
    expect(relative(100, 101)).toBe("just now");
    expect(relative("100", 142)).toBe("42 s ago");
    expect(relative(400, 100)).toBe("in 5 min");
    expect(relative(0, 86_400 * 3)).toBe("3 d ago");
});
