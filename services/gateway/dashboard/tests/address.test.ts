/** The address says everything that is shown, and an address that says nonsense still shows something. */
import { expect, test } from "vitest";
import { ALL_TIME, hrefOf, parseAddress, queryOf, resolved, samePeriod, wholeYear } from "../src/address.ts";
import { chooseLanguage, languageOf, named } from "../src/i18n/language.ts";
import { periodWords } from "../src/i18n/period.ts";
import { catalogue } from "../src/i18n/words.ts";

const TODAY = "2026-11-22";
const CENTRE = "centre:0197a000-0000-7000-8000-000000000001";

test.each([
  "/kk/",
  "/ru/?scope=KZ-75&from=2021-01-01&to=2021-12-31",
  `/en/?scope=${CENTRE}&period=30d`,
  "/kk/?from=2021-06-09",
  "/kk/?to=2021-06-09",
  "/kk/?wall",
  "/kk/?scope=KZ-10&period=today&wall",
])("%s survives reading and writing", (href) => {
  const [path = "", search = ""] = href.split("?");
  const address = parseAddress(path === "/kk/" ? "kk" : path === "/ru/" ? "ru" : "en", search);
  expect(hrefOf(address)).toBe(href);
});

test("the country and all time are where one begins", () => {
  expect(parseAddress("kk", "")).toEqual({ language: "kk", scope: "kz", period: ALL_TIME, wall: false });
});

test.each(["scope=KZ-7", "scope=../admin", "scope=centre:1", "from=2021-02-29", "from=yesterday", "period=1y"])(
  "%s is passed over",
  (search) => {
    expect(hrefOf(parseAddress("kk", search))).toBe("/kk/");
  },
);

test("a period that ends before it begins is all time", () => {
  expect(parseAddress("kk", "from=2021-12-31&to=2021-01-01").period).toEqual(ALL_TIME);
});

test("rolling periods begin so many days ago and stay open", () => {
  expect(resolved("today", TODAY)).toEqual({ from: "2026-11-22", to: null });
  expect(resolved("7d", TODAY)).toEqual({ from: "2026-11-16", to: null });
  expect(resolved("30d", TODAY)).toEqual({ from: "2026-10-24", to: null });
  expect(resolved("90d", TODAY)).toEqual({ from: "2026-08-25", to: null });
  expect(resolved("year", TODAY)).toEqual({ from: "2026-01-01", to: null });
});

test("the gateway is asked for days, never for words", () => {
  expect(queryOf(parseAddress("kk", "scope=KZ-75&period=7d"), TODAY)).toBe("scope=KZ-75&from=2026-11-16");
  expect(queryOf(parseAddress("kk", "from=2021-01-01&to=2021-12-31"), TODAY)).toBe(
    "scope=kz&from=2021-01-01&to=2021-12-31",
  );
  expect(queryOf(parseAddress("kk", ""), TODAY)).toBe("scope=kz");
});

test("a whole year is known as one", () => {
  expect(wholeYear({ from: "2021-01-01", to: "2021-12-31" })).toBe(2021);
  expect(wholeYear({ from: "2021-01-01", to: "2021-12-30" })).toBe(null);
  expect(wholeYear("year")).toBe(null);
  expect(samePeriod({ from: null, to: null }, ALL_TIME)).toBe(true);
  expect(samePeriod("7d", ALL_TIME)).toBe(false);
});

test("periods have words in each language", async () => {
  const [kk, ru, en] = [await catalogue("kk"), await catalogue("ru"), await catalogue("en")];
  const year = { from: "2021-01-01", to: "2021-12-31" };
  expect(periodWords(kk, "kk", year)).toBe("2021 жыл");
  expect(periodWords(ru, "ru", year)).toBe("2021 год");
  expect(periodWords(en, "en", year)).toBe("2021");
  expect(periodWords(kk, "kk", "7d")).toBe("Соңғы 7 күн");
  expect(periodWords(ru, "ru", { from: "2021-06-09", to: null })).toBe("с 9\u00a0июня 2021\u00a0г.");
  expect(periodWords(en, "en", { from: null, to: "2021-06-09" })).toBe("until 9\u00a0June 2021");
  expect(periodWords(en, "en", ALL_TIME)).toBe("All time");
});

test("the language comes from the path, the cookie, the browser, and else is Kazakh", () => {
  expect(chooseLanguage("/ru/", "language=en", ["kk"])).toBe("ru");
  expect(chooseLanguage("/", "a=b; language=en", ["ru-RU"])).toBe("en");
  expect(chooseLanguage("/", "", ["de-DE", "ru-RU", "en"])).toBe("ru");
  expect(chooseLanguage("/", "language=xx", ["de"])).toBe("kk");
});

test("a name falls back to the language people most likely read, and says which that is", () => {
  const name = { kk: "Достық үйі", ru: "", en: "" };
  expect(named(name, "ru")).toBe("Достық үйі");
  expect(languageOf(name, "ru")).toBe("kk");
  expect(languageOf(name, "kk")).toBe(undefined);
  expect(named(undefined, "kk")).toBe("");
});
