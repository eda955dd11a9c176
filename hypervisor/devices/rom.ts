/** A ROM behind a window: reads its bytes, and all ones past them; writes are lost. Its contents are asked for when they are first read. */
import type { PortDevice } from "./device.js";

export function romWindow(contents: () => Uint8Array): PortDevice {
  let bytes: Uint8Array | undefined = undefined;
  return {
    read: (offset, size) => {
      bytes ??= contents();
      let value = 0;
      for (let i = 0; i < size; i++) value |= (bytes[offset + i] ?? 0xff) << (8 * i);
      return value >>> 0;
    },
    write: () => {},
    widest: () => 4,
  };
}
