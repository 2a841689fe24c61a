/** The arithmetic behind the pictures and tables. */
import { describe, expect, test } from "vitest";
import { bucketed, lastWeek, span, stepFor } from "../src/charts/buckets.ts";
import { linear, rounded, stepArea, steps } from "../src/charts/scale.ts";
import { addDays, isDay, monday, nextMonth, ordinal } from "../src/days.ts";
import { compareNames, folded } from "../src/i18n/sorting.ts";
import { shading } from "../src/map/steps.ts";
import { COLUMNS, ROWS, TILES } from "../src/map/tiles.ts";
import { brief, exact, isEmpty, plain, reading, weight } from "../src/view.ts";
import { aState, anEmptyState } from "./examples.ts";

const TODAY = "2026-11-22";
const ALL = { from: null, to: null };
const series = { days: ["2021-06-07", "2021-06-13", "2021-06-14", "2021-07-01"], events_held: [1, 2, 4, 8] };

describe("days", () => {
  test("weeks begin on Monday", () => {
    expect(monday("2021-06-09")).toBe("2021-06-07");
    expect(monday("2021-06-07")).toBe("2021-06-07");
    expect(monday("2021-06-13")).toBe("2021-06-07");
    expect(monday("1969-12-31")).toBe("1969-12-29");
  });

  test("months and leap years are counted", () => {
    expect(addDays("2024-02-28", 1)).toBe("2024-02-29");
    expect(nextMonth("2021-12-15")).toBe("2022-01-01");
    expect(ordinal("2021-12-31") - ordinal("2021-01-01")).toBe(364);
    expect(isDay("2024-02-29")).toBe(true);
    expect(isDay("2023-02-29")).toBe(false);
    expect(isDay(null)).toBe(false);
  });
});

describe("buckets", () => {
  test("a year goes by weeks, a month by days, many years by months", () => {
    expect([stepFor(30), stepFor(365), stepFor(2000)]).toEqual(["day", "week", "month"]);
  });

  test("every amount lands in one bucket, whatever the step", () => {
    for (const step of ["day", "week", "month"] as const) {
      const buckets = bucketed(series, "events_held", { from: "2021-01-01", to: "2021-12-31" }, TODAY, step);
      expect(buckets.reduce((sum, { value }) => sum + value, 0)).toBe(15);
    }
  });

  test("the first and last bucket are cut to the period", () => {
    const buckets = bucketed(series, "events_held", { from: "2021-06-09", to: "2021-06-20" }, TODAY, "week");
    expect(buckets).toEqual([
      { from: "2021-06-09", to: "2021-06-13", value: 2, soFar: false },
      { from: "2021-06-14", to: "2021-06-20", value: 4, soFar: false },
    ]);
  });

  test("an open period reaches from the first record to today, whose bucket is not over", () => {
    expect(span(series, ALL, "2021-07-02")).toEqual({ from: "2021-06-07", to: "2021-07-02" });
    const last = bucketed(series, "events_held", ALL, "2021-07-02", "month").at(-1);
    expect(last).toEqual({ from: "2021-07-01", to: "2021-07-02", value: 8, soFar: true });
  });

  test("what lies in the future is not drawn", () => {
    const buckets = bucketed(series, "events_held", { from: "2021-06-14", to: "2021-12-31" }, "2021-06-16", "day");
    expect(buckets.map(({ from }) => from)).toEqual(["2021-06-14", "2021-06-15", "2021-06-16"]);
  });

  test("an empty series has one empty bucket", () => {
    expect(bucketed({ days: [] }, "events_held", ALL, TODAY)).toEqual([
      { from: TODAY, to: TODAY, value: 0, soFar: true },
    ]);
  });

  test("the last week is seven days with today, and none of a period that is over", () => {
    expect(lastWeek(series, "events_held", ALL, "2021-06-13")).toBe(3);
    expect(lastWeek(series, "events_held", ALL, "2021-06-14")).toBe(6);
    expect(lastWeek(series, "events_held", { from: null, to: "2021-06-12" }, "2021-06-14")).toBe(null);
  });
});

describe("drawing", () => {
  test("a line maps there and back", () => {
    const scale = linear([0, 10], [100, 0]);
    expect(scale(2)).toBe(80);
    expect(scale.invert(80)).toBe(2);
    expect(linear([5, 5], [0, 9])(5)).toBe(0);
    expect(rounded([0, 147], 4)).toEqual([0, 150]);
  });

  test("steps keep their value until the next point", () => {
    const points = [
      [0, 10],
      [5, 2],
      [9.25, 2],
    ] as const;
    expect(steps(points)).toBe("M0,10H5V2H9.3V2");
    expect(stepArea(points, 20)).toBe("M0,10H5V2H9.3V2V20H0Z");
    expect(stepArea([], 20)).toBe("");
  });
});

describe("the map", () => {
  test("has twenty regions, each on a place of its own", () => {
    expect(TILES).toHaveLength(20);
    expect(new Set(TILES.map(({ code }) => code)).size).toBe(20);
    expect(new Set(TILES.map(({ column, row }) => `${column},${row}`)).size).toBe(20);
    for (const { column, row, name, brief: few } of TILES) {
      expect(column).toBeLessThan(COLUMNS);
      expect(row).toBeLessThan(ROWS);
      for (const text of [...Object.values(name), ...Object.values(few)]) expect(text).not.toBe("");
    }
  });

  test("spreads the regions over five shades and tells their bounds", () => {
    const { of, legend } = shading([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    expect([0, 10, 30, 50, 70, 100].map(of)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(legend).toEqual([
      { step: 1, from: 10, to: 20 },
      { step: 2, from: 30, to: 40 },
      { step: 3, from: 50, to: 60 },
      { step: 4, from: 70, to: 80 },
      { step: 5, from: 90, to: 100 },
    ]);
  });

  test("equal values share a shade, and nothing has none", () => {
    const { of, legend } = shading([5, 5, 5, 5]);
    expect(of(5)).toBe(1);
    expect(legend).toEqual([{ step: 1, from: 5, to: 5 }]);
    expect(shading([0, 0]).legend).toEqual([]);
  });
});

describe("names", () => {
  test("Kazakh sorts by its own alphabet", () => {
    const names = ["Ұлытау", "Шымкент", "Түркістан", "Қарағанды", "Ақмола", "Абай", "Жамбыл", "Қостанай"];
    expect(names.toSorted((a, b) => compareNames("kk", a, b))).toEqual([
      "Абай",
      "Ақмола",
      "Жамбыл",
      "Қарағанды",
      "Қостанай",
      "Түркістан",
      "Ұлытау",
      "Шымкент",
    ]);
  });

  test("a name is found however it is typed", () => {
    expect(folded("Қызылорда облысы")).toContain(folded("кызыл"));
    expect(folded("Ұлытау")).toBe(folded("улытау"));
    expect(folded("Шөмөй ёлка")).toBe("шомой елка");
  });
});

describe("readings", () => {
  const state = aState({ figures: { people_helped: null, events_held: 3412 }, hidden: ["people_helped"] });

  test("what is withheld is few, what is missing is unknown, neither is nought", () => {
    expect(reading(state.figures, state, "events_held")).toBe(3412);
    expect(reading(state.figures, state, "people_helped")).toBe("few");
    expect(reading(state.figures, state, "deliveries")).toBe("unknown");
    expect([exact("kk", "people_helped", "few"), exact("kk", "deliveries", "unknown")]).toEqual(["<5", "–"]);
    expect([plain(3412), plain("few"), plain("unknown")]).toEqual(["3412", "<5", ""]);
    expect([weight(3), weight("few"), weight("unknown")]).toEqual([3, 0.5, -1]);
  });

  test("each figure is printed in its own unit", () => {
    expect(exact("ru", "money_net_minor", 85_064_000_000)).toBe("850\u00a0640\u00a0000\u00a0₸");
    expect(brief("en", "money_net_minor", 85_064_000_000)).toBe("₸850.6M");
    expect(exact("kk", "hours_minutes", 123_456)).toBe("2\u00a0058");
  });

  test("a place without a single record is empty", () => {
    expect(isEmpty(anEmptyState())).toBe(true);
    expect(isEmpty(aState())).toBe(false);
    expect(isEmpty({ ...anEmptyState(), hidden: ["families_helped"] })).toBe(false);
  });
});
