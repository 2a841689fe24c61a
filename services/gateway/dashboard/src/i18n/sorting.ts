/** Orders and finds names as people here write them. */
import type { Language } from "./language.ts";

/** The alphabet's 42 letters in their order; browsers have no Kazakh collation. */
const ALPHABET = "аәбвгғдеёжзийкқлмнңоөпрстуұүфхһцчшщъыіьэюя";
const PLACES = new Map([...ALPHABET].map((letter, place) => [letter, String.fromCharCode(0xe000 + place)]));

const russian = new Intl.Collator("ru");
const english = new Intl.Collator("en");

export function compareNames(language: Language, a: string, b: string): number {
  if (language === "ru") return russian.compare(a, b);
  if (language === "en") return english.compare(a, b);
  const [x, y] = [kazakhKey(a), kazakhKey(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

function kazakhKey(text: string): string {
  return [...text.toLowerCase()].map((letter) => PLACES.get(letter) ?? letter).join("");
}

const FOLDED: Record<string, string> = { ә: "а", ғ: "г", қ: "к", ң: "н", ө: "о", ұ: "у", ү: "у", һ: "х", і: "и", ё: "е" };

/** For searching: who types on a Russian keyboard writes «Кызылорда» and means «Қызылорда». */
export function folded(text: string): string {
  return text.toLowerCase().replace(/[әғқңөұүһіё]/g, (letter) => FOLDED[letter] ?? letter);
}
