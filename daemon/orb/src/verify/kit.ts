/**
 * The stranger's kit: verifying by a block explorer's Read tab. Everything to type is made of the receipt at hand, in
 * the forms that the explorers take, with the answers that must come back.
 */
import { hex } from "./bytes";
import { encodeReceipt, RECEIPT, words } from "./eip712";
import { calldata, EPOCHS, RECEIPT_LEAF, VERIFY_RECEIPT, verifyReceiptData } from "./escrow";
import { leafHash } from "./tree";
import type { Hex, ReadTabCall, ReadTabInput, Receipt, ReceiptProof } from "./types";

/** Etherscan's family reads structs and arrays as JSON, and every integer of it as a string. */
function json(values: (bigint | Hex)[]): string {
    return JSON.stringify(values.map(String));
}

function receiptInput(receipt: Receipt): ReadTabInput {
    const fields = RECEIPT.map(({ name, type }) => ({ name, type, value: String(receipt[name as keyof Receipt]) }));
    const value = json(RECEIPT.map(({ name }) => receipt[name as keyof Receipt]));
    return { name: "receipt", type: `tuple(${RECEIPT.map((field) => `${field.type} ${field.name}`).join(",")})`, value, fields };
}

/** `verifyReceipt`: whether the receipt is in the epoch, and where that epoch stands. */
export function readTabReceipt(proof: ReceiptProof): ReadTabCall {
    return {
        contract: proof.escrow,
        function: "verifyReceipt",
        signature: VERIFY_RECEIPT,
        inputs: [
            { name: "epoch", type: "uint64", value: String(proof.epoch) },
            { name: "index", type: "uint64", value: String(proof.index) },
            receiptInput(proof.receipt),
            { name: "path", type: "bytes32[]", value: json(proof.path) },
        ],
        data: hex(verifyReceiptData(proof)),
        answers: [
            { name: "included", type: "bool", value: "true" },
            { name: "epochStatus", type: "uint8", value: "2 (final), or 1 (pending) while the challenge window is open; 3 is void" },
        ],
    };
}

/** `epochs`: what the contract stores of the receipt's epoch. */
export function readTabEpoch(proof: Pick<ReceiptProof, "escrow" | "epoch" | "root" | "size">): ReadTabCall {
    return {
        contract: proof.escrow,
        function: "epochs",
        signature: EPOCHS,
        inputs: [{ name: "epoch", type: "uint64", value: String(proof.epoch) }],
        data: hex(calldata(EPOCHS, words([proof.epoch]))),
        answers: [
            { name: "status", type: "uint8", value: "2 (final), or 1 (pending) while the challenge window is open; 3 is void" },
            { name: "receiptsRoot", type: "bytes32", value: proof.root },
            { name: "receiptCount", type: "uint64", value: String(proof.size) },
        ],
    };
}

/** `receiptLeaf`: the leaf's hash, to compare with one that was made by hand. */
export function readTabLeaf(proof: ReceiptProof): ReadTabCall {
    return {
        contract: proof.escrow,
        function: "receiptLeaf",
        signature: RECEIPT_LEAF,
        inputs: [receiptInput(proof.receipt)],
        data: hex(calldata(RECEIPT_LEAF, encodeReceipt(proof.receipt))),
        answers: [{ name: "", type: "bytes32", value: hex(leafHash(encodeReceipt(proof.receipt))) }],
    };
}
