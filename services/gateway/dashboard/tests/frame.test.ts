/** Frames that would turn the figures back are dropped. */
import { expect, test } from "vitest";
import { isCurrent, isNews, markOf } from "../src/live/frame.ts";
import type { Frame } from "../src/live/frame.ts";
import { aState } from "./examples.ts";

const frame = (revision: number, generation: number | null = 1): Frame => ({
  state: aState({ revision }),
  mark: generation === null ? null : `${generation}.${revision}.2026-11-22`,
});

test("the first frame is always current", () => {
  expect(isCurrent(null, frame(1))).toBe(true);
});

test("a frame from a replica that lags behind is dropped", () => {
  expect(isCurrent(frame(8), frame(7))).toBe(false);
  expect(isCurrent(frame(8), frame(8))).toBe(true);
  expect(isCurrent(frame(8), frame(9))).toBe(true);
});

test("a rebuilt read model begins again at a low revision and is current all the same", () => {
  expect(isCurrent(frame(900, 3), frame(2, 4))).toBe(true);
  expect(isCurrent(frame(2, 4), frame(900, 3))).toBe(false);
});

test("a frame without a generation is judged by its revision alone", () => {
  expect(isCurrent(frame(8, 3), frame(7, null))).toBe(false);
  expect(isCurrent(frame(8, 3), frame(8, null))).toBe(true);
  expect(isCurrent(frame(900, null), frame(2, 4))).toBe(true);
});

test("out of order, the highest revision wins", () => {
  let held: Frame | null = null;
  for (const revision of [3, 5, 4, 1, 5, 2]) {
    const next = frame(revision);
    if (isCurrent(held, next)) held = next;
  }
  expect(held?.state.revision).toBe(5);
});

test("the same revision again is no news", () => {
  expect(isNews(frame(8), frame(8))).toBe(false);
  expect(isNews(frame(8), frame(9))).toBe(true);
  expect(isNews(null, frame(8))).toBe(true);
});

test("the mark is read from either form of ETag", () => {
  expect(markOf('"3.1234.2026-11-22"')).toBe("3.1234.2026-11-22");
  expect(markOf('W/"3.1234.2026-11-22"')).toBe("3.1234.2026-11-22");
  expect(markOf("")).toBe(null);
  expect(markOf(null)).toBe(null);
});
