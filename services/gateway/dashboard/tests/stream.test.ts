/**
 * The connection's states, with a gateway and a clock of our own.
 *
 * @vitest-environment happy-dom
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Frame } from "../src/live/frame.ts";
import {
  HIDDEN_AFTER_MS,
  LOST_AFTER_MS,
  LiveStream,
  NATIVE_RETRY_MS,
  STALE_AFTER_MS,
} from "../src/live/stream.ts";
import { FakeEventSource, aGateway, aState, network, show } from "./examples.ts";
import type { Gateway } from "./examples.ts";

let gateway: Gateway;
let stream: LiveStream;
let frames: number[];
let connections: string[];
let refusals: string[];

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  gateway = aGateway();
  frames = [];
  connections = [];
  refusals = [];
  stream = new LiveStream({
    frame: ({ state }: Frame) => frames.push(state.revision),
    connection: (connection) => connections.push(connection),
    refused: (why) => refusals.push(why),
  });
});

afterEach(() => {
  stream.close();
  vi.useRealTimers();
});

const wait = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

async function live(): Promise<FakeEventSource> {
  await stream.open("scope=kz");
  FakeEventSource.last.accept();
  return FakeEventSource.last;
}

test("it shows the snapshot, then follows the stream from there", async () => {
  gateway.state = aState({ revision: 7 });

  const source = await live();

  expect(gateway.asked).toEqual(["/v1/dashboard?scope=kz"]);
  expect(source.url).toBe("/v1/live?scope=kz&last=1.7.2026-11-22");
  expect(frames).toEqual([7]);
  expect(connections).toEqual(["loading", "live"]);
});

test("a frame with a lower revision than the one shown is dropped", async () => {
  gateway.state = aState({ revision: 7 });
  const source = await live();

  for (const revision of [8, 6, 9, 8]) source.send(aState({ revision }));

  expect(frames).toEqual([7, 8, 9]);
});

test("heartbeats keep it live, silence makes it stale and begins anew", async () => {
  const source = await live();

  await wait(STALE_AFTER_MS - 1000);
  source.beat();
  await wait(STALE_AFTER_MS - 1000);
  expect(connections.at(-1)).toBe("live");

  await wait(1000);
  expect(connections.at(-1)).toBe("stale");
  expect(source.closed).toBe(true);

  await wait(2000);
  FakeEventSource.last.accept();
  expect(FakeEventSource.last).not.toBe(source);
  expect(connections.at(-1)).toBe("live");
});

test("a broken line is reconnecting for ten seconds, then stale, then live again when it is back", async () => {
  const source = await live();
  source.falter();
  expect(connections.at(-1)).toBe("reconnecting");

  await wait(LOST_AFTER_MS);
  expect(connections.at(-1)).toBe("stale");

  source.accept();
  expect(connections.at(-1)).toBe("live");
  expect(FakeEventSource.opened).toHaveLength(1);
});

test("a browser that does not get through by itself is helped", async () => {
  const source = await live();
  source.falter();

  await wait(NATIVE_RETRY_MS);

  expect(source.closed).toBe(true);
  expect(FakeEventSource.opened).toHaveLength(2);
});

test("a refused stream is tried again ever more slowly, spread at random, with a snapshot each time", async () => {
  const source = await live();
  gateway.reachable = false;
  source.fail();

  // With random at one half: 0.5 s + half of 1, 2, 4, 8, 16, 30, 30 s.
  const waits = [1000, 1500, 2500, 4500, 8500, 15_500, 15_500];
  for (const [tried, ms] of waits.entries()) {
    const before = gateway.asked.length;
    await wait(ms - 1);
    expect(gateway.asked.length, `try ${tried} comes too early`).toBe(before);
    await wait(1);
    expect(gateway.asked.length, `try ${tried} comes too late`).toBe(before + 1);
  }
  expect(connections.at(-1)).toBe("stale");

  gateway.reachable = true;
  await wait(16_000);
  FakeEventSource.last.accept();
  expect(connections.at(-1)).toBe("live");
});

test("while the stream is refused but snapshots come, the figures are not called stale", async () => {
  const source = await live();
  source.fail();

  for (let second = 0; second < 60; second += 1) {
    await wait(1000);
    if (FakeEventSource.last.readyState === 0) FakeEventSource.last.fail();
  }

  expect(connections).not.toContain("stale");
  expect(connections.at(-1)).toBe("reconnecting");
});

test("a gateway that is full says when to come back", async () => {
  gateway.status = 503;
  gateway.headers = { "Retry-After": "20" };
  await stream.open("scope=kz");
  expect(connections.at(-1)).toBe("reconnecting");

  gateway.status = 200;
  await wait(20_000);
  expect(gateway.asked).toHaveLength(1);
  await wait(2000);
  expect(gateway.asked).toHaveLength(2);
});

test.each([
  [404, "missing"],
  [422, "wrongPeriod"],
  [403, "forbidden"],
])("status %i is not tried again", async (status, why) => {
  gateway.status = status;

  await stream.open("scope=KZ-99");
  await wait(120_000);

  expect(refusals).toEqual([why]);
  expect(gateway.asked).toHaveLength(1);
  expect(FakeEventSource.opened).toHaveLength(0);
});

test("a session that is over is no reason to stop: the next try is anyone's", async () => {
  gateway.status = 401;
  await stream.open("scope=kz");

  gateway.status = 200;
  await wait(2000);
  FakeEventSource.last.accept();

  expect(refusals).toEqual([]);
  expect(connections.at(-1)).toBe("live");
});

test("nothing arrives at first: loading, then reconnecting, then stale", async () => {
  gateway.reachable = false;

  await stream.open("scope=kz");
  await wait(LOST_AFTER_MS);

  expect(connections).toEqual(["loading", "reconnecting", "stale"]);
});

test("a tab hidden for half a minute gives its stream back and resumes where it was", async () => {
  gateway.state = aState({ revision: 7 });
  const source = await live();
  show("hidden");
  await wait(HIDDEN_AFTER_MS - 1);
  expect(source.closed).toBe(false);
  await wait(1);
  expect(source.closed).toBe(true);

  show("visible");

  expect(FakeEventSource.last.url).toBe("/v1/live?scope=kz&last=1.7.2026-11-22");
  expect(connections.at(-1)).toBe("reconnecting");
  FakeEventSource.last.accept();
  expect(connections.at(-1)).toBe("live");
});

test("a tab hidden for a moment keeps its stream", async () => {
  const source = await live();

  show("hidden");
  await wait(HIDDEN_AFTER_MS / 2);
  show("visible");
  source.beat();
  await wait(HIDDEN_AFTER_MS);

  expect(source.closed).toBe(false);
});

test("without a network it is stale at once, with one it asks at once", async () => {
  await live();

  network(false);
  expect(connections.at(-1)).toBe("stale");

  network(true);
  await wait(0);
  FakeEventSource.last.accept();
  expect(gateway.asked).toHaveLength(2);
  expect(connections.at(-1)).toBe("live");
});

test("following another place closes the first stream and forgets its revision", async () => {
  gateway.state = aState({ revision: 900 });
  const first = await live();

  gateway.state = aState({ revision: 3 });
  await stream.open("scope=KZ-75");

  expect(first.closed).toBe(true);
  expect(FakeEventSource.last.url).toBe("/v1/live?scope=KZ-75&last=1.3.2026-11-22");
  expect(frames).toEqual([900, 3]);
});

test("an answer that comes after the visitor has moved on is not shown", async () => {
  const slow = stream.open("scope=kz");
  gateway.state = aState({ revision: 5 });
  await stream.open("scope=KZ-75");
  await slow;

  expect(FakeEventSource.opened).toHaveLength(1);
  expect(frames).toEqual([5]);
});
