import { expect, test } from "vitest";
import { Parser } from "./sse";

test("messages come whole, wherever the stream is cut", () => {
    const text = 'id: 7\nevent: job.completed\ndata: {"seq":"7"}\n\n: keep-alive\n\nid:8\r\ndata: a\r\ndata: b\r\n\r\n';
    const whole = new Parser().push(text);
    expect(whole).toEqual([
        { id: "7", event: "job.completed", data: '{"seq":"7"}' },
        { id: "8", event: "message", data: "a\nb" },
    ]);
    for (let cut = 0; cut <= text.length; cut += 1) {
        const parser = new Parser();
        expect([...parser.push(text.slice(0, cut)), ...parser.push(text.slice(cut))]).toEqual(whole);
    }
});

test("comments and unknown fields say nothing", () => {
    expect(new Parser().push(": hello\nretry: 3\nfoo\n\n")).toEqual([]);
});
