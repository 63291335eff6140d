// Server-sent events over fetch. EventSource hides the keep-alive comments, which are what tells "nothing
// happens" from "nobody is there", and cannot say where to go on from the first time.

/** A message of a stream. */
export interface Message {
    readonly id: string;
    readonly event: string;
    readonly data: string;
}

/** Longest line that is kept; a longer one is cut and its message will not parse. */
const LINE_CHARS_MAX = 1 << 20;

/** Reads a stream's text piece by piece. */
export class Parser {
    #rest = "";
    #id = "";
    #event = "";
    #data: string[] = [];

    /** The messages that `text` completes. */
    push(text: string): Message[] {
        const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
        this.#rest = (lines.pop() ?? "").slice(0, LINE_CHARS_MAX);
        return lines.flatMap((line) => this.#line(line) ?? []);
    }

    #line(line: string): Message | null {
        if (line === "") return this.#end();
        const colon = line.indexOf(":");
        const field = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (field === "id") this.#id = value;
        else if (field === "event") this.#event = value;
        else if (field === "data") this.#data.push(value);
        return null;
    }

    #end(): Message | null {
        const message = { id: this.#id, event: this.#event || "message", data: this.#data.join("\n") };
        const empty = this.#data.length === 0;
        this.#event = "";
        this.#data = [];
        return empty ? null : message;
    }
}
