import { useEffect, useRef, useState } from "preact/hooks";
import { go, href } from "../router";

/** Finds a job, an epoch, an address, a name, a transaction or a root. The key "/" leads here from anywhere. */
export function Search() {
    const [text, setText] = useState("");
    const input = useRef<HTMLInputElement>(null);
    useEffect(() => {
        const onKey = (event: KeyboardEvent): void => {
            const typing = event.target instanceof HTMLElement && event.target.matches("input, textarea, select");
            if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
            event.preventDefault();
            input.current?.focus();
        };
        addEventListener("keydown", onKey);
        return () => {
            removeEventListener("keydown", onKey);
        };
    }, []);
    const submit = (event: SubmitEvent): void => {
        event.preventDefault();
        if (text.trim()) go(href("search", text.trim()));
    };
    return (
        <form class="search" role="search" onSubmit={submit}>
            <input
                ref={input}
                type="search"
                value={text}
                onInput={(event) => setText(event.currentTarget.value)}
                placeholder="Job, epoch, address, name, transaction, root"
                aria-keyshortcuts="/"
                title="The key / leads here"
                aria-label="Search by job, epoch, address, name, transaction or root"
                spellcheck={false}
                autocomplete="off"
            />
        </form>
    );
}
