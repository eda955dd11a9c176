/** Two far hosts on one clock, and a source of chance that is the same every time. */
import { Host, type FarHostOptions, NEAR_IP } from "../../hypervisor/network/far-host.js";
import { type LinkOptions, NetworkLink } from "../../hypervisor/network/link.js";
import { FakeClock } from "../devices/fake.js";

/** Marsaglia's xorshift, 32 bits. */
export function random(seed: number): () => number {
  let x = seed | 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

/** Loses, doubles and swaps frames, about one in `every` each. */
export function mischief(seed: number, every: number): NonNullable<LinkOptions["disturb"]> {
  const next = random(seed);
  const held: [Uint8Array[], Uint8Array[]] = [[], []];
  return (frame, outbound) => {
    const kept = held[outbound ? 1 : 0].splice(0);
    switch (next() % every) {
      case 0: return kept;
      case 1: return [frame, ...kept, frame];
      case 2: held[outbound ? 1 : 0].push(frame); return kept;
      default: return [frame, ...kept];
    }
  };
}

/** A link with a host at both ends: the near one is a far host too, at the near end's address. */
export function pair(near: FarHostOptions, far: FarHostOptions, options: LinkOptions = {}): { clock: FakeClock; near: Host; far: () => Host } {
  const clock = new FakeClock(1e9);
  let farHost: Host | undefined;
  const link = new NetworkLink((c, send) => farHost = new Host(c, send, far), options);
  const nearHost: Host = new Host(clock, (frame) => port.send(frame), { ip: NEAR_IP, ...near });
  const port = link.connect((frame) => nearHost.receive(frame), clock);
  return { clock, near: nearHost, far: () => farHost! };
}
