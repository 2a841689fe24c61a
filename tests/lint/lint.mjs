// Reads both documents as others will; prints what is wrong with them, a line each, and nothing else.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";
import { createConfig, lint } from "@redocly/openapi-core";

const [openapi, asyncapi] = process.argv.slice(2);
const rules = {
  "info-license": "off",
  // The nouns say what they are.
  "tag-description": "off",
  // Ids are UUIDs, so no volunteer is called "imports".
  "no-ambiguous-paths": "off",
};
const config = await createConfig({ extends: ["recommended-strict"], rules });
for (const problem of await lint({ ref: openapi, config })) {
  if (problem.severity === "error") {
    console.log(`openapi ${problem.ruleId} ${problem.location[0]?.pointer ?? ""} ${problem.message}`);
  }
}
const { diagnostics } = await new Parser().parse(readFileSync(asyncapi, "utf8"));
for (const found of diagnostics.filter((one) => one.severity === 0)) {
  console.log(`asyncapi ${found.code} ${found.path.join("/")} ${found.message}`);
}
