/** A record of the feed in words. */
import { money, whole } from "../i18n/formats.ts";
import { named } from "../i18n/language.ts";
import { counted } from "../i18n/words.ts";
import type { Words } from "../i18n/words.ts";
import type { DashboardState, TickerItem } from "../live/contract.ts";
import type { Dashboard } from "../live/store.svelte.ts";
import { placeName } from "../places.ts";

/** "charity.donation.received.v1" → "Donation received"; a type of tomorrow is simply a new record. */
export function feedWords(words: Words, item: TickerItem): string {
  const types: Readonly<Record<string, string>> = words.feed.types;
  return types[item.type.replace(/\.v\d+$/, "")] ?? words.feed.other;
}

/** How much: money, or people. */
export function feedAmount(board: Dashboard, item: TickerItem): string {
  const { language } = board.address;
  if (typeof item.amount_minor === "number") return money(language, item.amount_minor);
  if (typeof item.number !== "number") return "";
  return counted(language, board.words.feed.people, item.number, whole(language, item.number));
}

/** The centre where its name is at hand, else the region; nothing inside the place that is shown anyway. */
export function feedPlace(board: Dashboard, view: DashboardState, item: TickerItem): string {
  const centre = view.centres.find((one) => one.id === item.centre_id);
  if (centre) return named(centre.name, board.address.language);
  return item.region && item.region !== view.scope.code ? placeName(board, item.region) : "";
}
