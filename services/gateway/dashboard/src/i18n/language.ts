/** The page's three languages, and which of them a visitor gets. */
export const LANGUAGES = ["kk", "ru", "en"] as const;
export type Language = (typeof LANGUAGES)[number];

/** Each in its own words, the same on every page. */
export const LANGUAGE_NAMES: Record<Language, string> = { kk: "Қазақша", ru: "Русский", en: "English" };

/** A name as organisations, campaigns and regions carry it. */
export type Name = Partial<Record<Language, string>>;

/** The gateway reads it when someone asks for "/". */
const COOKIE = "language";

export function isLanguage(text: string | undefined): text is Language {
  return LANGUAGES.some((language) => language === text);
}

/** The path first (`/ru/`), then the cookie, then the browser's wish, then Kazakh. */
export function chooseLanguage(path: string, cookies: string, wishes: readonly string[]): Language {
  const asked = [
    path.split("/")[1],
    new RegExp(`(?:^|; )${COOKIE}=(\\w\\w)`).exec(cookies)?.[1],
    ...wishes.map((wish) => wish.slice(0, 2).toLowerCase()),
  ];
  return asked.find(isLanguage) ?? "kk";
}

export function rememberLanguage(language: Language): void {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${COOKIE}=${language}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
}

/** The name in the language asked for, else in the one people most likely read; "" when it has none. */
export function named(name: Name | undefined, language: Language): string {
  return name?.[language] || name?.ru || name?.kk || name?.en || "";
}

/** The language `named` answered in, for the `lang` attribute; undefined when it is the page's own. */
export function languageOf(name: Name | undefined, language: Language): Language | undefined {
  if (name?.[language]) return undefined;
  return (["ru", "kk", "en"] as const).find((other) => name?.[other]);
}
