import { expect, test } from "vitest";
import { requestText } from "./signed";

test("the signed text is the five lines that the queen reads", () => {
    expect(requestText("GET", "/api/v1/jobs/job-001-0001/result", 1700000000, 7n)).toBe(
        "GET\n/api/v1/jobs/job-001-0001/result\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n1700000000\n7",
    );
});
