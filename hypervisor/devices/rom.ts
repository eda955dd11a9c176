/** A ROM behind a window: reads its bytes, and all ones past them; writes are lost. */
import type { PortDevice } from "./device.js";

export function romWindow(bytes: Uint8Array): PortDevice {
  return {
    read: (offset, size) => {
      let value = 0;
      for (let i = 0; i < size; i++) value |= (bytes[offset + i] ?? 0xff) << (8 * i);
      return value >>> 0;
    },
    write: () => {},
    widest: () => 4,
  };
}
