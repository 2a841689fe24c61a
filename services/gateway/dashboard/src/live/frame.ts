/** One state as it arrived, and whether it is newer than the one we hold. */
import type { DashboardState } from "./contract.ts";

export interface Frame {
  readonly state: DashboardState;
  /** Which building of the read model the revision belongs to; null when the answer did not say. */
  readonly generation: number | null;
}

const MARK = /(\d+)\.(\d+)/;

/** Reads the generation from an event's id or an ETag, both "<generation>.<revision>". */
export function generationOf(mark: string | null): number | null {
  const found = MARK.exec(mark ?? "");
  return found ? Number(found[1]) : null;
}

/** What to send as ?last= so that the server need not repeat this frame. */
export function markOf(frame: Frame): string | null {
  return frame.generation === null ? null : `${frame.generation}.${frame.state.revision}`;
}

/** Whether the frame may replace what we hold: a replica that lags behind must not turn the figures back. */
export function isCurrent(held: Frame | null, frame: Frame): boolean {
  if (!held) return true;
  if (frame.generation === null) return frame.state.revision >= held.state.revision;
  if (held.generation === null) return true;
  if (frame.generation !== held.generation) return frame.generation > held.generation;
  return frame.state.revision >= held.state.revision;
}

/** Whether it brings anything new; the same revision is sent again after a reconnect and at midnight. */
export function isNews(held: Frame | null, frame: Frame): boolean {
  return held?.generation !== frame.generation || held.state.revision !== frame.state.revision;
}
