/** What the three catalogues have in common: their keys, plural forms and blanks. */
import type { kk } from "./kk.ts";
import type { Language } from "./language.ts";

/** Kazakh and English: one form after 1, another after everything else (in Kazakh the two are often equal). */
export interface TwoForms {
  one: string;
  other: string;
}

/** Russian: 21 семья, 16 552 семьи, 11 семей, 1,5 семьи. */
export interface RussianForms extends TwoForms {
  few: string;
  many: string;
}

/** The same keys with another language's texts and plural forms. */
export type Translated<Words, Forms> = {
  [Key in keyof Words]: Words[Key] extends TwoForms
    ? Forms
    : Words[Key] extends string
      ? string
      : Translated<Words[Key], Forms>;
};

export type Words = Translated<typeof kk, TwoForms>;

/** Fetches one language's catalogue; a visitor rarely needs the other two. */
export async function catalogue(language: Language): Promise<Words> {
  switch (language) {
    case "kk":
      return (await import("./kk.ts")).kk;
    case "ru":
      return (await import("./ru.ts")).ru;
    case "en":
      return (await import("./en.ts")).en;
  }
}

type Blanks = Readonly<Record<string, string>>;

/** Fills the {blanks} of a text. */
export function fill(text: string, blanks: Blanks): string {
  return text.replace(/\{(\w+)\}/g, (blank, name: string) => blanks[name] ?? blank);
}

/** CLDR's plural category of a whole number. */
export function category(language: Language, count: number): keyof RussianForms {
  const n = Math.abs(count);
  if (language !== "ru") return n === 1 ? "one" : "other";
  const [ten, hundred] = [n % 10, n % 100];
  if (ten === 1 && hundred !== 11) return "one";
  return ten >= 2 && ten <= 4 && (hundred < 12 || hundred > 14) ? "few" : "many";
}

/** The form that goes with this count, its {n} filled with the count as printed. */
export function counted(language: Language, forms: TwoForms, count: number, printed: string): string {
  const all: Partial<RussianForms> = forms;
  return fill(all[category(language, count)] ?? forms.other, { n: printed });
}
