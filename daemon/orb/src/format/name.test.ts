import { expect, test } from "vitest";
import { looksLikeName, readName } from "./name";

test("names of one form are taken, and capitals made small", () => {
    for (const name of ["bee-1.hive.eth", "_dmarc.x", "__x.y", "a--b.eth", "0x1.eth"]) expect(readName(name)).toEqual({ name });
    expect(readName("Clinic.Hive.ETH")).toEqual({ name: "clinic.hive.eth" });
});

test.each([
    ["bidi", "\u202ehte.evih", /U\+202E/],
    ["a letter of another script", "cl\u0456nic.eth", /“\u0456” \(U\+0456\)/],
    ["a capital of another script", "\u212Aing.eth", /U\+212A/],
    ["a joiner", "cli\u200dnic.eth", /U\+200D/],
    ["full width", "\uff43linic.eth", /U\+FF43/],
    ["HTML", "<img-src=x>.eth", /“<”/],
    ["an emoji", "\u{1f41d}.eth", /U\+1F41D/],
    ["half a pair", "\ud83d.eth", /U\+D83D/],
    ["nothing between dots", "a..eth", /nothing/],
    ["an underscore inside", "a_b.eth", /underscore/],
    ["punycode", "xn--clnic-m8d.eth", /coded/],
    ["a long part", `${"a".repeat(64)}.eth`, /63/],
    ["10 kB", "ab.".repeat(3_413) + "eth", /10242 characters/],
])("%s is refused, and it is said why", (_, text, why) => {
    expect(looksLikeName(text)).toBe(true);
    expect(readName(text)).toEqual({ refused: expect.stringMatching(why) as string });
});
