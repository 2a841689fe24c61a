/**
 * The arithmetic of the charts.
 *
 * Not d3-scale and d3-shape: a straight line and a step path are a dozen lines, and those two, with what they
 * bring along, weigh a quarter of the page's whole budget.
 */
import { nice } from "d3-array";

export interface Scale {
  (value: number): number;
  invert(place: number): number;
}

/** Maps the domain onto the range in a straight line. */
export function linear([from, to]: readonly [number, number], [start, end]: readonly [number, number]): Scale {
  const slope = to === from ? 0 : (end - start) / (to - from);
  const scale = (value: number): number => start + (value - from) * slope;
  return Object.assign(scale, { invert: (place: number) => (slope ? from + (place - start) / slope : from) });
}

/** The domain widened to round numbers, for about this many ticks. */
export function rounded([from, to]: readonly [number, number], count: number): readonly [number, number] {
  return nice(from, to, count);
}

export type Point = readonly [x: number, y: number];

/** A line that keeps each value until the next point. */
export function steps(points: readonly Point[]): string {
  return points.map(([x, y], index) => (index ? `H${fixed(x)}V${fixed(y)}` : `M${fixed(x)},${fixed(y)}`)).join("");
}

/** The same closed along a base line. */
export function stepArea(points: readonly Point[], base: number): string {
  const [first, last] = [points[0], points.at(-1)];
  return first && last ? `${steps(points)}V${fixed(base)}H${fixed(first[0])}Z` : "";
}

/** A tenth of a pixel is finer than any screen. */
function fixed(value: number): string {
  return String(Math.round(value * 10) / 10);
}
