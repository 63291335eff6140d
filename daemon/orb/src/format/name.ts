// ENS names, as far as ENSIP-15 gives them one form in ASCII. Anything else could be shown as another name.

/** Longest name, in bytes (DNS). */
export const NAME_BYTES_MAX = 253;
/** Longest label, in bytes (DNS). */
const LABEL_BYTES_MAX = 63;

/** A name in its one form, or why there is none. */
export type NameRead = { readonly name: string } | { readonly refused: string };

/** Whether a text was meant as a name: words with dots between them. */
export function looksLikeName(text: string): boolean {
    return /^[^\s/\\]+$/.test(text) && /[^.]\.+[^.]/.test(text);
}

/** Reads a name. Capitals are made small, as ENSIP-15 does; what could be taken for another name is refused. */
export function readName(text: string): NameRead {
    if (text.length > NAME_BYTES_MAX) return { refused: `It has ${text.length} characters; a name has at most ${NAME_BYTES_MAX}.` };
    const name = text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
    for (const character of name) {
        if (!/[a-z0-9._-]/.test(character)) return { refused: `It has ${spelled(character)} in it. Only a to z, 0 to 9, hyphen and underscore are taken: other characters can make two names look the same.` };
    }
    for (const label of name.split(".")) {
        if (label === "") return { refused: "Between two dots, or at an end, there is nothing." };
        if (label.length > LABEL_BYTES_MAX) return { refused: `One of its parts is longer than ${LABEL_BYTES_MAX} characters.` };
        if (/[^_]_/.test(label)) return { refused: "An underscore may stand only at the beginning of a part." };
        if (label.slice(2, 4) === "--") return { refused: "Hyphens at the third and fourth place mark a coded name (such as xn--…), which could be shown as another." };
    }
    return { name };
}

/** A character by its number, and as itself where it can do no harm. */
function spelled(character: string): string {
    const number = `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}`;
    return /[\p{L}\p{N}\p{P}\p{S}]/u.test(character) ? `“${character}” (${number})` : number;
}
