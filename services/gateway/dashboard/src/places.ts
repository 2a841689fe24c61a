/** The names of places: regions by GET /v1/regions, everything else by the state itself. */
import { COUNTRY } from "./address.ts";
import { named } from "./i18n/language.ts";
import type { Name } from "./i18n/language.ts";
import type { Dashboard } from "./live/store.svelte.ts";
import { TILES } from "./map/tiles.ts";

export function placeName(board: Dashboard, code: string, name?: Name): string {
  const { language } = board.address;
  if (code === COUNTRY) return board.words.scope.country;
  return named(board.regions.get(code), language) || named(name, language) || shortName(board, code);
}

/** The tile's name for a region, without its soft hyphens. */
export function shortName(board: Dashboard, code: string): string {
  const tile = TILES.find((one) => one.code === code);
  return tile ? tile.name[board.address.language].replaceAll("\u00ad", "") : code;
}
