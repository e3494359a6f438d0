#!/usr/bin/env node
// Builds the contracts with forge and writes what the rest of the project takes from them:
//
//   artifacts/NAME.json         ABI and creation code of each contract that is deployed
//   artifacts/NAME.code.json    of a contract that is known by its code: the code as deployed, and
//                               where its immutables are written, in the order of their declaration
//   snapshots/sizes.json        size of each deployed contract against the limit of EIP-170
//
// `node generate.mjs` writes the files, `node generate.mjs --check` compares them and exits 1 on a
// difference. The output depends only on the sources and on the versions in tests/package.json.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const CONTRACTS = [
  "ERC1967Proxy",
  "Rollup",
  "TimelockController",
  "VerifierRouter",
  "WrapVerifier",
];
const KNOWN_BY_CODE = ["WrapVerifier"];
const CODE_LIMIT_BYTES = 24_576; // EIP-170
const here = import.meta.dirname;
const check = process.argv.includes("--check");

execFileSync(join(here, "../tests/node_modules/.bin/forge"), ["build", "--quiet"], {
  cwd: here,
  stdio: ["ignore", "inherit", "inherit"],
});

const wanted = new Map();
const sizes = {};
for (const name of CONTRACTS) {
  const built = JSON.parse(readFileSync(join(here, `out/${name}.sol/${name}.json`), "utf8"));
  for (const code of [built.bytecode, built.deployedBytecode]) {
    if (Object.keys(code.linkReferences ?? {}).length > 0) {
      throw new Error(`${name} needs a linked library, which the artefacts do not support`);
    }
  }
  const bytes = (built.deployedBytecode.object.length - 2) / 2;
  if (bytes > CODE_LIMIT_BYTES) throw new Error(`${name} has ${bytes} bytes, over EIP-170's limit`);
  sizes[name] = bytes;
  const artefact = { contractName: name, abi: built.abi, bytecode: built.bytecode.object };
  wanted.set(`artifacts/${name}.json`, `${JSON.stringify(artefact, null, 1)}\n`);
  if (KNOWN_BY_CODE.includes(name)) {
    // Keys are the compiler's numbers of the declarations, which ascend through the source.
    const references = Object.entries(built.deployedBytecode.immutableReferences);
    references.sort(([left], [right]) => Number(left) - Number(right));
    const places = references.map(([, uses]) => uses.map((use) => use.start));
    const code = { code: built.deployedBytecode.object, immutables: places };
    wanted.set(`artifacts/${name}.code.json`, `${JSON.stringify(code)}\n`);
  }
}
wanted.set("snapshots/sizes.json", `${JSON.stringify(sizes, null, 2)}\n`);

const known = new Set([...wanted.keys()]);
const stale = readdirSync(join(here, "artifacts"))
  .map((file) => `artifacts/${file}`)
  .filter((file) => !known.has(file));
const differing = [];
for (const [file, text] of wanted) {
  let present;
  try {
    present = readFileSync(join(here, file), "utf8");
  } catch {
    present = undefined;
  }
  if (present === text) continue;
  differing.push(file);
  if (!check) {
    mkdirSync(join(here, file, ".."), { recursive: true });
    writeFileSync(join(here, file), text);
  }
}
if (check && (differing.length > 0 || stale.length > 0)) {
  const list = [...differing, ...stale].map((file) => `contracts/${file}`).join(", ");
  process.stderr.write(`out of date: ${list}; run \`node contracts/generate.mjs\`\n`);
  process.exitCode = 1;
} else if (!check) {
  for (const file of stale) rmSync(join(here, file));
}
