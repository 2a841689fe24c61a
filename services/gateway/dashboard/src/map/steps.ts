/** Five shades for the regions: as many regions in each as can be. */
import { ascending, quantileSorted } from "d3-array";

const STEPS = 5;

export interface Shade {
  /** 1 to 5. */
  readonly step: number;
  /** The least and the greatest value that has it. */
  readonly from: number;
  readonly to: number;
}

/** Which shade each value gets, 0 for nought; equal values never get different ones. */
export function shading(values: readonly number[]): { of(value: number): number; legend: Shade[] } {
  const sorted = values.filter((value) => value > 0).sort(ascending);
  const bounds = Array.from({ length: STEPS - 1 }, (_, index) => quantileSorted(sorted, (index + 1) / STEPS) ?? 0);
  function of(value: number): number {
    if (value <= 0) return 0;
    return 1 + bounds.filter((bound) => value > bound).length;
  }
  const legend: Shade[] = [];
  // Below one are the counts that are withheld; they have a shade but no bound to print.
  for (const value of sorted.filter((one) => one >= 1)) {
    const step = of(value);
    const last = legend.at(-1);
    if (last?.step === step) legend[legend.length - 1] = { ...last, to: value };
    else legend.push({ step, from: value, to: value });
  }
  return { of, legend };
}
