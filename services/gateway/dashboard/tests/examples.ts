/** States and a gateway made up for the tests. */
import { vi } from "vitest";
import type { DashboardState, Region } from "../src/live/contract.ts";

export const COUNTRY_NAME = { kk: "Қазақстан", ru: "Казахстан", en: "Kazakhstan" };

/** A country of two regions in 2021, as small as it may be. */
export function aState(change: Partial<DashboardState> = {}): DashboardState {
  return {
    scope: { code: "kz", kind: "country", name: COUNTRY_NAME, path: [] },
    period: { from: null, to: null },
    revision: 1,
    as_of: "2026-11-22T05:42:07.123Z",
    today: "2026-11-22",
    figures: {
      volunteers_registered: 2013,
      volunteers_declared: 10_000,
      volunteer_centres: 30,
      friendship_houses: 40,
      organisations: 75,
      coordinators: 150,
      events_held: 3412,
      events_coming: 12,
      sign_ups: 9100,
      attendances: 8120,
      hours_minutes: 1_843_200,
      helpers: 12_000,
      guests: 80_000,
      money_received_minor: 86_064_000_000,
      money_refunded_minor: 1_000_000_000,
      money_net_minor: 85_064_000_000,
      money_disbursed_minor: 61_200_000_000,
      money_on_hand_minor: 23_864_000_000,
      goods_value_minor: 9_360_000_000,
      donations: 5123,
      deliveries: 21_934,
      families_helped: 16_552,
      people_helped: 87_115,
    },
    hidden: [],
    regions: [
      {
        code: "KZ-75",
        volunteers_registered: 1200,
        events_held: 2000,
        money_net_minor: 60_000_000_000,
        families_helped: 9000,
        people_helped: 50_000,
        deliveries: 12_000,
        hidden: [],
      },
      {
        code: "KZ-71",
        volunteers_registered: 813,
        events_held: 1412,
        money_net_minor: 25_064_000_000,
        families_helped: null,
        people_helped: 37_115,
        deliveries: 9934,
        hidden: ["families_helped"],
      },
    ],
    centres: [],
    campaigns: [
      {
        id: "0197a000-0000-7000-8000-000000000001",
        title: { kk: "«Сарқыт»", ru: "«Саркыт»", en: "“Sarqyt”" },
        status: "open",
        goal_minor: 10_000_000_000,
        received_minor: 9_800_000_000,
        disbursed_minor: 4_900_000_000,
        families_helped: 2204,
        deliveries: 2504,
      },
    ],
    series: {
      days: ["2021-01-04", "2021-06-09", "2026-11-21", "2026-11-22"],
      volunteers_registered: [1000, 1000, 10, 3],
      events_held: [1700, 1700, 10, 2],
      hours_minutes: [900_000, 943_200, 0, 0],
      money_net_minor: [40_000_000_000, 45_000_000_000, 0, 64_000_000],
      money_disbursed_minor: [30_000_000_000, 31_200_000_000, 0, 0],
      deliveries: [10_000, 11_900, 30, 4],
    },
    ticker: [
      {
        id: "0197a000-0000-7000-8000-00000000000a",
        type: "charity.donation.received.v1",
        at: "2026-11-22T05:42:07.123Z",
        on: "2026-11-22",
        region: "KZ-75",
        centre_id: null,
        amount_minor: 1_250_000,
      },
    ],
    ...change,
  };
}

/** A place about which nothing is known yet. */
export function anEmptyState(): DashboardState {
  const state = aState();
  return {
    ...state,
    as_of: null,
    figures: Object.fromEntries(Object.keys(state.figures).map((figure) => [figure, 0])),
    regions: [],
    campaigns: [],
    series: { days: [] },
    ticker: [],
  };
}

export const REGIONS: readonly Region[] = [
  { code: "KZ-75", kk: "Алматы қаласы", ru: "город Алматы", en: "Almaty city", kind: "city" },
  { code: "KZ-71", kk: "Астана қаласы", ru: "город Астана", en: "Astana city", kind: "city" },
  { code: "KZ-63", kk: "Шығыс Қазақстан облысы", ru: "Восточно-Казахстанская область", en: "East Kazakhstan Region", kind: "oblast" },
  { code: "KZ-10", kk: "Абай облысы", ru: "область Абай", en: "Abai Region", kind: "oblast", valid_from: "2022-06-08", formed_from: "KZ-63" },
];

/** Stands where the browser's EventSource would; the test plays the gateway. */
export class FakeEventSource extends EventTarget {
  static opened: FakeEventSource[] = [];
  static get last(): FakeEventSource {
    const last = FakeEventSource.opened.at(-1);
    if (!last) throw new Error("No stream was opened.");
    return last;
  }

  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSED = 2;
  readyState = 0;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  closed = false;

  constructor(readonly url: string) {
    super();
    FakeEventSource.opened.push(this);
  }

  accept(): void {
    this.readyState = this.OPEN;
    this.onopen?.();
  }

  send(state: DashboardState, generation = 1): void {
    const id = `${generation}.${state.revision}.${state.today}`;
    this.dispatchEvent(new MessageEvent("state", { data: JSON.stringify(state), lastEventId: id }));
  }

  beat(): void {
    this.dispatchEvent(new MessageEvent("hb", { data: "{}" }));
  }

  /** The line breaks; the browser tries again by itself. */
  falter(): void {
    this.readyState = this.CONNECTING;
    this.onerror?.();
  }

  /** Refused, or broken for good. */
  fail(): void {
    this.readyState = this.CLOSED;
    this.onerror?.();
  }

  close(): void {
    this.closed = true;
    this.readyState = this.CLOSED;
  }
}

/** What GET answers next; a test may put an error or a status in its place. */
export interface Gateway {
  state: DashboardState;
  status: number;
  reachable: boolean;
  headers: Record<string, string>;
  /** What it says of whoever asks. */
  me: { kind: string; name: string | null };
  asked: string[];
}

export function aGateway(): Gateway {
  const anyone = { kind: "anyone", name: null };
  const gateway: Gateway = { state: aState(), status: 200, reachable: true, headers: {}, me: anyone, asked: [] };
  FakeEventSource.opened = [];
  vi.stubGlobal("EventSource", FakeEventSource);
  vi.stubGlobal("fetch", (url: string): Promise<Response> => {
    if (url === "/v1/me") {
      return gateway.reachable ? Promise.resolve(Response.json(gateway.me)) : Promise.reject(new TypeError("Failed to fetch"));
    }
    gateway.asked.push(url);
    if (!gateway.reachable) return Promise.reject(new TypeError("Failed to fetch"));
    if (url.startsWith("/v1/regions")) return Promise.resolve(Response.json({ items: REGIONS }));
    const headers = { ETag: `"1.${gateway.state.revision}.${gateway.state.today}"`, ...gateway.headers };
    return Promise.resolve(Response.json(gateway.state, { status: gateway.status, headers }));
  });
  return gateway;
}

export function show(visibility: "visible" | "hidden"): void {
  vi.spyOn(document, "visibilityState", "get").mockReturnValue(visibility);
  document.dispatchEvent(new Event("visibilitychange"));
}

export function network(online: boolean): void {
  vi.spyOn(navigator, "onLine", "get").mockReturnValue(online);
  dispatchEvent(new Event(online ? "online" : "offline"));
}
