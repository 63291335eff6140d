#!/usr/bin/env node
// Our trees against a Certificate Transparency library that shares nothing with them.
//
//   rfc9162.js FILE   checks the trees of a JSON file, or of its "tree" section; "-" reads standard input
//
// A tree is {size, leafInputs: [hex], root: hex, paths: [[hex]]}. The library builds root and paths from
// the leaves' data, which must be ours, and verifies our paths, which must hold at their place only.
const fs = require('fs');
const path = require('path');
const cache = process.env.SWARM_CACHE || path.join(require('os').homedir(), '.cache', 'swarmos');
let ct;
try {
  ct = require(path.join(cache, 'npm', 'node_modules', '@transmute', 'rfc9162')).RFC9162;
} catch (error) {
  console.error(`no @transmute/rfc9162 in ${cache}: run scripts/setup (${error.message})`);
  process.exit(1);
}

const bytes = (hex) => new Uint8Array(Buffer.from(hex.replace(/^0x/, ''), 'hex'));
const hex = (array) => '0x' + Buffer.from(array).toString('hex');

function same(what, ours, theirs) {
  if (ours !== theirs) throw new Error(`${what}: ours ${ours}, the library's ${theirs}`);
}

async function check(tree) {
  const entries = tree.leafInputs.map(bytes);
  const name = `tree of ${tree.size}`;
  same(`${name}, leaves`, tree.size, entries.length);
  same(`${name}, paths`, tree.size, tree.paths.length);
  same(`${name}, root`, tree.root, hex(await ct.treeHead(entries)));
  for (let index = 0; index < entries.length; index++) {
    const what = `${name}, leaf ${index}`;
    const proof = await ct.inclusionProof(entries[index], entries);
    same(`${what}, index (data must differ)`, index, proof.leaf_index);
    same(`${what}, path`, tree.paths[index].join(), proof.inclusion_path.map(hex).join());
    const leaf = await ct.leaf(entries[index]);
    const ours = { ...proof, inclusion_path: tree.paths[index].map(bytes) };
    const holds = (at) => ct.verifyInclusionProof(bytes(tree.root), leaf, { ...ours, leaf_index: at });
    same(`${what}, verified`, true, await holds(index));
    const other = (index + 1) % entries.length;
    if (other !== index) same(`${what} at ${other}, verified`, false, await holds(other));
  }
  return entries.length;
}

async function main(file) {
  const json = JSON.parse(fs.readFileSync(file === '-' ? 0 : file, 'utf8'));
  const trees = json.tree || json;
  let leaves = 0;
  for (const tree of trees) leaves += await check(tree);
  if (leaves === 0) throw new Error('no leaf in any tree: nothing was checked');
  console.log(`${trees.length} trees, ${leaves} paths: the same as @transmute/rfc9162's`);
}

main(process.argv[2] || path.join(__dirname, '../../daemon/types/vectors/protocol.json')).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
