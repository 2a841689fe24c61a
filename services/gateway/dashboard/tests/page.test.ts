/**
 * What the visitor sees in each state, told as stories.
 *
 * @vitest-environment happy-dom
 */
import { flushSync, mount, unmount } from "svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import App from "../src/App.svelte";
import { csvOf } from "../src/csv.ts";
import { catalogue } from "../src/i18n/words.ts";
import type { DashboardState } from "../src/live/contract.ts";
import { Dashboard, readAddress } from "../src/live/store.svelte.ts";
import { FakeEventSource, aGateway, aState, anEmptyState } from "./examples.ts";
import type { Gateway } from "./examples.ts";

let gateway: Gateway;
let board: Dashboard;
let page: Record<string, never>;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse("2026-11-22T05:42:07Z") });
  localStorage.clear();
  gateway = aGateway();
  vi.stubGlobal("scrollTo", vi.fn());
});

afterEach(async () => {
  board.stop();
  await unmount(page);
  vi.useRealTimers();
  document.body.innerHTML = "";
});

async function open(href = "/kk/"): Promise<void> {
  history.replaceState(null, "", href);
  board = new Dashboard(await catalogue(readAddress().language));
  page = mount(App, { target: document.body, props: { board } });
  await settle();
}

async function settle(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  flushSync();
}

const one = (selector: string): HTMLElement => {
  const found = document.querySelector<HTMLElement>(selector);
  if (!found) throw new Error(`Nothing on the page is ${selector}.`);
  return found;
};
const figure = (name: string): string | undefined => one(`[data-figure="${name}"]`).dataset["value"];
const pill = (): string | undefined => one("[data-state]").dataset["state"];
const text = (): string => document.body.textContent.replaceAll("\u00a0", " ");

test("live: the figures are exact, the pill says so with the time", async () => {
  await open();
  FakeEventSource.last.accept();
  await settle();

  expect(pill()).toBe("live");
  expect(one("[data-state]").textContent).toContain("10:42:07");
  expect(figure("volunteers_registered")).toBe("2013");
  expect(figure("events_held")).toBe("3412");
  expect(figure("money_net_minor")).toBe("85064000000");
  expect(figure("families_helped")).toBe("16552");
  expect(figure("people_helped")).toBe("87115");
  expect(figure("volunteers_declared")).toBe("10000");
  expect(one('[data-figure="money_net_minor"] .amount').title.replaceAll("\u00a0", " ")).toBe("850 640 000 ₸");
  expect(document.documentElement.lang).toBe("kk");
});

test("a frame changes the figures on the page", async () => {
  await open();
  FakeEventSource.last.accept();

  const state = aState({ revision: 2 });
  FakeEventSource.last.send({ ...state, figures: { ...state.figures, volunteers_registered: 2014 } });
  await settle(400);

  expect(figure("volunteers_registered")).toBe("2014");
  expect(one('[data-figure="volunteers_registered"] .number').textContent.replaceAll("\u00a0", " ")).toContain("2 014");
});

test("paused: the figures stand still, what comes is counted, the newest is shown at once on going on", async () => {
  await open();
  FakeEventSource.last.accept();
  one(".pause").click();
  for (const revision of [2, 3, 3, 4]) {
    FakeEventSource.last.send(aState({ revision, figures: { events_held: 3412 + revision } }));
  }
  await settle();

  expect(pill()).toBe("paused");
  expect(one("[data-state]").textContent).toContain("3 жаңарту күтуде");
  expect(figure("events_held")).toBe("3412");

  one(".pause").click();
  await settle();
  expect(pill()).toBe("live");
  expect(figure("events_held")).toBe("3416");
});

test("reconnecting, then stale: the figures stay and say from when they are", async () => {
  await open("/ru/");
  FakeEventSource.last.accept();
  FakeEventSource.last.falter();
  await settle();
  expect(pill()).toBe("reconnecting");
  expect(document.querySelector("[data-notice]")).toBe(null);

  await settle(10_000);
  expect(pill()).toBe("stale");
  expect(one('[data-notice="stale"]').textContent).toContain("Связь потеряна. Показатели на 10:42.");
  expect(figure("events_held")).toBe("3412");
  expect(one('[role="status"]').textContent).toContain("Переподключение");
});

test("without a gateway the last figures seen on this device are shown, with their time", async () => {
  await open();
  board.stop();
  await unmount(page);
  document.body.innerHTML = "";

  gateway.reachable = false;
  await settle(3_600_000);
  await open();
  await settle(15_000);

  expect(pill()).toBe("stale");
  expect(one('[data-notice="stale"]').textContent).toContain("10:42");
  expect(figure("events_held")).toBe("3412");
});

test("nothing to show at all: it says that it tries again", async () => {
  gateway.reachable = false;
  await open();

  expect(one('[data-notice="failed"]').textContent).toContain("Көрсеткіштер жүктелмеді");
  expect(document.querySelector("[data-figure]")).toBe(null);
});

test("loading: outlines first, after eight seconds a word and a button", async () => {
  vi.stubGlobal("fetch", () => new Promise(() => undefined));
  await open("/en/");
  expect(pill()).toBe("loading");
  expect(document.querySelector(".skeleton")).not.toBe(null);
  expect(document.querySelector("[data-notice]")).toBe(null);

  await settle(8000);
  expect(one('[data-notice="slow"]').textContent).toContain("Still loading");
});

test("empty: one sentence, and no nought where nothing is known", async () => {
  gateway.state = anEmptyState();
  await open("/en/");

  expect(one('[data-notice="empty"]').textContent).toContain("Nothing is recorded");
  expect(one('[data-figure="events_held"] .number').textContent).toContain("–");
});

test("partial: a figure that failed says so, the others stay", async () => {
  const state = aState();
  gateway.state = { ...state, figures: { ...state.figures, events_held: null } };
  await open("/en/");

  expect(one('[data-figure="events_held"]').textContent).toContain("This figure is unavailable");
  expect(figure("events_held")).toBe("");
  expect(figure("people_helped")).toBe("87115");
});

test("a small count is printed as fewer than five", async () => {
  const state = aState();
  gateway.state = { ...state, figures: { ...state.figures, families_helped: null }, hidden: ["families_helped"] };
  await open("/en/");

  expect(figure("families_helped")).toBe("<5");
  expect(one('[data-figure="families_helped"] .number').textContent).toContain("<5");
  expect(one('[data-row="KZ-71"] [data-figure-cell="families_helped"]').textContent).toContain("<5");
});

test("an address that leads nowhere says so and shows the way to the country", async () => {
  gateway.status = 404;
  await open("/en/?scope=KZ-99");

  expect(one('[data-notice="missing"]').textContent).toContain("There is no such region");
  expect(one('[data-notice="missing"] a').getAttribute("href")).toBe("/en/");
});

test("2021 has the regions of 2021; what did not exist is drawn apart", async () => {
  gateway.state = aState({ period: { from: "2021-01-01", to: "2021-12-31" } });
  await open("/en/?from=2021-01-01&to=2021-12-31");

  expect(gateway.asked).toContain("/v1/dashboard?scope=kz&from=2021-01-01&to=2021-12-31");
  expect(one('[data-region="KZ-75"]').dataset["value"]).toBe("2000");
  const abai = one('[data-region="KZ-10"]');
  expect(abai.classList).toContain("absent");
  expect(abai.title.replaceAll("\u00a0", " ")).toBe(
    "Abai Region: formed 8 June 2022, until then part of East Kazakhstan Region",
  );
});

test("tiles and table follow one choice and one order", async () => {
  await open("/en/");
  const codes = (selector: string, key: string): (string | undefined)[] =>
    [...document.querySelectorAll<HTMLElement>(selector)].map((row) => row.dataset[key]);
  expect(codes("tr[data-row]", "row")).toEqual(["KZ-75", "KZ-71"]);

  [...document.querySelectorAll<HTMLElement>("thead button")].find((head) => head.textContent.startsWith("Region"))?.click();
  flushSync();
  expect(codes("tr[data-row]", "row")).toEqual(["KZ-75", "KZ-71"]);
  expect(one('th[aria-sort="ascending"]').textContent).toContain("Region");

  [...document.querySelectorAll<HTMLElement>("thead button")].find((head) => head.textContent.startsWith("People"))?.click();
  flushSync();
  expect(one('[data-region="KZ-75"]').dataset["value"]).toBe("50000");
  expect(text()).toContain("counted once for the country");
});

test("rows do not change places under the pointer", async () => {
  await open("/en/");
  const state = aState({ revision: 2 });
  const [first, second] = state.regions as [DashboardState["regions"][0], DashboardState["regions"][0]];
  const order = (): (string | undefined)[] =>
    [...document.querySelectorAll<HTMLElement>("tr[data-row]")].map((row) => row.dataset["row"]);

  one(".pair").dispatchEvent(new PointerEvent("pointerenter"));
  FakeEventSource.last.send({ ...state, regions: [first, { ...second, events_held: 9000 }] });
  await settle();
  expect(order()).toEqual(["KZ-75", "KZ-71"]);

  one(".pair").dispatchEvent(new PointerEvent("pointerleave"));
  await settle(5000);
  expect(order()).toEqual(["KZ-71", "KZ-75"]);
});

test("who has not signed in is shown the way, which leads back to the same place", async () => {
  await open("/en/?scope=KZ-75");

  expect(one("a.account").textContent).toContain("Sign in");
  expect(one("a.account").getAttribute("href")).toBe("/en/sign-in?next=%2Fen%2F%3Fscope%3DKZ-75");
});

test("who has signed in sees their name", async () => {
  gateway.me = { kind: "person", name: "Айгүл" };
  await open("/kk/");

  expect(one("a.account").textContent).toContain("Айгүл");
  expect(one("a.account").getAttribute("href")).toBe("/kk/account");
});

test("another language changes the words, the address and the cookie, and asks for nothing", async () => {
  await open("/kk/?from=2021-01-01&to=2021-12-31");
  const asked = gateway.asked.length;

  one('a[lang="ru"]').click();
  await vi.waitFor(() => {
    flushSync();
    expect(text()).toContain("Проведённые мероприятия");
  });

  expect(location.pathname + location.search).toBe("/ru/?from=2021-01-01&to=2021-12-31");
  expect(document.cookie).toContain("language=ru");
  expect(document.documentElement.lang).toBe("ru");
  expect(gateway.asked).toHaveLength(asked);
});

test("a press on a region goes there, the back button comes back", async () => {
  await open("/en/");
  gateway.state = aState({
    scope: { code: "KZ-75", kind: "region", name: { en: "Almaty city" }, path: [{ code: "kz", name: {} }] },
    regions: [],
    centres: [
      {
        id: "0197a000-0000-7000-8000-0000000000c1",
        kind: "friendship_house",
        region: "KZ-75",
        name: { kk: "Достық үйі" },
        events_held: 5,
        hidden: [],
      },
    ],
  });

  one('[data-region="KZ-75"] a').click();
  await settle();
  expect(location.search).toBe("?scope=KZ-75");
  expect(one("h1").textContent).toBe("Almaty city");
  expect(one('[data-row^="centre:"] a').lang).toBe("kk");
  expect(text()).toContain("Friendship House");

  gateway.state = aState();
  history.back();
  await vi.waitFor(() => {
    flushSync();
    expect(one("h1").textContent).toBe("Kazakhstan");
  });
});

test("a campaign shows what a campaign has", async () => {
  const [campaign] = aState().campaigns;
  gateway.state = aState({
    scope: { code: `campaign:${campaign?.id}`, kind: "campaign", name: { en: "“Sarqyt”" }, path: [{ code: "kz", name: {} }] },
    regions: [],
    campaigns: campaign ? [{ ...campaign, families_helped: null, hidden: ["families_helped"] }] : [],
  });
  await open(`/en/?scope=campaign:${campaign?.id}`);

  expect(document.querySelector('[data-figure="volunteers_registered"]')).toBe(null);
  expect(figure("donations")).toBe("5123");
  expect(one("[data-campaign]").textContent).toContain("<5 families");
});

test("past midnight a rolling period is asked for anew", async () => {
  await open("/en/?period=7d");
  expect(gateway.asked).toContain("/v1/dashboard?scope=kz&from=2026-11-16");

  gateway.state = aState({ revision: 2, today: "2026-11-23" });
  FakeEventSource.last.send(gateway.state);
  await settle();

  expect(gateway.asked.at(-1)).toBe("/v1/dashboard?scope=kz&from=2026-11-17");
});

test("the wall shows figures, map and money, and no controls", async () => {
  await open("/en/?wall");
  expect(document.querySelector("header")).toBe(null);
  expect(document.querySelectorAll("[data-figure]")).toHaveLength(5);
  expect(text()).toContain("22 November 2026");

  dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
  await settle();
  expect(location.search).toBe("");
  expect(document.querySelector("header")).not.toBe(null);
});

test("the feed says what happened and where, in words of the page's own", async () => {
  await open("/kk/");
  expect(one("ol li").textContent.replaceAll("\u00a0", " ")).toContain("Қайырмалдық түсті");
  expect(one("ol li").textContent.replaceAll("\u00a0", " ")).toContain("12 500 ₸");
  expect(one("ol li").textContent).toContain("Алматы қаласы");
});

test("the CSV holds what is on screen, opens in Excel, and runs no formula", async () => {
  await open("/ru/");
  const state = aState();
  const rows = csvOf(board, {
    ...state,
    campaigns: state.campaigns.map((campaign) => ({ ...campaign, title: { ru: '=1+1;"' } })),
  }).split("\r\n");

  expect(rows[0]).toBe("\ufeffраздел;название;код;дата;показатель;значение;единица");
  expect(rows).toContain("показатели;Казахстан;kz;/2026-11-22;Собранные средства;850640000;тенге");
  expect(rows).toContain("показатели;Казахстан;kz;/2026-11-22;Отработанные часы;30720;часы");
  expect(rows).toContain("регионы;город Астана;KZ-71;/2026-11-22;Семьи, получившие помощь;<5;количество");
  expect(rows.some((row) => row.startsWith(`акции;"'=1+1;"""`))).toBe(true);
  expect(rows).toContain("по времени;Казахстан;kz;2021-06-09;Проведённые мероприятия;1700;количество");
});
