/** Sums a daily series into days, weeks or months, so that a chart has steps one can tell apart. */
import type { Fixed } from "../address.ts";
import { addDays, earlier, fromOrdinal, later, monday, monthStart, nextMonth, ordinal } from "../days.ts";
import type { Series, SeriesFigure } from "../live/contract.ts";

export type Step = "day" | "week" | "month";

export interface Bucket {
  /** First and last day, cut to the period. */
  readonly from: string;
  readonly to: string;
  readonly value: number;
  /** Contains today: more may come. */
  readonly soFar: boolean;
}

/** Fifty to seventy steps at most for each of the three. */
export function stepFor(days: number): Step {
  if (days <= 62) return "day";
  return days <= 500 ? "week" : "month";
}

/** The first and last day to draw: open ends reach to the first record and to today. */
export function span(series: Series, period: Fixed, today: string): { from: string; to: string } {
  const first = series.days[0] ?? today;
  const from = period.from ?? first;
  const to = period.to ? earlier(period.to, later(today, from)) : later(today, from);
  return { from, to };
}

const START: Record<Step, (day: string) => string> = { day: (day) => day, week: monday, month: monthStart };
const NEXT: Record<Step, (start: string) => string> = {
  day: (start) => addDays(start, 1),
  week: (start) => addDays(start, 7),
  month: nextMonth,
};

export function bucketed(series: Series, figure: SeriesFigure, period: Fixed, today: string, step?: Step): Bucket[] {
  const { from, to } = span(series, period, today);
  const size = step ?? stepFor(ordinal(to) - ordinal(from) + 1);
  const values = series[figure] ?? [];
  const buckets: Bucket[] = [];
  let at = series.days.findIndex((day) => day >= from);
  if (at < 0) at = series.days.length;
  for (let start = START[size](from); start <= to; ) {
    const next = NEXT[size](start);
    let value = 0;
    for (; at < series.days.length && (series.days[at] ?? "") < next && (series.days[at] ?? "") <= to; at += 1) {
      value += values[at] ?? 0;
    }
    const last = earlier(fromOrdinal(ordinal(next) - 1), to);
    buckets.push({ from: later(start, from), to: last, value, soFar: next > today });
    start = next;
  }
  return buckets;
}

/** How much came in the last seven days up to today; null for a period that ended before. */
export function lastWeek(series: Series, figure: SeriesFigure, period: Fixed, today: string): number | null {
  if (period.to && period.to < today) return null;
  const since = addDays(today, -6);
  const values = series[figure] ?? [];
  return series.days.reduce((sum, day, index) => (day >= since && day <= today ? sum + (values[index] ?? 0) : sum), 0);
}
