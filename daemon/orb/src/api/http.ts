// One way to fetch: same origin and relative, with a deadline, and errors that say what to do.

/** Longest wait for an answer, milliseconds. */
const ANSWER_MS_MAX = 20_000;

/** Why something could not be shown. */
export class Failure extends Error {
    /**
     * - `offline`: nothing answered.
     * - `missing`: answered, and there is no such thing.
     * - `refused`: answered with another problem.
     * - `damaged`: answered with something that is not what was asked for.
     */
    constructor(
        readonly kind: "offline" | "missing" | "refused" | "damaged",
        message: string,
        /** The request's field that is at fault, if one is. */
        readonly field: string | null = null,
    ) {
        super(message);
    }
}

/** What the queen says of an error (RFC 9457). */
interface Problem {
    readonly title?: unknown;
    readonly detail?: unknown;
    readonly field?: unknown;
}

/** Fetches a file beside the page. Throws [`Failure`]. */
export async function fetchHere(path: string, init: RequestInit = {}): Promise<Response> {
    const deadline = AbortSignal.timeout(ANSWER_MS_MAX);
    const signal = init.signal ? AbortSignal.any([init.signal, deadline]) : deadline;
    let response: Response;
    try {
        response = await fetch(new URL(path, document.baseURI), { ...init, signal, redirect: "error" });
    } catch (error) {
        if (init.signal?.aborted) throw error;
        throw new Failure("offline", "Nothing answered. The page keeps what it has and tries again.");
    }
    if (response.ok) return response;
    throw await problem(response);
}

/** Fetches JSON beside the page. Throws [`Failure`]. */
export async function fetchJson<T>(path: string, init: RequestInit = {}): Promise<T> {
    const response = await fetchHere(path, init);
    try {
        return (await response.json()) as T;
    } catch {
        throw new Failure("damaged", `${path} is not JSON: perhaps another program answers here.`);
    }
}

async function problem(response: Response): Promise<Failure> {
    const kind = response.status === 404 ? "missing" : "refused";
    const type = response.headers.get("content-type") ?? "";
    if (!type.startsWith("application/problem+json")) {
        return new Failure(kind, kind === "missing" ? "There is no such thing here." : `The answer was HTTP ${response.status}.`);
    }
    const body = (await response.json().catch(() => ({}))) as Problem;
    const text = [body.title, body.detail].filter((part) => typeof part === "string").join(": ");
    return new Failure(kind, text || `HTTP ${response.status}`, typeof body.field === "string" ? body.field : null);
}
