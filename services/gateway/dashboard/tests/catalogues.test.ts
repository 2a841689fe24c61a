/** The three catalogues say the same things: equal keys, equal blanks, every plural form a language has. */
import { describe, expect, test } from "vitest";
import type { Language } from "../src/i18n/language.ts";
import { LANGUAGES } from "../src/i18n/language.ts";
import { catalogue, category, counted, fill } from "../src/i18n/words.ts";
import { FIGURES, ROW_FIGURES } from "../src/live/contract.ts";

type Node = string | { readonly [key: string]: Node };

const all = Object.fromEntries(
  await Promise.all(LANGUAGES.map(async (language) => [language, await catalogue(language)] as const)),
) as unknown as Record<Language, Node>;
const LOCALES = { kk: "kk-KZ", ru: "ru", en: "en" };

const isForms = (node: Node): boolean => typeof node !== "string" && typeof node["other"] === "string" && "one" in node;

function flat(node: Node, path = ""): [string, Node][] {
  if (typeof node === "string" || isForms(node)) return [[path, node]];
  return Object.entries(node).flatMap(([key, child]) => flat(child, path ? `${path}.${key}` : key));
}

const blanks = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? "").sort();

describe.each(["ru", "en"] as const)("%s beside kk", (language) => {
  const other = new Map(flat(all[language]));

  test("has the same keys", () => {
    expect([...other.keys()].sort()).toEqual(flat(all.kk).map(([key]) => key).sort());
  });

  test("has the same blanks", () => {
    for (const [key, node] of flat(all.kk)) {
      const twin = other.get(key);
      if (typeof node === "string") expect([key, blanks(twin as string)]).toEqual([key, blanks(node)]);
    }
  });
});

describe.each(LANGUAGES)("%s", (language) => {
  test("has exactly its plural forms, each with the count in it", () => {
    const wanted = new Intl.PluralRules(LOCALES[language]).resolvedOptions().pluralCategories.toSorted();
    for (const [key, node] of flat(all[language])) {
      if (typeof node === "string") continue;
      expect([key, Object.keys(node).sort()]).toEqual([key, wanted]);
      for (const text of Object.values(node)) expect(blanks(text as string)).toEqual(["n"]);
    }
  });

  test("chooses the form as CLDR does", () => {
    const rules = new Intl.PluralRules(LOCALES[language]);
    for (let count = 0; count <= 125; count += 1) expect(category(language, count)).toBe(rules.select(count));
    expect(category(language, 16_552)).toBe(rules.select(16_552));
  });

  test("leaves no text empty, untrimmed or in capitals", () => {
    for (const [, node] of flat(all[language])) {
      for (const text of typeof node === "string" ? [node] : Object.values(node)) {
        expect(text).toBe((text as string).trim());
        expect(text).not.toBe("");
        expect(text).not.toMatch(/\p{Lu}{6}/u);
      }
    }
  });

  test("names every figure", async () => {
    const words = await catalogue(language);
    expect(Object.keys(words.figures).sort()).toEqual([...FIGURES].sort());
    expect(Object.keys(words.columns).sort()).toEqual([...ROW_FIGURES].sort());
  });
});

test("Kazakh keeps the noun after a number, Russian does not", async () => {
  const [kk, ru] = [await catalogue("kk"), await catalogue("ru")];
  expect(counted("kk", kk.money.families, 16_552, "16\u00a0552")).toBe("16\u00a0552 отбасы");
  expect(counted("ru", ru.money.families, 16_552, "16\u00a0552")).toBe("16\u00a0552 семьи");
  expect(counted("ru", ru.money.families, 11, "11")).toBe("11 семей");
  expect(counted("ru", ru.money.families, 21, "21")).toBe("21 семья");
});

test("one screen speaks of «ерікті» or of «волонтер», never of both for a person", async () => {
  const words = JSON.stringify(await catalogue("kk"));
  // The institution's own name stays «волонтерлік орталық».
  expect(words.replaceAll(/волонтерлік/giu, "")).not.toMatch(/волонтер/iu);
});

test("a blank nobody fills stays visible", () => {
  expect(fill("{a} and {b}", { a: "x" })).toBe("x and {b}");
});
