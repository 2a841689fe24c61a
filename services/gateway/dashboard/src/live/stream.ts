/**
 * The page's line to the gateway: one snapshot, then one stream of whole states, kept open for as long as
 * someone looks at the page.
 */
import type { DashboardState } from "./contract.ts";
import { isCurrent, markOf } from "./frame.ts";
import type { Frame } from "./frame.ts";

/** loading: nothing arrived yet. stale: what is shown may no longer be true. */
export type Connection = "loading" | "live" | "reconnecting" | "stale";

/** Why the gateway will not serve what the address asks for. */
export type Refused = "missing" | "wrongPeriod" | "forbidden";

export interface Listener {
  frame(frame: Frame): void;
  connection(connection: Connection): void;
  refused(why: Refused): void;
}

export const STALE_AFTER_MS = 40_000;
export const LOST_AFTER_MS = 10_000;
export const HIDDEN_AFTER_MS = 30_000;
/** How long the browser may try by itself; some give up without saying so. */
export const NATIVE_RETRY_MS = 15_000;
const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 30_000;

// Not 401: that is a session that is over. The browser has just been told to forget it, and the next try is anyone's.
const REFUSALS: Record<number, Refused> = {
  400: "wrongPeriod",
  403: "forbidden",
  404: "missing",
  422: "wrongPeriod",
};

type Timer = ReturnType<typeof setTimeout>;

export class LiveStream {
  readonly #listener: Listener;
  #query = "";
  #last: Frame | null = null;
  #source: EventSource | null = null;
  #asking: AbortController | null = null;
  #heardAt: number | null = null;
  #lostAt: number | null = null;
  #attempts = 0;
  #suspended = false;
  #refused = false;
  #connection: Connection | null = null;
  #retryTimer: Timer | undefined;
  #watchTimer: Timer | undefined;
  #nativeTimer: Timer | undefined;
  #hiddenTimer: Timer | undefined;

  constructor(listener: Listener) {
    this.#listener = listener;
    document.addEventListener("visibilitychange", this.#visibilityChanged);
    addEventListener("online", this.#networkChanged);
    addEventListener("offline", this.#networkChanged);
    // An open stream keeps the browser from remembering the page for the back button.
    addEventListener("pagehide", this.#suspend);
    addEventListener("pageshow", this.#visibilityChanged);
  }

  /** Follows another place or period; `query` is what goes behind the question mark. */
  async open(query: string): Promise<void> {
    this.#shut();
    this.#query = query;
    this.#last = null;
    this.#heardAt = null;
    this.#lostAt = null;
    this.#attempts = 0;
    this.#refused = false;
    this.#connection = null;
    this.#assess();
    await this.retry();
  }

  /** Asks once for the whole state, then follows the stream from there. */
  async retry(): Promise<void> {
    this.#shut();
    const wait = await this.#ask();
    if (wait === null || this.#suspended || this.#refused) return;
    if (wait > 0) this.#later(wait);
    else this.#follow();
  }

  close(): void {
    this.#shut();
    clearTimeout(this.#hiddenTimer);
    clearTimeout(this.#watchTimer);
    document.removeEventListener("visibilitychange", this.#visibilityChanged);
    removeEventListener("online", this.#networkChanged);
    removeEventListener("offline", this.#networkChanged);
    removeEventListener("pagehide", this.#suspend);
    removeEventListener("pageshow", this.#visibilityChanged);
  }

  /** GET /v1/dashboard; answers how long to wait before following, 0 for not at all, null when overtaken. */
  async #ask(): Promise<number | null> {
    const asking = (this.#asking = new AbortController());
    try {
      // "no-cache" lets the browser send its ETag and answer from its own copy after a 304.
      const response = await fetch(`/v1/dashboard?${this.#query}`, {
        headers: { accept: "application/json" },
        cache: "no-cache",
        signal: asking.signal,
      });
      const refusal = REFUSALS[response.status];
      if (refusal) {
        this.#refused = true;
        this.#listener.refused(refusal);
        return 0;
      }
      if (!response.ok) {
        this.#lost();
        return this.#delay(Number(response.headers.get("Retry-After")) || 0);
      }
      const state = (await response.json()) as DashboardState;
      if (asking.signal.aborted) return null;
      this.#heard();
      this.#take({ state, mark: markOf(response.headers.get("ETag")) });
      return 0;
    } catch {
      if (asking.signal.aborted) return null;
      this.#lost();
      return this.#delay(0);
    }
  }

  #follow(): void {
    const last = this.#last?.mark;
    const source = new EventSource(`/v1/live?${this.#query}${last ? `&last=${last}` : ""}`);
    this.#source = source;
    source.onopen = () => {
      this.#found();
    };
    source.addEventListener("hb", () => {
      this.#attempts = 0;
      this.#found();
    });
    source.addEventListener("state", (event: MessageEvent<string>) => {
      this.#attempts = 0;
      this.#found();
      const state = JSON.parse(event.data) as DashboardState;
      this.#take({ state, mark: event.lastEventId || null });
    });
    source.onerror = () => {
      this.#lost();
      // Still connecting: the browser tries again by itself, after the pause the gateway asked for as it left.
      if (source.readyState !== source.CLOSED) {
        this.#nativeTimer ??= setTimeout(this.#startOver, NATIVE_RETRY_MS);
        return;
      }
      this.#shut();
      this.#later(this.#delay(0));
    };
  }

  #take(frame: Frame): void {
    if (!isCurrent(this.#last, frame)) return;
    this.#last = frame;
    this.#listener.frame(frame);
  }

  /** The stream is up. */
  #found(): void {
    clearTimeout(this.#nativeTimer);
    this.#nativeTimer = undefined;
    this.#lostAt = null;
    this.#heard();
  }

  #heard(): void {
    this.#heardAt = Date.now();
    this.#assess();
  }

  #lost(): void {
    this.#lostAt ??= Date.now();
    this.#assess();
  }

  /** Doubles each time up to half a minute, spread at random so that not everyone returns at once. */
  #delay(retryAfterS: number): number {
    const span = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#attempts);
    this.#attempts += 1;
    return retryAfterS * 1000 + FIRST_DELAY_MS / 2 + Math.random() * span;
  }

  #later(wait: number): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(this.#startOver, wait);
  }

  readonly #startOver = (): void => {
    void this.retry();
  };

  #shut(): void {
    this.#asking?.abort();
    this.#source?.close();
    this.#source = null;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#nativeTimer);
    this.#nativeTimer = undefined;
  }

  /** Says which state the connection is in now, and looks again when that could change by waiting alone. */
  readonly #assess = (): void => {
    clearTimeout(this.#watchTimer);
    const now = Date.now();
    const heard = this.#heardAt ?? -Infinity;
    let connection: Connection;
    let until = Infinity;
    if (!navigator.onLine && this.#heardAt !== null) {
      connection = "stale";
    } else if (this.#lostAt !== null) {
      // A snapshot fetched while the stream is away is as good as a frame.
      const asked = heard > this.#lostAt ? heard + STALE_AFTER_MS : -Infinity;
      until = Math.max(this.#lostAt + LOST_AFTER_MS, asked);
      connection = now < until ? "reconnecting" : "stale";
    } else if (this.#heardAt === null) {
      connection = "loading";
    } else {
      until = heard + STALE_AFTER_MS;
      connection = now < until ? "live" : "stale";
      if (connection === "stale" && this.#source && !this.#suspended) {
        // The line looks open and is silent: half a connection. Begin anew.
        this.#lostAt = heard;
        this.#shut();
        this.#later(this.#delay(0));
      }
    }
    if (until > now && until !== Infinity && !this.#suspended) {
      this.#watchTimer = setTimeout(this.#assess, until - now);
    }
    if (connection !== this.#connection) {
      this.#connection = connection;
      this.#listener.connection(connection);
    }
  };

  readonly #visibilityChanged = (): void => {
    clearTimeout(this.#hiddenTimer);
    if (document.visibilityState === "hidden") {
      this.#hiddenTimer = setTimeout(this.#suspend, HIDDEN_AFTER_MS);
    } else if (this.#suspended) {
      this.#suspended = false;
      this.#lostAt = Date.now();
      this.#assess();
      if (this.#last) this.#follow();
      else void this.retry();
    }
  };

  /** Nobody looks: a hidden tab would cost the gateway a stream and this browser one of its six connections. */
  readonly #suspend = (): void => {
    this.#suspended = true;
    this.#shut();
    clearTimeout(this.#watchTimer);
  };

  readonly #networkChanged = (): void => {
    if (navigator.onLine) {
      this.#lostAt ??= Date.now();
      this.#attempts = 0;
      if (!this.#suspended) void this.retry();
    }
    this.#assess();
  };
}
