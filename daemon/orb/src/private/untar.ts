// Unpacks a tar of plain files (ustar), as bees pack their results.

/** A file of an archive. */
export interface File {
    readonly name: string;
    readonly bytes: Uint8Array;
}

const BLOCK = 512;
/** Files that an archive may have. */
const FILES_MAX = 4_096;

/** The files of an archive, in its order. Throws on anything else than plain files with sound headers. */
export function untar(archive: Uint8Array): File[] {
    const files: File[] = [];
    for (let at = 0; at + BLOCK <= archive.length;) {
        const header = archive.subarray(at, at + BLOCK);
        if (header.every((byte) => byte === 0)) return files;
        if (files.length === FILES_MAX) throw new Error(`The archive has more than ${FILES_MAX} files.`);
        if (octal(header, 148, 8) !== checksum(header)) throw new Error("The archive is damaged: a header's checksum is wrong.");
        const kind = header[156];
        if (kind !== 0 && kind !== 0x30) throw new Error("The archive holds something else than plain files.");
        const size = octal(header, 124, 12);
        const start = at + BLOCK;
        if (start + size > archive.length) throw new Error("The archive ends in the middle of a file.");
        const prefix = text(header, 345, 155);
        const name = text(header, 0, 100);
        files.push({ name: prefix ? `${prefix}/${name}` : name, bytes: archive.subarray(start, start + size) });
        at = start + Math.ceil(size / BLOCK) * BLOCK;
    }
    return files;
}

function text(header: Uint8Array, at: number, length: number): string {
    const field = header.subarray(at, at + length);
    const end = field.indexOf(0);
    return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

function octal(header: Uint8Array, at: number, length: number): number {
    const digits = text(header, at, length).trim();
    if (!/^[0-7]{1,12}$/.test(digits)) throw new Error("The archive is damaged: a header's number cannot be read.");
    return Number.parseInt(digits, 8);
}

// The sum of a header's bytes, with spaces where the sum itself stands.
function checksum(header: Uint8Array): number {
    return header.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 0x20 : byte), 0);
}
