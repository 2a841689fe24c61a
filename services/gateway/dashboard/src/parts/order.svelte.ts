/** Keeps rows where they are while someone points at them or works in them. */
const IDLE_MS = 5_000;

export class SteadyOrder {
  #hot = $state(false);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #held: readonly string[] = [];
  #wish = "";

  /** The rows' keys as they shall stand: sorted anew unless the rows are in use and the wish is the same. */
  settle(sorted: readonly string[], wish: string): readonly string[] {
    if (this.#hot && wish === this.#wish) {
      const known = new Set(this.#held);
      const present = new Set(sorted);
      this.#held = [...this.#held.filter((key) => present.has(key)), ...sorted.filter((key) => !known.has(key))];
    } else {
      this.#held = sorted;
    }
    this.#wish = wish;
    return this.#held;
  }

  readonly enter = (): void => {
    clearTimeout(this.#timer);
    this.#hot = true;
  };

  readonly leave = (): void => {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#hot = false;
    }, IDLE_MS);
  };
}
