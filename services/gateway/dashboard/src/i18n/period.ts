/** A period in words. */
import type { Fixed, Period } from "../address.ts";
import { wholeYear } from "../address.ts";
import { dayLong, range } from "./formats.ts";
import type { Language } from "./language.ts";
import { fill } from "./words.ts";
import type { Words } from "./words.ts";

export function periodWords(words: Words, language: Language, period: Period): string {
  const { today, days7, days30, days90, year } = words.period;
  if (typeof period === "string") return { today, "7d": days7, "30d": days30, "90d": days90, year }[period];
  return fixedWords(words, language, period);
}

function fixedWords(words: Words, language: Language, period: Fixed): string {
  const { from, to } = period;
  const year = wholeYear(period);
  if (year) return fill(words.period.yearOf, { year: String(year) });
  if (from && to) return range(language, from, to);
  if (from) return fill(words.period.since, { from: dayLong(language, from) });
  if (to) return fill(words.period.until, { to: dayLong(language, to) });
  return words.period.all;
}
