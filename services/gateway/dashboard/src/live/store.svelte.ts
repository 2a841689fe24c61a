/** What the page knows and shows: the address, the newest state, and how the connection is doing. */
import { tick } from "svelte";
import { hrefOf, parseAddress, queryOf } from "../address.ts";
import type { Address } from "../address.ts";
import { dayAt } from "../i18n/formats.ts";
import { chooseLanguage, rememberLanguage } from "../i18n/language.ts";
import { catalogue } from "../i18n/words.ts";
import type { Words } from "../i18n/words.ts";
import type { DashboardState, Region } from "./contract.ts";
import { isNews } from "./frame.ts";
import type { Frame } from "./frame.ts";
import { Keeper } from "./keep.ts";
import { LiveStream } from "./stream.ts";
import type { Connection, Refused } from "./stream.ts";

/** What the browser's address bar asks for. */
export function readAddress(): Address {
  return parseAddress(chooseLanguage(location.pathname, document.cookie, navigator.languages), location.search);
}

/** What the status pill says: the visitor's pause goes before everything the connection does. */
export type PageState = Connection | "paused";

export class Dashboard {
  address: Address = $state.raw(readAddress());
  /** The catalogue of the address's language. */
  words: Words = $state.raw() as Words;
  /** The state on screen; while another place is being fetched, still the old one. */
  state: DashboardState | null = $state.raw(null);
  connection: Connection = $state("loading");
  refused: Refused | null = $state(null);
  paused = $state(false);
  /** How many states arrived since the pause. */
  waiting = $state(0);
  /** When the state on screen arrived. */
  heardAt: number | null = $state(null);
  /** The state on screen is one kept on this device, not one that arrived. */
  restored = $state(false);
  /** The state on screen belongs to the place asked for before. */
  moving = $state(true);
  regions: ReadonlyMap<string, Region> = $state.raw(new Map());

  readonly pageState: PageState = $derived(this.paused ? "paused" : this.connection);

  #newest: { frame: Frame; at: number } | null = null;
  #query = "";
  readonly #keeper = new Keeper();
  readonly #stream: LiveStream;

  constructor(words: Words) {
    this.words = words;
    this.#stream = new LiveStream({
      frame: (frame) => {
        this.#arrived(frame);
      },
      connection: (connection) => {
        this.connection = connection;
        if (connection !== "loading" && connection !== "live" && !this.heardAt) this.#restore();
      },
      refused: (why) => {
        this.refused = why;
        this.moving = false;
      },
    });
  }

  start(): void {
    history.replaceState(null, "", hrefOf(this.address));
    addEventListener("popstate", this.#popped);
    void this.#nameRegions();
    this.#follow();
  }

  stop(): void {
    removeEventListener("popstate", this.#popped);
    this.#stream.close();
  }

  /** The address that differs from the present one in this. */
  href(change: Partial<Address>): string {
    return hrefOf({ ...this.address, ...change });
  }

  go(change: Partial<Address>): void {
    const next = { ...this.address, ...change };
    if (hrefOf(next) === hrefOf(this.address)) return;
    history.pushState(null, "", hrefOf(next));
    if (change.language) rememberLanguage(change.language);
    void this.#show(next);
    if (change.scope !== undefined) void tick().then(() => { scrollTo({ top: 0 }); });
  }

  togglePause(): void {
    this.paused = !this.paused;
    if (!this.paused && this.#newest) this.#put(this.#newest.frame.state, this.#newest.at);
  }

  retry(): void {
    this.refused = null;
    void this.#stream.retry();
  }

  /** Today as the gateway counts it, else as Almaty's clock has it. */
  get today(): string {
    return this.state?.today ?? dayAt(Date.now());
  }

  readonly #popped = (): void => {
    void this.#show(readAddress());
  };

  async #show(address: Address): Promise<void> {
    if (address.language !== this.address.language) {
      this.words = await catalogue(address.language);
    }
    this.address = address;
    if (queryOf(address, this.today) !== this.#query) this.#follow();
  }

  #follow(): void {
    this.#query = queryOf(this.address, this.today);
    this.#newest = null;
    this.heardAt = null;
    this.waiting = 0;
    this.refused = null;
    this.moving = true;
    void this.#stream.open(this.#query);
  }

  #arrived(frame: Frame): void {
    const at = Date.now();
    const first = this.#newest === null;
    const news = isNews(this.#newest?.frame ?? null, frame);
    this.#newest = { frame, at };
    this.#keeper.keep(this.#query, frame.state);
    if (this.paused && !first) {
      if (news) this.waiting += 1;
      return;
    }
    this.#put(frame.state, at);
    // Past midnight "the last seven days" are other days.
    if (queryOf(this.address, this.today) !== this.#query) this.#follow();
  }

  #put(state: DashboardState, at: number): void {
    this.state = state;
    this.heardAt = at;
    this.waiting = 0;
    this.restored = false;
    this.moving = false;
    this.refused = null;
  }

  #restore(): void {
    const found = this.#keeper.found(this.#query);
    if (!found) return;
    this.#put(found.state, found.at);
    this.restored = true;
  }

  async #nameRegions(): Promise<void> {
    try {
      const response = await fetch("/v1/regions", { headers: { accept: "application/json" } });
      if (!response.ok) return;
      const { items } = (await response.json()) as { items: Region[] };
      this.regions = new Map(items.map((region) => [region.code, region]));
    } catch {
      // The tiles have short names of their own; the full ones come with the next visit.
    }
  }
}
