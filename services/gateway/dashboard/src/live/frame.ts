/** One state as it arrived, and whether it is newer than the one we hold. */
import type { DashboardState } from "./contract.ts";

export interface Frame {
  readonly state: DashboardState;
  /** The event's id, "<generation>.<revision>.<day>"; null when the answer did not say. */
  readonly mark: string | null;
}

/** The mark in an ETag; a proxy that compresses makes it a weak one. */
export function markOf(etag: string | null): string | null {
  return /^(?:W\/)?"([\w.-]+)"$/.exec(etag ?? "")?.[1] ?? null;
}

/** Which building of the read model the frame's revision belongs to. */
function generationOf(frame: Frame): number | null {
  const found = /^(\d+)\./.exec(frame.mark ?? "");
  return found ? Number(found[1]) : null;
}

/** Whether the frame may replace what we hold: a replica that lags behind must not turn the figures back. */
export function isCurrent(held: Frame | null, frame: Frame): boolean {
  if (!held) return true;
  const [before, now] = [generationOf(held), generationOf(frame)];
  if (now === null) return frame.state.revision >= held.state.revision;
  if (before === null) return true;
  if (now !== before) return now > before;
  return frame.state.revision >= held.state.revision;
}

/** Whether it brings anything new; the same revision is sent again after a reconnect and at midnight. */
export function isNews(held: Frame | null, frame: Frame): boolean {
  if (!held) return true;
  return generationOf(held) !== generationOf(frame) || held.state.revision !== frame.state.revision;
}
