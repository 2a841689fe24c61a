/** The last state this device has seen, so that a page opened without a connection can show it, with its time. */
import type { DashboardState } from "./contract.ts";

const KEY = "asar.last";
const EVERY_MS = 10_000;

export interface Kept {
  readonly query: string;
  readonly at: number;
  readonly state: DashboardState;
}

let keptAt = 0;
let keptQuery = "";

/** Writes at most every ten seconds; storage that is full or forbidden is no reason to stop. */
export function keep(query: string, state: DashboardState): void {
  const at = Date.now();
  if (query === keptQuery && at - keptAt < EVERY_MS) return;
  [keptQuery, keptAt] = [query, at];
  try {
    localStorage.setItem(KEY, JSON.stringify({ query, at, state } satisfies Kept));
  } catch {
    localStorage.removeItem(KEY);
  }
}

/** What was kept for exactly this place and period. */
export function kept(query: string): Kept | null {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "null") as Kept | null;
    return found?.query === query ? found : null;
  } catch {
    return null;
  }
}
