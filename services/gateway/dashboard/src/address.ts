/** What the page shows, as written in its address: /kk/?scope=KZ-75&from=2021-01-01&to=2021-12-31. */
import { addDays, isDay } from "./days.ts";
import type { Language } from "./i18n/language.ts";

/** Periods that move with the day, written ?period=30d; the others are fixed days. */
export const ROLLING = ["today", "7d", "30d", "90d", "year"] as const;
export type Rolling = (typeof ROLLING)[number];

export interface Fixed {
  readonly from: string | null;
  readonly to: string | null;
}

/** All time is the period without a beginning and an end. */
export type Period = Rolling | Fixed;

export interface Address {
  readonly language: Language;
  readonly scope: string;
  readonly period: Period;
  readonly wall: boolean;
}

export const COUNTRY = "kz";
export const ALL_TIME: Fixed = { from: null, to: null };

const UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
const SCOPE = new RegExp(`^(?:kz|KZ-\\d{2}|(?:centre|campaign):${UUID})$`);

function isRolling(text: string | null): text is Rolling {
  return ROLLING.some((rolling) => rolling === text);
}

/** Reads the part behind the question mark; what cannot be read falls back to the country and all time. */
export function parseAddress(language: Language, search: string): Address {
  const query = new URLSearchParams(search);
  const scope = query.get("scope") ?? COUNTRY;
  const rolling = query.get("period");
  const [from, to] = [query.get("from"), query.get("to")];
  let period: Period = { from: isDay(from) ? from : null, to: isDay(to) ? to : null };
  if (period.from && period.to && period.from > period.to) period = ALL_TIME;
  return {
    language,
    scope: SCOPE.test(scope) ? scope : COUNTRY,
    period: isRolling(rolling) ? rolling : period,
    wall: query.has("wall"),
  };
}

/** The address that shows this. */
export function hrefOf(address: Address): string {
  const { language, scope, period, wall } = address;
  const parts: string[] = [];
  if (scope !== COUNTRY) parts.push(`scope=${scope}`);
  if (typeof period === "string") parts.push(`period=${period}`);
  else {
    if (period.from) parts.push(`from=${period.from}`);
    if (period.to) parts.push(`to=${period.to}`);
  }
  if (wall) parts.push("wall");
  return `/${language}/${parts.length ? `?${parts.join("&")}` : ""}`;
}

/** The days a period means today; an open end stays open, so that late evening's records still count. */
export function resolved(period: Period, today: string): Fixed {
  if (typeof period !== "string") return period;
  const from = {
    today,
    "7d": addDays(today, -6),
    "30d": addDays(today, -29),
    "90d": addDays(today, -89),
    year: `${today.slice(0, 4)}-01-01`,
  }[period];
  return { from, to: null };
}

/** What to ask the gateway for. */
export function queryOf(address: Address, today: string): string {
  const { from, to } = resolved(address.period, today);
  const parts = [`scope=${address.scope}`];
  if (from) parts.push(`from=${from}`);
  if (to) parts.push(`to=${to}`);
  return parts.join("&");
}

export function samePeriod(a: Period, b: Period): boolean {
  if (typeof a === "string" || typeof b === "string") return a === b;
  return a.from === b.from && a.to === b.to;
}

/** The year of a period that is one whole calendar year, else null. */
export function wholeYear(period: Period): number | null {
  if (typeof period === "string" || !period.from || !period.to) return null;
  const year = period.from.slice(0, 4);
  return period.from === `${year}-01-01` && period.to === `${year}-12-31` ? Number(year) : null;
}
