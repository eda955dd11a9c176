import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FAR_IP } from "../../hypervisor/network/far-host.js";
import { pattern, startWebLoad, STANDARD_SERVICES, WordHash, type WebResult } from "../../hypervisor/network/services.js";
import { mischief, pair } from "./rig.js";

const test = suite("the far host's TCP");

interface Heard { bytes: number; hash: WordHash; ended: boolean; closed: boolean }

/** Dials a service, writes `bytes` and ends; gives what came back. */
function exchange(bytes: Uint8Array, port: number, options: Parameters<typeof pair>[2] = {}, seconds = 60): Heard {
  const { clock, near } = pair({}, { services: STANDARD_SERVICES }, options);
  const heard: Heard = { bytes: 0, hash: new WordHash(), ended: false, closed: false };
  near.dial(FAR_IP, port, {
    opened: (c) => { c.write(bytes); c.end(); },
    received: (_c, piece) => { heard.bytes += piece.length; heard.hash.add(piece); },
    ended: () => { heard.ended = true; },
    closed: () => { heard.closed = true; },
  });
  clock.advance(seconds * 1e9);
  return heard;
}

const hashOf = (bytes: Uint8Array): number => {
  const hash = new WordHash();
  hash.add(bytes);
  return hash.hash;
};

test("a stream comes whole and in order, and both sides close (RFC 9293, 3.6)", () => {
  const bytes = pattern(300_001);
  const heard = exchange(bytes, 7);
  assert.equal([heard.bytes, heard.hash.hash, heard.ended, heard.closed], [bytes.length, hashOf(bytes), true, true]);
});

for (const [seed, every] of [[1, 20], [2, 20], [3, 8], [4, 8], [5, 50]] as const) {
  test(`also over a link that loses, doubles and swaps frames, one in ${every} each, seed ${seed} (RFC 5681, RFC 6298)`, () => {
    const bytes = pattern(200_003);
    const heard = exchange(bytes, 7, { disturb: mischief(seed, every) }, 1000);
    assert.equal([heard.bytes, heard.hash.hash, heard.ended], [bytes.length, hashOf(bytes), true]);
  });
}

test("a port that nobody serves refuses (RFC 9293, 3.5.2)", () => {
  const heard = exchange(pattern(10), 99);
  assert.equal([heard.bytes, heard.ended, heard.closed], [0, false, true]);
});

test("the sink tells what it got, the source gives what it is asked for", () => {
  const bytes = pattern(100_000);
  const sink = exchange(bytes, 5001), answer = new WordHash();
  answer.add(Uint8Array.from(new Uint8Array(Uint32Array.of(bytes.length, hashOf(bytes)).buffer)));
  assert.equal([sink.bytes, sink.hash.hash], [8, answer.hash]);
  const source = exchange(new Uint8Array(Uint32Array.of(77_777).buffer), 5002);
  assert.equal([source.bytes, source.hash.hash], [77_777, hashOf(pattern(77_777))]);
});

test("the web client asks in a closed loop and puts answers in the order of its questions", () => {
  const results: WebResult[] = [];
  const site = (): { received: (c: { write(b: Uint8Array): void; end(): void }, bytes: Uint8Array) => void } => ({
    received: (c, bytes) => {
      c.write(new TextEncoder().encode(`HTTP/1.0 200 OK\r\n\r\n${new TextDecoder().decode(bytes).split(" ")[1]!.repeat(1000)}`));
      c.end();
    },
  });
  const { clock } = pair({ services: new Map([[80, site]]) }, {
    started: (host) => startWebLoad(host, { ip: 0x0a00_020f, connections: 3, requests: 10, paths: ["/a", "/bb"], done: (r) => results.push(r) }),
  });
  clock.advance(10e9);
  assert.equal(results[0]!.answers.map(({ path, bytes }) => [path, bytes]), Array.from({ length: 10 }, (_, i) => i % 2 === 0 ? ["/a", 2019] : ["/bb", 3019]));
});


test.run();
