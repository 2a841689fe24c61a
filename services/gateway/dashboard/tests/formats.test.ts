/** Kazakh by hand must say what full ICU says; formats.json is what the plain page's Python must say as well. */
import { describe, expect, test } from "vitest";
import * as formats from "../src/i18n/formats.ts";
import type { Language } from "../src/i18n/language.ts";
import { LANGUAGES } from "../src/i18n/language.ts";
import golden from "./formats.json";

const LOCALES: Record<Language, string> = { kk: "kk-KZ", ru: "ru", en: "en" };
const spaced = (text: string): string => text.replaceAll("\u00a0", " ").replaceAll("\u202f", " ");

describe("the shared table", () => {
  const printers = {
    whole: formats.whole,
    decimal: formats.decimal,
    compact: formats.compact,
    money: formats.money,
    money_compact: formats.moneyCompact,
    percent: formats.percent,
  };
  test.each(Object.entries(printers))("%s prints what the table says", (name, print) => {
    for (const row of golden[name as keyof typeof printers]) {
      for (const language of LANGUAGES) expect(print(language, row.value)).toBe(row[language]);
    }
  });

  const dayPrinters = {
    day_short: formats.dayShort,
    day_long: formats.dayLong,
    day_month: formats.dayMonth,
    month_long: formats.monthLong,
    month_short: formats.monthShort,
  };
  test.each(Object.entries(dayPrinters))("%s prints what the table says", (name, print) => {
    for (const row of golden[name as keyof typeof dayPrinters]) {
      for (const language of LANGUAGES) expect(print(language, row.value)).toBe(row[language]);
    }
  });

  test("a range names the year once when both days share it", () => {
    for (const row of golden.range) {
      for (const language of LANGUAGES) expect(formats.range(language, row.from, row.to)).toBe(row[language]);
    }
  });
});

describe.each(LANGUAGES)("%s equals full ICU", (language) => {
  const locale = LOCALES[language];

  test("whole numbers", () => {
    const icu = new Intl.NumberFormat(locale);
    for (const { value } of golden.whole) expect(formats.whole(language, value)).toBe(icu.format(value));
  });

  test("money in whole tenge", () => {
    const icu = new Intl.NumberFormat(locale, {
      style: "currency",
      currency: "KZT",
      currencyDisplay: "narrowSymbol",
      maximumFractionDigits: 0,
    });
    for (const tenge of [0, 125, 12_345, 850_640_000, -2_500]) {
      expect(formats.money(language, tenge * 100)).toBe(icu.format(tenge));
    }
  });

  test("compact numbers, but for ICU's «м.» where everyone writes «мың»", () => {
    const icu = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
    for (const { value } of golden.compact.filter((row) => Math.abs(row.value) > 99_999)) {
      expect(formats.compact(language, value)).toBe(icu.format(value).replace("м.", "мың"));
    }
  });

  test("percent", () => {
    const icu = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 });
    for (const { value } of golden.percent) expect(formats.percent(language, value)).toBe(icu.format(value));
  });

  test.each<[string, Intl.DateTimeFormatOptions, (language: Language, on: string) => string]>([
    ["short days", { day: "numeric", month: "short", year: "numeric" }, formats.dayShort],
    ["long days", { day: "numeric", month: "long", year: "numeric" }, formats.dayLong],
    ["days without a year", { day: "numeric", month: "short" }, formats.dayMonth],
    ["long months", { month: "long", year: "numeric" }, formats.monthLong],
    ["short months", { month: "short" }, formats.monthShort],
  ])("%s", (_, options, print) => {
    const icu = new Intl.DateTimeFormat(language === "en" ? "en-GB" : locale, { ...options, timeZone: "UTC" });
    for (const { value } of golden.day_short) {
      expect(spaced(print(language, value))).toBe(spaced(icu.format(new Date(`${value}T00:00:00Z`))));
    }
  });
});

test("a number never ends in a zero after the point, and nothing is never minus nothing", () => {
  expect(formats.compact("kk", 850_000_000)).toBe("850\u00a0млн");
  expect(formats.decimal("kk", -0.04)).toBe("0");
  expect(formats.money("ru", -49)).toBe("0\u00a0₸");
});

test("a tile sets the unit apart, in English the sign stays with the number", () => {
  expect(formats.moneyParts("kk", 85_064_000_000)).toEqual({ number: "850,6", unit: "млн\u00a0₸" });
  expect(formats.moneyParts("en", 85_064_000_000)).toEqual({ number: "₸850.6", unit: "M" });
  expect(formats.moneyParts("ru", 12_500)).toEqual({ number: "125", unit: "₸" });
});

test("the civil day turns at midnight in Almaty, which was UTC+6 until March 2024", () => {
  expect(formats.dayAt(Date.parse("2021-06-09T18:30:00Z"))).toBe("2021-06-10");
  expect(formats.dayAt(Date.parse("2024-06-09T18:30:00Z"))).toBe("2024-06-09");
  expect(formats.timeAt(Date.parse("2026-11-22T05:42:07Z"))).toBe("10:42:07");
  expect(formats.minuteAt(Date.parse("2026-11-22T19:05:00Z"))).toBe("00:05");
});

test("hours are whole, half an hour counts as one", () => {
  expect(formats.hours(89)).toBe(1);
  expect(formats.hours(90)).toBe(2);
  expect(formats.hours(-90)).toBe(-2);
});
