import { useState } from "preact/hooks";
import { go, href } from "../router";

/** Finds a job, an epoch, an address, a name, a transaction or a root. */
export function Search() {
    const [text, setText] = useState("");
    const submit = (event: SubmitEvent): void => {
        event.preventDefault();
        if (text.trim()) go(href("search", text.trim()));
    };
    return (
        <form class="search" role="search" onSubmit={submit}>
            <input
                type="search"
                value={text}
                onInput={(event) => setText(event.currentTarget.value)}
                placeholder="Job, epoch, address, name, transaction, root"
                aria-label="Search by job, epoch, address, name, transaction or root"
                spellcheck={false}
                autocomplete="off"
            />
        </form>
    );
}
