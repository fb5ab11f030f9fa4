#!/usr/bin/env node
// Plain JavaScript, so that `node bin/boardlog.js` and an installed `boardlog` work from any folder.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const program = new URL("../dist/boardlog.js", import.meta.url);
if (existsSync(program)) {
  await import(program.href);
} else {
  const folder = fileURLToPath(new URL("..", import.meta.url));
  process.stderr.write(`boardlog is not built yet: run "npm ci && npm run build" in ${folder}\n`);
  process.exitCode = 2;
}
