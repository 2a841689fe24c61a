/** A number that runs to its new value for a moment, as long as nobody has asked for rest. */
const RUN_MS = 300;

export class RunningNumber {
  now = $state(0);
  #frame = 0;

  constructor(start: number) {
    this.now = start;
  }

  jump(to: number): void {
    cancelAnimationFrame(this.#frame);
    this.now = to;
  }

  run(to: number): void {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches || document.visibilityState === "hidden") {
      this.jump(to);
      return;
    }
    cancelAnimationFrame(this.#frame);
    const from = this.now;
    const began = performance.now();
    const step = (at: number): void => {
      const part = Math.min(1, Math.max(0, (at - began) / RUN_MS));
      // Fast at first, then settling.
      this.now = from + (to - from) * (1 - (1 - part) ** 3);
      if (part < 1) this.#frame = requestAnimationFrame(step);
    };
    this.#frame = requestAnimationFrame(step);
  }
}
