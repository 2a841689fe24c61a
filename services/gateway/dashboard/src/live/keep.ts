/** The last state this device has seen, so that a page opened without a connection can show it, with its time. */
import type { DashboardState } from "./contract.ts";

const KEY = "asar.last";
const EVERY_MS = 10_000;

export interface Kept {
  readonly query: string;
  readonly at: number;
  readonly state: DashboardState;
}

export class Keeper {
  #at = 0;
  #query = "";

  /** Writes at most every ten seconds; storage that is full or forbidden is no reason to stop. */
  keep(query: string, state: DashboardState): void {
    const at = Date.now();
    if (query === this.#query && at - this.#at < EVERY_MS) return;
    this.#query = query;
    this.#at = at;
    try {
      localStorage.setItem(KEY, JSON.stringify({ query, at, state } satisfies Kept));
    } catch {
      // The page then simply has nothing to show without a connection.
    }
  }

  /** What was kept for exactly this place and period. */
  found(query: string): Kept | null {
    try {
      const found = JSON.parse(localStorage.getItem(KEY) ?? "null") as Kept | null;
      return found?.query === query ? found : null;
    } catch {
      return null;
    }
  }
}
