/**
 * Fails the build when the page has grown too heavy for a slow line.
 *
 * Counts what a visitor's first load fetches: one language's HTML and every file it names, gzipped.
 */
import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";

const OUT = new URL("../../static/", import.meta.url);
const BUDGET_KB = { script: 45, style: 8, "first load": 60 };

let over = false;
for (const language of ["kk", "ru", "en"]) {
  const html = await readFile(new URL(`${language}/index.html`, OUT));
  const sizes = { script: 0, style: 0, "first load": gzipSync(html).length };
  const named = new Set([...html.toString().matchAll(/(?:href|src)="\/([^"]+\.(?:js|css|svg))"/g)].map(([, path]) => path));
  for (const path of named) {
    const bytes = gzipSync(await readFile(new URL(path, OUT))).length;
    sizes["first load"] += bytes;
    if (path.endsWith(".js")) sizes.script += bytes;
    if (path.endsWith(".css")) sizes.style += bytes;
  }
  const parts = Object.entries(BUDGET_KB).map(([part, budget]) => {
    const kilobytes = sizes[part] / 1024;
    over ||= kilobytes > budget;
    return `${part} ${kilobytes.toFixed(1)} of ${budget} KB`;
  });
  console.log(`${language}  ${parts.join(", ")}`);
}
if (over) {
  console.error("The page is over its budget.");
  process.exit(1);
}
