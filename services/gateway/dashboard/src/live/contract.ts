/** What the gateway sends: GET /v1/dashboard answers with one DashboardState, each frame of /v1/live is another. */
import type { Name } from "../i18n/language.ts";

export const FIGURES = [
  "volunteers_registered",
  "volunteers_declared",
  "volunteer_centres",
  "friendship_houses",
  "organisations",
  "coordinators",
  "events_held",
  "events_coming",
  "sign_ups",
  "attendances",
  "hours_minutes",
  "helpers",
  "guests",
  "money_received_minor",
  "money_refunded_minor",
  "money_net_minor",
  "money_disbursed_minor",
  "money_on_hand_minor",
  "goods_value_minor",
  "donations",
  "deliveries",
  "families_helped",
  "people_helped",
] as const;
export type FigureName = (typeof FIGURES)[number];

/** The figures that regions and centres carry one by one. */
export const ROW_FIGURES = [
  "volunteers_registered",
  "events_held",
  "money_net_minor",
  "families_helped",
  "people_helped",
  "deliveries",
] as const satisfies readonly FigureName[];
export type RowFigure = (typeof ROW_FIGURES)[number];

/** The figures that have a daily series. */
export const SERIES_FIGURES = [
  "events_held",
  "volunteers_registered",
  "hours_minutes",
  "money_net_minor",
  "money_disbursed_minor",
  "deliveries",
] as const satisfies readonly FigureName[];
export type SeriesFigure = (typeof SERIES_FIGURES)[number];

export type Figures<Names extends FigureName = FigureName> = { readonly [Key in Names]?: number | null };

export interface Place {
  readonly code: string;
  readonly name: Name;
}

export interface Scope extends Place {
  readonly kind: "country" | "region" | "centre" | "campaign";
  /** The places this one lies in, the widest first. */
  readonly path: readonly Place[];
}

interface Row extends Figures<RowFigure> {
  readonly hidden?: readonly FigureName[];
}

export interface RegionRow extends Row {
  readonly code: string;
}

export interface CentreRow extends Row {
  readonly id: string;
  readonly kind: string;
  readonly region: string;
  readonly name: Name;
}

export interface CampaignRow {
  readonly id: string;
  readonly title: Name;
  readonly status: string;
  readonly goal_minor: number | null;
  readonly received_minor: number;
  readonly disbursed_minor: number;
  readonly families_helped: number | null;
  readonly deliveries: number | null;
  readonly hidden?: readonly FigureName[];
}

/** What changed on each day on which anything changed, ascending. */
export type Series = { readonly days: readonly string[] } & { readonly [Key in SeriesFigure]?: readonly number[] };

export interface TickerItem {
  readonly id: string;
  /** The message's type, such as "charity.donation.received.v1". */
  readonly type: string;
  /** When it was recorded. */
  readonly at: string;
  /** The civil day it counts for. */
  readonly on: string;
  readonly region?: string | null;
  readonly centre_id?: string | null;
  readonly amount_minor?: number | null;
  readonly number?: number | null;
}

export interface DashboardState {
  readonly scope: Scope;
  readonly period: { readonly from: string | null; readonly to: string | null };
  readonly revision: number;
  readonly as_of: string | null;
  readonly today: string;
  readonly figures: Figures;
  /** The figures withheld because they count one to four people or families. */
  readonly hidden: readonly FigureName[];
  readonly regions: readonly RegionRow[];
  readonly centres: readonly CentreRow[];
  readonly campaigns: readonly CampaignRow[];
  readonly series: Series;
  readonly ticker: readonly TickerItem[];
}

/** One row of GET /v1/regions. */
export interface Region {
  readonly code: string;
  readonly kk: string;
  readonly ru: string;
  readonly en: string;
  readonly kind: string;
  readonly valid_from?: string | null;
  readonly formed_from?: string | null;
}
