import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FAR_IP, farHost } from "../../hypervisor/network/far-host.js";
import { checksum, parseArp, parseIp, parseTcp, sumWords } from "../../hypervisor/network/frames.js";
import { NetworkLink } from "../../hypervisor/network/link.js";
import { Wire } from "../../hypervisor/network/network.js";
import { FakeClock } from "../devices/fake.js";
import { pair, random } from "./rig.js";

const test = suite("network link");

test("a frame takes its bytes, the FCS, preamble and gap at the wire's rate, and waits for the one before (IEEE 802.3, 4.2.7, 4.4.2)", () => {
  const clock = new FakeClock(1e9), wire = new Wire(clock, 1e9);
  assert.is(wire.pass(1514), 1538 * 8);
  assert.is(wire.pass(1514), 2 * 1538 * 8, "back to back");
  assert.is(wire.pass(20), 2 * 1538 * 8 + 84 * 8, "padded to the shortest frame");
  clock.advance(1e6);
  assert.is(wire.pass(1514), 1e6 + 1538 * 8);
});

test("a link has one near end, and another once that is unplugged", () => {
  const link = new NetworkLink(farHost({ started: (host) => host.ping(FAR_IP + 1, 1, 8, () => {}) })), clock = new FakeClock(1e9);
  let first = 0, second = 0;
  const port = link.connect(() => { first++; }, clock);
  assert.throws(() => link.connect(() => {}, clock), /taken/);
  clock.advance(1e7);
  assert.is(first, 1, "it asks who has the address");
  port.unplug();
  link.connect(() => { second++; }, clock);
  clock.advance(1e7);
  assert.equal([first, second], [1, 1]);
});

test("the checksum of RFC 1071's example", () => {
  assert.is(checksum(sumWords(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7))), ~0xddf2 & 0xffff);
  assert.is(checksum(sumWords(Uint8Array.of(0x12))), ~0x1200 & 0xffff, "an odd byte is the high one");
});

test("ARP finds the other side and pings come back in the link's time (RFC 826, 792)", () => {
  const { clock, near } = pair({}, {}, { delay: 1e-3 });
  const replies: number[] = [];
  near.ping(FAR_IP, 1, 56, (reply) => replies.push(reply.cycles));
  clock.advance(1e7);
  near.ping(FAR_IP, 2, 56, (reply) => replies.push(reply.cycles));
  clock.advance(1e7);
  // Only the way back has a wire here: the near host of this rig sends at once.
  assert.equal(replies, [2e6 + (98 + 24) * 8, 2e6 + (98 + 24) * 8]);
});

test("bytes that are no frames are no packets", () => {
  const next = random(7);
  const host = pair({}, {}).far();
  for (let i = 0; i < 5000; i++) {
    const frame = Uint8Array.from({ length: next() % 120 }, () => next());
    if (frame.length > 14) frame.set([8, i & 1 ? 0 : 6], 12);
    if (frame.length > 24) frame.set([0x45, 0, 0, frame.length - 14], 14);
    parseArp(frame);
    const ip = parseIp(frame);
    if (ip) parseTcp(ip);
    host.receive(frame);
  }
});

test.run();
