#!/usr/bin/env node
// Lets forge use the npm build of the Solidity compiler: forge cannot download one here.
//
// Speaks the two things forge asks of a compiler, `--version` and `--standard-json` (input on
// standard input, output on standard output); the compiler is the one that `tests/package.json`
// pins. Paths never reach the compiler: forge resolves every import into the input itself.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(new URL("../tests/package.json", import.meta.url));
const solc = require("solc");
const args = process.argv.slice(2);

if (args.includes("--version")) {
  process.stdout.write(
    `solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`,
  );
} else if (args.includes("--standard-json")) {
  process.stdout.write(solc.compile(readFileSync(0, "utf8")));
} else {
  process.stderr.write("solc-wrapper: only --version and --standard-json are supported\n");
  process.exitCode = 1;
}
