// What a page loads before it can speak: as served, comments and all.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const LIMIT = 10_000;

/** A module and all that it imports by a statement. */
function closure(url, found = new Map()) {
  if (found.has(url.href)) return found;
  const source = readFileSync(url, "utf8");
  found.set(url.href, source);
  for (const [, name] of source.matchAll(/^(?:import|export)\b[^;"]*"(\.[^"]+)";$/gm)) closure(new URL(name, url), found);
  return found;
}

test("the core is small", () => {
  const modules = closure(new URL("../src/streamer.js", import.meta.url));
  assert.ok(modules.size > 5);
  const bytes = gzipSync([...modules.values()].join(""), { level: 9 }).length;
  console.log(`${bytes} bytes of ${modules.size} modules`);
  assert.ok(bytes <= LIMIT, `${bytes} bytes`);
});
