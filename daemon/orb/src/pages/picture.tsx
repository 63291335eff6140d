import { useEffect, useState } from "preact/hooks";
import type { Job } from "../api/types";
import { Card } from "../components/layout";
import { Notice } from "../components/states";
import { open, release, type Opened, type Released } from "../private/result";
import { account, hasWallet } from "../private/wallet";
import { group } from "../format/money";

/** The result, for the job's owner only. Nothing of it is kept: leaving the page forgets it. */
export function Picture({ job }: { job: Job }) {
    const [released, setReleased] = useState<Released | null>(null);
    const [opened, setOpened] = useState<Opened | null>(null);
    const [failure, setFailure] = useState<string | null>(null);
    const [busy, setBusy] = useState(false);
    const attempt = async (work: () => Promise<void>): Promise<void> => {
        setBusy(true);
        setFailure(null);
        await work().catch((error: unknown) => setFailure(said(error)));
        setBusy(false);
    };
    return (
        <Card
            title="The result, for its owner"
            note="Results are encrypted to the client. The queen gives the ciphertext only for the client's signature; it is opened in this browser, with the client's age identity."
        >
            {failure !== null && (
                <Notice tone="bad" title="Not opened" alert>
                    {failure}
                </Notice>
            )}
            {opened ? (
                <Files opened={opened} />
            ) : released ? (
                <Open busy={busy} onOpen={(identity) => void attempt(async () => setOpened(await open(released, identity)))} />
            ) : hasWallet() ? (
                <>
                    <button
                        type="button"
                        class="primary"
                        disabled={busy}
                        onClick={() => void attempt(async () => setReleased(await release(job.job_id, await account())))}
                    >
                        {busy ? "Waiting for the wallet…" : "Sign with the client's wallet"}
                    </button>
                    <p class="hint">
                        The wallet is asked twice: for the result's name and for its bytes. Nothing is sent to the chain and nothing costs
                        gas.
                    </p>
                </>
            ) : (
                <p class="hint">
                    This browser has no wallet. On the command line: <code>swarm result {job.job_id}</code>
                </p>
            )}
        </Card>
    );
}

function Open({ busy, onOpen }: { busy: boolean; onOpen: (identity: string) => void }) {
    const [identity, setIdentity] = useState("");
    const submit = (event: SubmitEvent): void => {
        event.preventDefault();
        onOpen(identity.trim());
        setIdentity("");
    };
    return (
        <form class="open" onSubmit={submit} autocomplete="off">
            <label>
                The client's age identity
                <input
                    type="password"
                    value={identity}
                    onInput={(event) => setIdentity(event.currentTarget.value)}
                    placeholder="AGE-SECRET-KEY-1…"
                    autocomplete="off"
                    spellcheck={false}
                    required
                />
            </label>
            <button type="submit" class="primary" disabled={busy}>
                {busy ? "Opening…" : "Open it here"}
            </button>
            <p class="hint">It is used in this browser and forgotten: it is not sent and not stored.</p>
        </form>
    );
}

function Files({ opened }: { opened: Opened }) {
    const report = opened.files.find(({ name }) => name === "report.json");
    return (
        <>
            {opened.signed ? (
                <Notice tone="good" title="These are the files that the worker signed for" />
            ) : (
                <Notice tone="bad" title="These are not the files that the worker signed for" alert>
                    The manifest of what was decrypted is not the one in the signed execution.
                </Notice>
            )}
            {opened.files
                .filter(({ name }) => name.endsWith(".png"))
                .map(({ name, bytes }) => (
                    <Image key={name} name={name} bytes={bytes} />
                ))}
            {report && <Report bytes={report.bytes} />}
            <ul class="files">
                {opened.files.map(({ name, bytes }) => (
                    <li key={name}>
                        <Download name={name} bytes={bytes} /> <span class="faint">{group(bytes.length)} bytes</span>
                    </li>
                ))}
            </ul>
            <p class="hint">Research use, not for diagnosis.</p>
        </>
    );
}

/** A blob's address for as long as it is shown. */
function useBlob(bytes: Uint8Array, type: string): string | null {
    const [url, setUrl] = useState<string | null>(null);
    useEffect(() => {
        const made = URL.createObjectURL(new Blob([bytes.slice()], { type }));
        setUrl(made);
        return () => URL.revokeObjectURL(made);
    }, [bytes]);
    return url;
}

function Image({ name, bytes }: { name: string; bytes: Uint8Array }) {
    const url = useBlob(bytes, "image/png");
    return url ? <img class="picture" src={url} alt={`${name}: the label map drawn on the scan`} /> : null;
}

function Download({ name, bytes }: { name: string; bytes: Uint8Array }) {
    const url = useBlob(bytes, "application/octet-stream");
    return url ? (
        <a href={url} download={name.split("/").at(-1)}>
            {name}
        </a>
    ) : null;
}

function Report({ bytes }: { bytes: Uint8Array }) {
    let text = new TextDecoder().decode(bytes);
    try {
        text = JSON.stringify(JSON.parse(text), null, 2);
    } catch {
        // Shown as it is.
    }
    return (
        <details open>
            <summary>report.json</summary>
            <pre class="report" tabIndex={0}>
                {text}
            </pre>
        </details>
    );
}

function said(error: unknown): string {
    if (error instanceof Error)
        return /identity|no identity matched/i.test(error.message) ? "This identity does not open it." : error.message;
    const message = (error as { message?: unknown } | null)?.message;
    return typeof message === "string" ? message : "The wallet refused.";
}
