/** Arithmetic on civil days, written "2021-06-09"; no clock and no time zone comes near them. */
const DAY_MS = 86_400_000;

/** The day's number, counted from 1970-01-01. */
export function ordinal(day: string): number {
  return Math.round(Date.parse(`${day}T00:00:00Z`) / DAY_MS);
}

export function fromOrdinal(count: number): string {
  return new Date(count * DAY_MS).toISOString().slice(0, 10);
}

export function addDays(day: string, count: number): string {
  return fromOrdinal(ordinal(day) + count);
}

/** Whether this is a day that exists: 2021-02-29 is none. */
export function isDay(text: string | null): text is string {
  if (!text || !/^[12]\d{3}-\d{2}-\d{2}$/.test(text)) return false;
  const at = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text);
}

/** The Monday of the day's week. */
export function monday(day: string): string {
  const count = ordinal(day);
  // 1970-01-01 was a Thursday.
  return fromOrdinal(count - ((((count + 3) % 7) + 7) % 7));
}

export function monthStart(day: string): string {
  return `${day.slice(0, 7)}-01`;
}

export function nextMonth(day: string): string {
  const [year = 0, month = 1] = day.split("-").map(Number);
  return month === 12 ? `${year + 1}-01-01` : `${year}-${String(month + 1).padStart(2, "0")}-01`;
}

export function earlier(a: string, b: string): string {
  return a < b ? a : b;
}

export function later(a: string, b: string): string {
  return a > b ? a : b;
}
