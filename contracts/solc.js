#!/usr/bin/env node
// solc for forge and foundry-compilers out of the npm package: answers --version and --standard-json.
const path = require('path');
const cache = process.env.SWARM_CACHE || path.join(require('os').homedir(), '.cache', 'swarmos');
let solc;
try {
  solc = require(path.join(cache, 'npm', 'node_modules', 'solc'));
} catch (error) {
  console.error(`no solc in ${cache}: run scripts/setup (${error.message})`);
  process.exit(1);
}
const args = process.argv.slice(2);
if (args.includes('--version')) {
  console.log('solc, the solidity compiler commandline interface');
  console.log('Version: ' + solc.version().replace('Emscripten.clang', 'Linux.g++'));
} else if (args.includes('--standard-json')) {
  process.stdout.write(solc.compile(require('fs').readFileSync(0, 'utf8')));
} else {
  console.error('solc.js answers only --version and --standard-json');
  process.exit(1);
}
