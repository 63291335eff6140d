import { readName } from "../format/name";
import { index } from "./site";

/** The name that the chain confirmed for an address; undefined without one. An index that names something else than a name is not believed. */
export function nameOf(address: string): string | undefined {
    const name: unknown = index.value?.names[address.toLowerCase()]?.name;
    if (typeof name !== "string") return undefined;
    const read = readName(name);
    return "name" in read && read.name === name ? name : undefined;
}
