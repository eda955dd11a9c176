import { FileBackend, MemoryBackend, type BlockBackend } from "../hypervisor/devices/block-backend.js";

/** Opens what the user named as disks. A file is written in place; bytes are kept as they are and written to a copy. */
export function openDisks(sources: readonly (string | Uint8Array | BlockBackend)[]): BlockBackend[] {
  return sources.map((source) => {
    if (typeof source === "string") return new FileBackend(source);
    return source instanceof Uint8Array ? new MemoryBackend(source) : source;
  });
}
