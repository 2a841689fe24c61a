/** Figures as the page prints them: what kind of number each is, and what stands where there is none. */
import type { DashboardState, FigureName, Figures } from "./live/contract.ts";
import { UNKNOWN, compact, compactParts, hours, money, moneyCompact, moneyParts, whole } from "./i18n/formats.ts";
import type { Printed } from "./i18n/formats.ts";
import type { Language } from "./i18n/language.ts";

export type Unit = "count" | "minutes" | "money";

export const FEW = "<5";

export function unitOf(figure: FigureName): Unit {
  if (figure.endsWith("_minor")) return "money";
  return figure === "hours_minutes" ? "minutes" : "count";
}

interface Carrier {
  readonly hidden?: readonly FigureName[] | undefined;
}

/** A number; "few" when it is withheld because it counts one to four; "unknown" when there is none. */
export type Reading = number | "few" | "unknown";

export function reading(values: Figures, carrier: Carrier, figure: FigureName): Reading {
  const value = values[figure];
  if (typeof value === "number") return value;
  return carrier.hidden?.includes(figure) ? "few" : "unknown";
}

/** For comparing and drawing: what is withheld or unknown sorts below everything and has no length. */
export function weight(value: Reading): number {
  if (typeof value === "number") return value;
  return value === "few" ? 0.5 : -1;
}

/** The exact text: "850 640 000 ₸". */
export function exact(language: Language, figure: FigureName, value: Reading): string {
  if (typeof value !== "number") return value === "few" ? FEW : UNKNOWN;
  switch (unitOf(figure)) {
    case "money":
      return money(language, value);
    case "minutes":
      return whole(language, hours(value));
    case "count":
      return whole(language, value);
  }
}

/** The text for a narrow place: "850,6 млн ₸". */
export function brief(language: Language, figure: FigureName, value: Reading): string {
  if (typeof value !== "number") return value === "few" ? FEW : UNKNOWN;
  switch (unitOf(figure)) {
    case "money":
      return moneyCompact(language, value);
    case "minutes":
      return compact(language, hours(value));
    case "count":
      return compact(language, value);
  }
}

/** The same with the unit apart, for a tile that sets it smaller. */
export function briefParts(language: Language, figure: FigureName, value: Reading): Printed {
  if (typeof value !== "number") return { number: value === "few" ? FEW : UNKNOWN, unit: "" };
  switch (unitOf(figure)) {
    case "money":
      return moneyParts(language, value);
    case "minutes":
      return compactParts(language, hours(value));
    case "count":
      return compactParts(language, value);
  }
}

/** What data-value says, for tests and scripts: the number itself, "<5", or nothing. */
export function plain(value: Reading): string {
  if (typeof value === "number") return String(value);
  return value === "few" ? FEW : "";
}

/** Whether nothing at all is recorded for this place and period. */
export function isEmpty(state: DashboardState): boolean {
  return (
    state.series.days.length === 0 &&
    state.ticker.length === 0 &&
    state.hidden.length === 0 &&
    Object.values(state.figures).every((value) => !value)
  );
}
