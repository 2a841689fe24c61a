/** What is on screen as one table: a row for each figure, of the place, its parts, its campaigns, its days. */
import { bucketed } from "./charts/buckets.ts";
import { resolved } from "./address.ts";
import { hours } from "./i18n/formats.ts";
import { named } from "./i18n/language.ts";
import { FIGURES, ROW_FIGURES, SERIES_FIGURES } from "./live/contract.ts";
import type { DashboardState, FigureName } from "./live/contract.ts";
import type { Dashboard } from "./live/store.svelte.ts";
import { placeName } from "./places.ts";
import { FEW, reading, unitOf } from "./view.ts";
import type { Reading } from "./view.ts";

type Cell = string | number;

/** Excel opens it by a double click: a byte order mark, and the separator its language expects. */
export function csvOf(board: Pick<Dashboard, "address" | "regions" | "words">, view: DashboardState): string {
  const { words } = board;
  const { language } = board.address;
  const { csv } = words;
  const [separator, point] = language === "en" ? [",", "."] : [";", ","];

  function quoted(cell: Cell): string {
    let text = typeof cell === "number" ? String(cell).replace(".", point) : cell;
    // A name that begins like a formula would be run as one.
    if (typeof cell === "string" && /^[=+\-@\t\r]/.test(cell)) text = `'${cell}`;
    return text.includes(separator) || /["\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  function value(figure: FigureName, read: Reading): Cell[] {
    const unit = { count: csv.count, minutes: csv.hours, money: csv.tenge }[unitOf(figure)];
    if (typeof read !== "number") return [read === "few" ? FEW : "", unit];
    if (unitOf(figure) === "money") return [read / 100, unit];
    return [unitOf(figure) === "minutes" ? hours(read) : read, unit];
  }

  const place = placeName(board as Dashboard, view.scope.code, view.scope.name);
  const days = resolved(view.period, view.today);
  const when = `${days.from ?? ""}/${days.to ?? view.today}`;
  const rows: Cell[][] = [[csv.section, csv.name, csv.code, csv.when, csv.figure, csv.value, csv.unit]];
  for (const figure of FIGURES) {
    const read = reading(view.figures, view, figure);
    rows.push([csv.figures, place, view.scope.code, when, words.figures[figure], ...value(figure, read)]);
  }
  for (const row of view.regions) {
    for (const figure of ROW_FIGURES) {
      const name = placeName(board as Dashboard, row.code);
      rows.push([csv.regions, name, row.code, when, words.figures[figure], ...value(figure, reading(row, row, figure))]);
    }
  }
  for (const row of view.centres) {
    for (const figure of ROW_FIGURES) {
      const name = named(row.name, language);
      rows.push([csv.centres, name, row.id, when, words.figures[figure], ...value(figure, reading(row, row, figure))]);
    }
  }
  for (const row of view.campaigns) {
    const head: Cell[] = [csv.campaigns, named(row.title, language), row.id, when];
    rows.push([...head, words.figures.money_net_minor, ...value("money_net_minor", row.received_minor)]);
    rows.push([...head, words.figures.money_disbursed_minor, ...value("money_disbursed_minor", row.disbursed_minor)]);
    if (row.goal_minor) rows.push([...head, words.money.goal, ...value("money_net_minor", row.goal_minor)]);
  }
  for (const figure of SERIES_FIGURES) {
    const name = figure === "volunteers_registered" ? words.series.volunteers_registered : words.figures[figure];
    for (const { from, value: sum } of bucketed(view.series, figure, days, view.today, "day")) {
      if (sum) rows.push([csv.series, place, view.scope.code, from, name, ...value(figure, sum)]);
    }
  }
  return `\ufeff${rows.map((row) => row.map(quoted).join(separator)).join("\r\n")}\r\n`;
}
