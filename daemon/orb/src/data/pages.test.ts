import { expect, test } from "vitest";
import { extended, refreshed } from "./pages";

const id = (row: string): string => row;
const list = { rows: ["5", "4", "3", "2"], next: "2" };

test("a list grows at its end", () => {
    expect(extended(list, { items: ["1"], next: null })).toEqual({ rows: ["5", "4", "3", "2", "1"], next: null });
});

test("new rows come before the old ones, and none is lost or doubled", () => {
    expect(refreshed(list, { items: ["7", "6", "5", "4"], next: "4" }, id)).toEqual({ rows: ["7", "6", "5", "4", "3", "2"], next: "2" });
});

test("where old and new do not meet the list starts afresh", () => {
    expect(refreshed(list, { items: ["9", "8"], next: "8" }, id)).toEqual({ rows: ["9", "8"], next: "8" });
    expect(refreshed(list, { items: [], next: null }, id)).toEqual({ rows: [], next: null });
});
