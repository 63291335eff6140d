import { expect, test } from "vitest";
import { href, parseRoute } from "./router";

test("a fragment is read into words and a query", () => {
    const route = parseRoute("#/epoch/2?tab=jobs&after=job-001-0003");
    expect(route.path).toEqual(["epoch", "2"]);
    expect(route.query.get("tab")).toBe("jobs");
    expect(route.query.get("after")).toBe("job-001-0003");
});

test("nothing is the overview, in every spelling", () => {
    for (const fragment of ["", "#", "#/", "/"]) expect(parseRoute(fragment).path).toEqual([]);
});

test("hostile words come back as they were", () => {
    const name = "a/b?c#d<img src=x>é%";
    expect(parseRoute(href("search", name)).path).toEqual(["search", name]);
    expect(parseRoute("#/search/%E0%A4%A").path).toEqual(["search", "%E0%A4%A"]);
});
