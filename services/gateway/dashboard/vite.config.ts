/** How the page is built: one script, one style sheet, and one small HTML file for each language. */
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";
import type { Plugin } from "vitest/config";
import { LANGUAGES } from "./src/i18n/language.ts";
import { catalogue } from "./src/i18n/words.ts";

const OUT = fileURLToPath(new URL("../static/", import.meta.url));

/** What is fetched when it is wanted: two of the three catalogues, and what the bar's buttons open. */
const LATER = /\/src\/(?:i18n\/(?:kk|ru|en)\.ts|panels\/|csv\.ts)/;

/** Writes kk/, ru/ and en/index.html, so that `lang` and the title are right before any script runs. */
function languagePages(): Plugin {
  return {
    name: "language-pages",
    apply: "build",
    writeBundle: async (_, bundle) => {
      const page = await readFile(`${OUT}index.html`, "utf8");
      for (const language of LANGUAGES) {
        const words = await catalogue(language);
        const chunk = Object.values(bundle).find((one) => one.type === "chunk" && one.name === language);
        if (!chunk) throw new Error(`No chunk holds the catalogue "${language}".`);
        const html = page
          .replace('<html lang="kk">', `<html lang="${language}">`)
          .replace(/<title>[^<]*<\/title>/, `<title>${words.app.name} · ${words.app.what}</title>`)
          // Asked for at once, not after the main script has been read.
          .replace("</head>", `  <link rel="modulepreload" crossorigin href="/${chunk.fileName}">\n  </head>`)
          .replace('content="description"', `content="${words.app.description}"`)
          .replace(
            /<noscript>[\s\S]*<\/noscript>/,
            `<noscript><p><a href="/plain/${language}/">${words.app.plainPage}</a></p></noscript>`,
          );
        await mkdir(`${OUT}${language}`, { recursive: true });
        await writeFile(`${OUT}${language}/index.html`, html);
      }
      // What is at hand for whoever looks for an index.html: the page in its first language.
      await copyFile(`${OUT}kk/index.html`, `${OUT}index.html`);
    },
  };
}

export default defineConfig({
  plugins: [svelte(), languagePages()],
  base: "/",
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
    // Left alone the bundler makes six small shared chunks of it, which travel worse than one.
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [{ name: "page", test: (id: string) => !LATER.test(id), includeDependenciesRecursively: false }],
        },
      },
    },
  },
  // Vitest would otherwise load Svelte's server build, which cannot mount a component.
  ...(process.env["VITEST"] ? { resolve: { conditions: ["browser"] } } : {}),
  test: { include: ["tests/**/*.test.ts"], restoreMocks: true, unstubGlobals: true },
});
